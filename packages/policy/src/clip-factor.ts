/** What a gradient is multiplied with so that its norm is at most `maxNorm`: min(1, maxNorm / (norm + 1e-6)), as in PyTorch; 1 without `maxNorm`. */
export function clipFactor(norm: number, maxNorm: number | undefined): number {
  return maxNorm === undefined ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
}

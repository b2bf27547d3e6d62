import type { DecoderConfig } from "./family.ts";

/** A linear layer of the decoder. */
export interface LinearModule {
  readonly name: string;
  /** Numbers that it gives for each token. */
  readonly width: number;
}

/** The linear layers of each decoder layer, by name. Their weights are the matrices there, those of adapters left out. */
export function linearModules(
  { prefix, layers }: DecoderConfig,
  tensors: Readonly<Record<string, { readonly shape: readonly number[] }>>,
): readonly (readonly LinearModule[])[] {
  const found = Array.from({ length: layers }, (): LinearModule[] => []);
  const start = `${prefix}.layers.`;
  for (const [name, { shape }] of Object.entries(tensors)) {
    if (!name.startsWith(start) || !name.endsWith(".weight") || shape.length !== 2 || name.includes(".lora_"))
      continue;
    const layer = found[Number.parseInt(name.slice(start.length), 10)];
    layer?.push({ name: name.slice(0, -".weight".length), width: shape[0] as number });
  }
  return found.map((modules) => modules.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
}

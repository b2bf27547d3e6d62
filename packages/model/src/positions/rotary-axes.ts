/**
 * Position axis (0 time, 1 row, 2 column) of each of the `frequencies` rotary frequencies in a multimodal decoder.
 *
 * Chunked (Qwen2-VL, Qwen2.5-VL): the first `sections[0]` frequencies read time, the next ones rows, the last ones
 * columns. Interleaved (Qwen3-VL): all read time, except indices 1, 4, 7, … below `3 * sections[1]` (rows) and 2, 5,
 * 8, … below
 * `3 * sections[2]` (columns). Without sections every frequency reads axis 0: plain RoPE.
 *
 * Source: `apply_multimodal_rotary_pos_emb` and `apply_interleaved_mrope` of transformers; M-RoPE: Qwen2-VL
 * (https://arxiv.org/abs/2409.12191), section 2.1.
 */
export function rotaryAxes(
  frequencies: number,
  sections: readonly number[] | undefined,
  interleaved: boolean,
): number[] {
  const axes = Array.from({ length: frequencies }, () => 0);
  if (!sections) return axes;
  const [time = 0, rows = 0, columns = 0] = sections;
  for (let i = 0; i < frequencies; i++) {
    if (interleaved) axes[i] = i % 3 === 1 && i < 3 * rows ? 1 : i % 3 === 2 && i < 3 * columns ? 2 : 0;
    else axes[i] = i < time ? 0 : i < time + rows ? 1 : 2;
  }
  return axes;
}

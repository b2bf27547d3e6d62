import type { DecoderConfig, TensorSpec } from "../family.ts";

/** Every parameter of a decoder in the order of a checkpoint: embedding, layers, final norm, and the head when it is its own. */
export function decoderTensors(config: DecoderConfig): TensorSpec[] {
  const { prefix, hiddenSize, vocabularySize } = config;
  const tensors: TensorSpec[] = [
    { name: `${prefix}.embed_tokens.weight`, shape: [vocabularySize, hiddenSize] },
  ];
  for (let layer = 0; layer < config.layers; layer++) {
    tensors.push(...layerTensors(`${prefix}.layers.${layer}`, config));
  }
  tensors.push({ name: `${prefix}.norm.weight`, shape: [hiddenSize] });
  if (!config.tiedHead) tensors.push({ name: "lm_head.weight", shape: [vocabularySize, hiddenSize] });
  return tensors;
}

function layerTensors(name: string, config: DecoderConfig): TensorSpec[] {
  const { hiddenSize, intermediateSize, headDim } = config;
  const queryWidth = config.heads * headDim;
  const keyWidth = config.keyValueHeads * headDim;
  const attention = `${name}.self_attn`;
  const projections: [string, number][] = [
    [`${attention}.q_proj`, queryWidth],
    [`${attention}.k_proj`, keyWidth],
    [`${attention}.v_proj`, keyWidth],
  ];
  return [
    ...projections.flatMap(([module, width]) => [
      { name: `${module}.weight`, shape: [width, hiddenSize] },
      ...(config.attentionBias ? [{ name: `${module}.bias`, shape: [width] }] : []),
    ]),
    { name: `${attention}.o_proj.weight`, shape: [hiddenSize, queryWidth] },
    ...(config.queryKeyNorm
      ? [
          { name: `${attention}.q_norm.weight`, shape: [headDim] },
          { name: `${attention}.k_norm.weight`, shape: [headDim] },
        ]
      : []),
    { name: `${name}.mlp.gate_proj.weight`, shape: [intermediateSize, hiddenSize] },
    { name: `${name}.mlp.up_proj.weight`, shape: [intermediateSize, hiddenSize] },
    { name: `${name}.mlp.down_proj.weight`, shape: [hiddenSize, intermediateSize] },
    { name: `${name}.input_layernorm.weight`, shape: [hiddenSize] },
    { name: `${name}.post_attention_layernorm.weight`, shape: [hiddenSize] },
  ];
}

/** A linear layer: weight `[out, in]`, then its bias `[out]`. */
export function linearTensors(name: string, outputs: number, inputs: number): TensorSpec[] {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs] },
    { name: `${name}.bias`, shape: [outputs] },
  ];
}

/** A LayerNorm: weight and bias. */
export function layerNormTensors(name: string, width: number): TensorSpec[] {
  return [
    { name: `${name}.weight`, shape: [width] },
    { name: `${name}.bias`, shape: [width] },
  ];
}

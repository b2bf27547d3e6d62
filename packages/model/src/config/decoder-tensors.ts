import type { DecoderConfig, TensorSpec } from "../family.ts";

/**
 * Every parameter of a decoder in the order of a checkpoint: embedding, layers, final norm, and the head when it is
 * its own.
 */
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
  return [
    ...projection(`${attention}.q_proj`, queryWidth, hiddenSize, config.attentionBias),
    ...projection(`${attention}.k_proj`, keyWidth, hiddenSize, config.attentionBias),
    ...projection(`${attention}.v_proj`, keyWidth, hiddenSize, config.attentionBias),
    ...projection(`${attention}.o_proj`, hiddenSize, queryWidth, config.outputBias),
    ...(config.queryKeyNorm
      ? [
          { name: `${attention}.q_norm.weight`, shape: [headDim] },
          { name: `${attention}.k_norm.weight`, shape: [headDim] },
        ]
      : []),
    ...projection(`${name}.mlp.gate_proj`, intermediateSize, hiddenSize, config.mlpBias),
    ...projection(`${name}.mlp.up_proj`, intermediateSize, hiddenSize, config.mlpBias),
    ...projection(`${name}.mlp.down_proj`, hiddenSize, intermediateSize, config.mlpBias),
    { name: `${name}.input_layernorm.weight`, shape: [hiddenSize] },
    { name: `${name}.post_attention_layernorm.weight`, shape: [hiddenSize] },
  ];
}

function projection(name: string, outputs: number, inputs: number, bias = false): TensorSpec[] {
  return linearTensors(name, outputs, inputs).slice(0, bias ? 2 : 1);
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

import { decoderTensors } from "../../config/decoder-tensors.ts";
import type { Architecture, Family } from "../../family.ts";
import { consecutivePositions } from "../../positions/multimodal-positions.ts";
import { parseLlamaConfig } from "./config.ts";

/** Text-only Llama decoders, SmolLM2 among them. https://arxiv.org/abs/2302.13971 */
export const llama: Family = {
  modelTypes: ["llama"],
  renames: [],
  architecture: (json): Architecture => {
    const decoder = parseLlamaConfig(json);
    return {
      modelType: "llama",
      decoder,
      tensors: decoderTensors(decoder),
      positions: (ids) => consecutivePositions(ids.length),
    };
  },
};

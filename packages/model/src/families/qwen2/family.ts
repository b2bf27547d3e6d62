import { decoderTensors } from "../../config/decoder-tensors.ts";
import type { Architecture, Family } from "../../family.ts";
import { consecutivePositions } from "../../positions/multimodal-positions.ts";
import { parseQwen2Config } from "./config.ts";

/** Text-only Qwen2 and Qwen2.5 decoders. https://arxiv.org/abs/2412.15115 */
export const qwen2: Family = {
  modelTypes: ["qwen2"],
  renames: [],
  architecture: (json): Architecture => {
    const decoder = parseQwen2Config(json);
    return {
      modelType: "qwen2",
      decoder,
      tensors: decoderTensors(decoder),
      positions: (ids) => consecutivePositions(ids.length),
    };
  },
};

import type { Architecture, Family } from "../../family.ts";
import { checkImageTokens } from "../../positions/image-tokens.ts";
import { consecutivePositions } from "../../positions/multimodal-positions.ts";
import { parseIdefics3Config } from "./config.ts";
import { idefics3Decoder } from "./language.ts";
import { idefics3Processor } from "./processor.ts";
import { idefics3VisionTower } from "./vision.ts";
import { idefics3Renames, idefics3Tensors } from "./weights.ts";

/**
 * Idefics3 (https://arxiv.org/abs/2408.12637), SmolVLM and SmolVLM2 (https://arxiv.org/abs/2504.05299): one
 * architecture.
 */
export const idefics3: Family = {
  modelTypes: ["idefics3", "smolvlm"],
  renames: idefics3Renames,
  processor: idefics3Processor,
  architecture: (json): Architecture => {
    const config = parseIdefics3Config(json);
    return {
      modelType: config.model_type,
      decoder: idefics3Decoder(config),
      vision: idefics3VisionTower(config),
      tensors: idefics3Tensors(config),
      positions: (ids, images) => {
        checkImageTokens(ids, config.image_token_id, images);
        return consecutivePositions(ids.length);
      },
    };
  },
};

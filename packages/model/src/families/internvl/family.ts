import type { Architecture, Family } from "../../family.ts";
import { checkImageTokens } from "../../positions/image-tokens.ts";
import { consecutivePositions } from "../../positions/multimodal-positions.ts";
import { parseInternVlConfig } from "./config.ts";
import { internVlDecoder } from "./language.ts";
import { internVlProcessor } from "./processor.ts";
import { internVlVisionTower } from "./vision.ts";
import { internVlRenames, internVlTensors } from "./weights.ts";

/** InternVL 2.5, 3 and 3.5 in the form of transformers (`…-hf`). InternVL3: https://arxiv.org/abs/2504.10479. */
export const internVl: Family = {
  modelTypes: ["internvl"],
  renames: internVlRenames,
  processor: internVlProcessor,
  architecture: (json): Architecture => {
    const config = parseInternVlConfig(json);
    return {
      modelType: "internvl",
      decoder: internVlDecoder(config),
      vision: internVlVisionTower(config),
      tensors: internVlTensors(config),
      positions: (ids, images) => {
        checkImageTokens(ids, config.image_token_id, images);
        return consecutivePositions(ids.length);
      },
    };
  },
};

import type { Architecture, Family } from "../../family.ts";
import { multimodalPositions } from "../../positions/multimodal-positions.ts";
import { mergedGrid } from "../../positions/patch-grid.ts";
import { parseQwen3VlConfig } from "./config.ts";
import { qwen3Decoder } from "./language.ts";
import { qwen3VlProcessor } from "./processor.ts";
import { qwen3VisionTower } from "./vision.ts";
import { qwen3VlRenames, qwen3VlTensors } from "./weights.ts";

/** Qwen3-VL (dense sizes), and our own `nano`. Technical report: https://arxiv.org/abs/2511.21631. */
export const qwen3Vl: Family = {
  modelTypes: ["qwen3_vl"],
  renames: qwen3VlRenames,
  processor: qwen3VlProcessor,
  architecture: (json): Architecture => {
    const config = parseQwen3VlConfig(json);
    const merge = config.vision_config.spatial_merge_size;
    return {
      modelType: config.model_type,
      decoder: qwen3Decoder(config),
      vision: qwen3VisionTower(config),
      tensors: qwen3VlTensors(config),
      positions: (ids, images) =>
        multimodalPositions(
          ids,
          config.image_token_id,
          images.map((image) => mergedGrid(image.grid, merge)),
        ),
    };
  },
};

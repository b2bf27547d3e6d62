import type { Architecture, Family } from "../../family.ts";
import { multimodalPositions } from "../../positions/multimodal-positions.ts";
import { mergedGrid } from "../../positions/patch-grid.ts";
import { parseQwen25VlConfig } from "./config.ts";
import { qwenVlDecoder } from "./language.ts";
import { qwen25VlProcessor } from "./processor.ts";
import { qwen25VisionTower } from "./vision.ts";
import { qwen25VlTensors, qwenVlRenames } from "./weights.ts";

/** Qwen2.5-VL, the model of the VLM-R1 paper. Technical report: https://arxiv.org/abs/2502.13923. */
export const qwen25Vl: Family = {
  modelTypes: ["qwen2_5_vl"],
  renames: qwenVlRenames,
  processor: qwen25VlProcessor,
  architecture: (json): Architecture => {
    const config = parseQwen25VlConfig(json);
    const merge = config.vision_config.spatial_merge_size;
    return {
      modelType: "qwen2_5_vl",
      decoder: qwenVlDecoder(config),
      vision: qwen25VisionTower(config),
      tensors: qwen25VlTensors(config),
      positions: (ids, images) => {
        const grids = images.map((image) => mergedGrid(image.grid, merge));
        return multimodalPositions(ids, config.image_token_id, grids);
      },
    };
  },
};

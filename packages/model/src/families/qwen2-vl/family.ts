import type { Architecture, Family } from "../../family.ts";
import { multimodalPositions } from "../../positions/multimodal-positions.ts";
import { mergedGrid } from "../../positions/patch-grid.ts";
import { qwenVlDecoder } from "../qwen2-5-vl/language.ts";
import { qwenVlRenames } from "../qwen2-5-vl/weights.ts";
import { parseQwen2VlConfig } from "./config.ts";
import { qwen2VlProcessor } from "./processor.ts";
import { qwen2VisionTower } from "./vision.ts";
import { qwen2VlTensors } from "./weights.ts";

/** Qwen2-VL. Technical report: https://arxiv.org/abs/2409.12191. */
export const qwen2Vl: Family = {
  modelTypes: ["qwen2_vl"],
  renames: qwenVlRenames,
  processor: qwen2VlProcessor,
  architecture: (json): Architecture => {
    const config = parseQwen2VlConfig(json);
    const merge = config.vision_config.spatial_merge_size;
    return {
      modelType: "qwen2_vl",
      decoder: qwenVlDecoder(config),
      vision: qwen2VisionTower(config),
      tensors: qwen2VlTensors(config),
      positions: (ids, images) => {
        const grids = images.map((image) => mergedGrid(image.grid, merge));
        return multimodalPositions(ids, config.image_token_id, grids);
      },
    };
  },
};

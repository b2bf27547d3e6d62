import { byName } from "../variant.ts";
import * as variants from "./variants.ts";

/** Constructor and options of each loss by its name: `losses["dr-grpo"]({ beta: 0.01 })`, `losses.dapo.options`. */
export const losses = byName(variants);

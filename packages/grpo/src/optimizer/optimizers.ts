import { byName } from "../variant.ts";
import * as variants from "./variants.ts";

/** Constructor and options of each optimizer by its name: `optimizers.muon({ momentum: 0.9 })`. */
export const optimizers = byName(variants);

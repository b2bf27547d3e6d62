import { mergeConfig } from "vitest/config";
import shared from "../../vitest.shared.ts";

/** TensorFlow.js takes longer to load than most of these files take to run: they share it. */
export default mergeConfig(shared, { test: { isolate: false, hookTimeout: 60_000 } });

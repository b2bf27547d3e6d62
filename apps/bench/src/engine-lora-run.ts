import { measureLora } from "./engine-lora.ts";
import { median } from "./row.ts";

/** A process of its own, so that its peak memory is the step's. Argument: the device. */
const tensorflow = process.argv[2] === "tensorflow";
const result = await measureLora({
  engine: tensorflow ? { device: "tensorflow", threads: 2, bfloat16: true } : { threads: 2 },
  steps: 6,
  warmUp: 2,
});
const { recordMs, emitMs, loadMs } = result.gradient;
const summary = {
  step_ms: median(result.stepMs),
  peak_mb: result.peakMegabytes,
  compile_ms: recordMs + emitMs + loadMs,
};
process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit(0);

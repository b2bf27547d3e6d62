import type { EngineOptions } from "../../src/index.ts";

// Set by the scripts behind `npm run test:tensorflow` and `npm run test:pjrt`, which run the same suites once more.
const { VLMR1_TENSORFLOW: library, VLMR1_PJRT: plugin } = process.env;

/** The device beside `cpu` that this run is about, if any. */
export const otherDevice: EngineOptions | undefined =
  library !== undefined
    ? { device: "tensorflow", library, threads: 2 }
    : plugin !== undefined
      ? { device: "pjrt", plugin, threads: 2 }
      : undefined;

/** The device that this run is about. */
export const deviceUnderTest: EngineOptions = otherDevice ?? { threads: 2 };

/** Every device of this run, with its name. */
export const devices: readonly (readonly [name: string, options: EngineOptions])[] = [
  ["cpu", { threads: 2 }],
  ...(otherDevice ? [[otherDevice.device!, otherDevice] as const] : []),
];

/** Cases that a released build of a plugin computes wrongly, by wheel and version. */
const faults: Readonly<Record<string, readonly string[]>> = {
  // Values such as -26.7 for an arc tangent; right with XLA_FLAGS=--xla_backend_optimization_level=0, and with the other wheel.
  "lammps-jax-pjrt-cpu 0.11.2": ["atan2 of [2,1,5] and [3,1]"],
};

/** Those of the device that this run is about. */
export const knownFaults = faults[process.env["VLMR1_PJRT_WHEEL"] ?? ""] ?? [];

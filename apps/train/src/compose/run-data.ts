import type { Dataset, FrameOf } from "@vlmr1/core";
import type { RunConfig } from "../config/run-config.ts";
import { namedDatasets, openDataset, type DataRequest, type TruthKind } from "../datasets/named-datasets.ts";

/** The data of a run. */
export interface RunData {
  readonly train: Dataset;
  readonly heldOut?: Dataset;
  readonly truth: TruthKind;
}

/** Opens what a run trains on and, when the configuration names it, what it is measured on. */
export async function openRunData(config: RunConfig, frame: FrameOf): Promise<RunData> {
  const request: DataRequest = { ...config, frame, stream: "training" };
  const truth = namedDatasets[config.dataset].truth(request);
  const train = await openDataset(request);
  const { heldOut, heldOutData, heldOutImages, heldOutLimit } = config;
  if (heldOut === undefined && heldOutData === undefined) return { train, truth };
  const measured = await openDataset({
    ...request,
    stream: "held-out",
    split: heldOut ?? config.split,
    data: heldOutData ?? config.data,
    images: heldOutImages ?? (heldOutData === undefined ? config.images : undefined),
    limit: heldOutLimit,
  });
  return { train, heldOut: measured, truth };
}

import { VlmR1Error, type Dataset, type FrameOf, type Sample } from "@vlmr1/core";
import { map, withSubstitutes } from "@vlmr1/data";
import { sampleMessages, type Model } from "@vlmr1/model";
import type { RunConfig } from "../config/run-config.ts";
import { openDataset, type DataRequest } from "./named-datasets.ts";

/** The data of a run. */
export interface RunData {
  readonly train: Dataset;
  readonly heldOut?: Dataset;
}

/** What the data of a run depend on beside their configuration. */
export interface RunDataNeeds {
  /** Looks at every sample before it is trained on; without it only their number is wanted. */
  readonly model?: Model;
  /** The frame in which the model writes boxes. */
  readonly frame: FrameOf;
  /** Hears of bad samples and doubts, in a sentence each. */
  readonly notice?: ((text: string) => void) | undefined;
}

/**
 * Opens what a run trains on and, when the configuration names it, what it is measured on.
 *
 * A bad sample of training is replaced by the next good one with `onBadSample: skip`, and is an error else; either way it
 * is named. What is measured is never replaced.
 */
export async function openRunData(config: RunConfig, needs: RunDataNeeds): Promise<RunData> {
  const { frame, notice } = needs;
  const request: DataRequest = { ...config, frame, stream: "training" };
  const train = trainable(await openDataset(request), config.onBadSample, needs);
  const { heldOut, heldOutData, heldOutImages, heldOutLimit } = config;
  if (heldOut === undefined && heldOutData === undefined) return { train };
  const measured = await openDataset({
    ...request,
    stream: "held-out",
    split: heldOut ?? config.split,
    data: heldOutData ?? config.data,
    images: heldOutImages ?? (heldOutData === undefined ? config.images : undefined),
    limit: heldOutLimit,
  });
  tellDoubts(measured, notice);
  return { train, heldOut: measured };
}

function trainable(
  dataset: Dataset,
  onBadSample: RunConfig["onBadSample"],
  { model, notice }: RunDataNeeds,
): Dataset {
  tellDoubts(dataset, notice);
  if (!model) return dataset;
  const check = sampleCheck(model);
  if (onBadSample === "throw") {
    return map(dataset, (sample) => {
      check(sample);
      return sample;
    });
  }
  return withSubstitutes(dataset, {
    check,
    onBadSample: ({ message }) => notice?.(`A bad sample is passed over: ${message}`),
  });
}

/** How many reasons for left-out records are told one by one. */
const toldErrors = 5;

/** Says what a loader left out and what it doubts. */
export function tellDoubts(dataset: Dataset, notice?: (text: string) => void): void {
  const { warnings = [], skipped } = dataset as {
    readonly warnings?: readonly string[];
    readonly skipped?: { readonly count: number; readonly errors: readonly VlmR1Error[] };
  };
  for (const warning of warnings) notice?.(warning);
  if (!skipped || skipped.count === 0) return;
  notice?.(`${skipped.count} bad records are left out.`);
  for (const { message } of skipped.errors.slice(0, toldErrors)) notice?.(`  ${message}`);
}

/**
 * A look at a sample with the model's own processor and tokenizer, without computing pixels: pictures that it does not
 * take, tokens of its own in a question, prompts that fill the context.
 *
 * The check throws VlmR1Error naming the sample and what is wrong with it.
 */
export function sampleCheck(model: Model): (sample: Sample) => void {
  const { contextLength } = model.architecture.decoder;
  return (sample) => {
    try {
      const { ids } = model.preprocess({ messages: sampleMessages(sample), images: sample.images });
      if (ids.length < contextLength) return;
      throw new VlmR1Error(
        "limit",
        `the prompt has ${ids.length} tokens, and the context of the model has ${contextLength}. Shorten the prompt or its pictures.`,
      );
    } catch (cause) {
      if (!VlmR1Error.is(cause)) throw cause;
      throw new VlmR1Error(cause.code, `Sample ${sample.id}: ${cause.message}`, { cause });
    }
  };
}

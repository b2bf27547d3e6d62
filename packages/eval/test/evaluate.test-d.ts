import type { CompletionModel, Dataset, RewardFunction, Rng } from "@vlmr1/core";
import { evaluate } from "../src/evaluate.ts";

declare const model: CompletionModel;
declare const rng: Rng;
declare const texts: Dataset<{ text: string }>;
declare const needsBox: RewardFunction<{ box: number[] }>;
declare const needsText: RewardFunction<{ text: string }>;
declare const needsNothing: RewardFunction;

void evaluate({ model, dataset: texts, rng, metrics: { needsText, needsNothing } });
// @ts-expect-error the dataset has no boxes
void evaluate({ model, dataset: texts, rng, metrics: { needsBox } });

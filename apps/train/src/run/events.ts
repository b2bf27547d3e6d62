import type { Box, ImageSize } from "@vlmr1/core";

/** A picture as the run folder keeps it: a data URL, with the size of the original in pixels. */
export interface RunPicture extends ImageSize {
  readonly url: string;
}

/** One answer with what the rules said of it. */
export interface ScoredAnswer {
  readonly text: string;
  readonly total: number;
  readonly scores: Readonly<Record<string, number>>;
  /** The box the answer gives, in pixels of its picture. */
  readonly box?: Box;
}

/** One prompt of a step with the G answers to it. */
export interface AnswerGroup {
  readonly id: string;
  readonly prompt: string;
  readonly picture?: RunPicture;
  /** The true box, in pixels of the picture. */
  readonly truth?: Box;
  readonly answers: readonly ScoredAnswer[];
}

/** An average with its 95 % bootstrap interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** One held-out sample as the model answered it at an evaluation. */
export interface EvaluationExample extends AnswerGroup {
  readonly group?: string;
}

/** The run as a sequence of facts. The console, the metrics file, TensorBoard, the live page and the report all read it. */
export type RunEvent =
  | {
      readonly kind: "start";
      readonly title: string;
      readonly command: string;
      readonly steps: number;
      readonly config: unknown;
      readonly facts: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: "step";
      readonly step: number;
      readonly steps: number;
      readonly seconds: number;
      readonly metrics: Readonly<Record<string, number>>;
    }
  | { readonly kind: "answers"; readonly step: number; readonly groups: readonly AnswerGroup[] }
  | {
      readonly kind: "evaluation";
      readonly step: number;
      readonly name: string;
      readonly metrics: Readonly<Record<string, Estimate>>;
      readonly groups: Readonly<Record<string, Readonly<Record<string, Estimate>>>>;
      readonly examples: readonly EvaluationExample[];
    }
  | {
      readonly kind: "notice";
      readonly step: number;
      readonly level: "info" | "warning";
      readonly text: string;
    }
  | { readonly kind: "audit"; readonly rows: readonly Readonly<Record<string, string | number | boolean>>[] }
  | {
      readonly kind: "end";
      readonly step: number;
      readonly seconds: number;
      readonly outcome: "done" | "interrupted" | "failed";
    };

/** Somebody who wants to know. Sinks are called in order and awaited. */
export interface RunSink {
  write(event: RunEvent): void | Promise<void>;
  close(): void | Promise<void>;
}

import type { Box, ImageSize } from "@vlmr1/core";

/** A picture as the run's pages show it: a data URL, or a file beside them, with the size of the original in pixels. */
export interface RunPicture extends ImageSize {
  readonly url: string;
}

/** One completion with what the rules said of it. */
export interface RecordedCompletion {
  readonly text: string;
  /** The weighted sum of the rewards, or the metric that ranks an evaluation. */
  readonly total: number;
  /** Each rule's own value, before its weight. */
  readonly rewards: Readonly<Record<string, number>>;
  /** How much better than its group it was; in training only. */
  readonly advantage?: number;
  readonly tokens?: number;
  /** Whether it was cut off at the length limit. */
  readonly truncated?: boolean;
  /** The boxes it names, in pixels of the picture. */
  readonly boxes: readonly Box[];
}

/** One prompt with its completions. */
export interface RecordedPrompt {
  readonly id: string;
  readonly prompt: string;
  /** Its kind, where the data knows one. */
  readonly group?: string;
  readonly picture?: RunPicture;
  /** The true boxes, in pixels of the picture. */
  readonly truth: readonly Box[];
  readonly completions: readonly RecordedCompletion[];
}

/** One line of completions.jsonl: a prompt of a step with all its completions. */
export interface LoggedPrompt extends RecordedPrompt {
  readonly step: number;
  /** Which prompt of the step it is, from 0. */
  readonly index: number;
}

/** An average with its 95 % bootstrap interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
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
  | {
      /** Every prompt of a step with every completion. */
      readonly kind: "rollout";
      readonly step: number;
      readonly prompts: readonly RecordedPrompt[];
    }
  | {
      readonly kind: "evaluation";
      readonly step: number;
      readonly name: string;
      readonly metrics: Readonly<Record<string, Estimate>>;
      readonly groups: Readonly<Record<string, Readonly<Record<string, Estimate>>>>;
      readonly examples: readonly RecordedPrompt[];
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

/** The events of one kind. */
export type EventOf<Kind extends RunEvent["kind"]> = Extract<RunEvent, { readonly kind: Kind }>;

/** All events of one kind, in order. */
export function eventsOf<Kind extends RunEvent["kind"]>(
  events: readonly RunEvent[],
  kind: Kind,
): EventOf<Kind>[] {
  return events.filter((event): event is EventOf<Kind> => event.kind === kind);
}

/** Somebody who wants to know. Sinks are called in order and awaited. */
export interface RunSink {
  write(event: RunEvent): void | Promise<void>;
  close(): void | Promise<void>;
}

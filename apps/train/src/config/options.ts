import { kebabCase } from "@vlmr1/core";
import { z } from "zod";

/** One option of a configuration: a leaf of its schema. */
export interface ConfigOption {
  /** Where it is in a configuration file: `["grpo", "groupSize"]`. */
  readonly path: readonly string[];
  /** The path with dots, as `--set` takes it: `grpo.groupSize`. */
  readonly key: string;
  readonly kind: "boolean" | "number" | "string" | "list" | "record";
  /** Kind of the members of a list. */
  readonly items: "number" | "string" | "record";
  readonly description: string;
  readonly fallback: unknown;
  /** The values it may have, when they are few. */
  readonly choices: readonly string[];
  /** What it takes, in words: `a whole number of at least 2`. */
  readonly takes: string;
  /** Heading in help and in docs/configuration.md. */
  readonly group: string;
  /** One of the options that people reach for first: `--help` shows these, `--help-all` every one. */
  readonly everyday: boolean;
}

/** Which part of a configuration a command takes as flags. */
export interface FlagScope {
  /** Members of the configuration that the command has no use for. */
  readonly without: readonly string[];
  /** Sections whose name is not repeated in the flag: `grpo.groupSize` becomes `--group-size`. */
  readonly plain: readonly string[];
}

/** An option with the flag that sets it. */
export interface ConfigFlag extends ConfigOption {
  /** `--group-size`. */
  readonly flag: string;
}

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** What data is and how it is read; drawn scenes need none of it but their own. */
const dataOptions = [
  "dataset",
  "data",
  "images",
  "split",
  "limit",
  "question",
  "template",
  "answer",
  "answerFrame",
  "rewardMethod",
  "onBadSample",
  "maxPixels",
  "exifRotation",
];

/** Headings in the order of help and documentation, with the members of a configuration below each. */
const groups: readonly (readonly [heading: string, members: readonly string[]])[] = [
  [
    "Model",
    [
      "model",
      "adapter",
      "train",
      "lora",
      "gradientCheckpointing",
      "basePrecision",
      "rolloutPrecision",
      "frame",
    ],
  ],
  ["Data", [...dataOptions, "scenes"]],
  ["Held-out data and evaluation", ["heldOut", "heldOutData", "heldOutImages", "heldOutLimit", "evaluation"]],
  ["Rewards", ["rewards", "judge", "curriculum"]],
  ["Reinforcement learning", ["grpo"]],
  ["Imitation", ["answerTemplate", "sft"]],
  ["Loss", ["loss", "lossOptions"]],
  ["Optimizer", ["optimizer", "optimizerOptions"]],
  ["Sampling on a server", ["sampler"]],
  [
    "The run",
    ["device", "plugin", "dtype", "xla", "threads", "seed", "title", "out", "logEvery", "live", "port"],
  ],
];

/** The headings, in their order. */
export const headings: readonly string[] = groups.map(([heading]) => heading);

const everyday = new Set(
  `
    model adapter train lora.rank frame dataset data images split limit scenes.task heldOut heldOutLimit
    evaluation.metrics evaluation.batchSize rewards evaluation.maxNewTokens grpo.steps
    grpo.promptsPerStep grpo.groupSize grpo.learningRate grpo.maxNewTokens grpo.temperature
    grpo.evaluateEvery sft.steps sft.batchSize sft.learningRate sft.evaluateEvery answerTemplate loss
    lossOptions.beta optimizer grpo.promptsPerMicroBatch sft.samplesPerMicroBatch gradientCheckpointing
    basePrecision rolloutPrecision
    curriculum judge.url device plugin dtype threads seed title out live scenes.length
  `
    .trim()
    .split(/\s+/),
);

/** Every option of a configuration schema: flags, help and the documentation table all come from this list. */
export function configOptions(schema: z.ZodType): readonly ConfigOption[] {
  return leavesOf(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema, []);
}

/** The flags of a command, one for each option that is in its scope, by group. */
export function configFlags(schema: z.ZodType, { without, plain }: FlagScope): readonly ConfigFlag[] {
  return configOptions(schema)
    .filter(({ path }) => !without.includes(path[0] as string))
    .map((option): ConfigFlag => {
      const named = plain.includes(option.path[0] as string) ? option.path.slice(1) : option.path;
      // The one spelling of every command that takes rewards.
      return {
        ...option,
        flag: option.key === "rewards" ? "--reward" : `--${named.map(kebabCase).join("-")}`,
      };
    })
    .toSorted((a, b) => headings.indexOf(a.group) - headings.indexOf(b.group));
}

const training = [
  "grpo",
  "sft",
  "loss",
  "lossOptions",
  "optimizer",
  "optimizerOptions",
  "sampler",
  "rolloutPrecision",
];
const trainedParts = ["train", "lora", "judge", "curriculum"];
const heldOut = ["heldOut", "heldOutData", "heldOutImages", "heldOutLimit"];
const watching = ["live", "port", "title", "logEvery", "gradientCheckpointing", "answerTemplate"];
const evaluationOnly = [
  ...training,
  ...trainedParts.filter((name) => name !== "judge"),
  ...heldOut,
  ...watching,
];
const dataOnly = [
  ...training,
  ...trainedParts,
  ...heldOut,
  ...watching,
  "evaluation",
  "rewards",
  "basePrecision",
];
const deviceMembers = ["device", "plugin", "dtype", "xla", "threads"];
const plain = ["lossOptions", "optimizerOptions"];

/** The flags of each command: where training commands both have an option (`steps`), each takes its own section's. */
export const scopes = {
  grpo: { without: ["sft", "answerTemplate"], plain: [...plain, "grpo"] },
  sft: {
    without: ["grpo", "rewards", "judge", "curriculum", "loss", "lossOptions", "sampler", "rolloutPrecision"],
    plain: [...plain, "sft"],
  },
  evaluate: { without: [...evaluationOnly, "rewards"], plain: ["evaluation"] },
  data: { without: dataOnly, plain: [] },
  draw: {
    without: [...dataOnly, ...dataOptions, "model", "adapter", ...deviceMembers, "frame"],
    plain: ["scenes"],
  },
} as const satisfies Readonly<Record<string, FlagScope>>;

function leavesOf(schema: JsonSchema, path: readonly string[]): ConfigOption[] {
  if (schema.properties) {
    return Object.entries(schema.properties).flatMap(([name, property]) =>
      leavesOf(property, [...path, name]),
    );
  }
  const key = path.join(".");
  return [
    {
      path,
      key,
      kind: kindOf(schema),
      items: itemsOf(schema),
      description: schema.description ?? "",
      fallback: schema.default,
      choices: choicesOf(schema),
      takes: takes(schema),
      group: groups.find(([, members]) => members.includes(path[0] as string))?.[0] ?? "",
      everyday: everyday.has(key),
    },
  ];
}

function kindOf(schema: JsonSchema): ConfigOption["kind"] {
  const types = [schema.type, ...(schema.anyOf ?? []).map(({ type }) => type)];
  if (types.includes("array")) return "list";
  if (types.includes("string") || schema.enum) return "string";
  if (types.includes("object")) return "record";
  if (types.includes("number") || types.includes("integer")) return "number";
  return types.includes("boolean") ? "boolean" : "string";
}

function itemsOf(schema: JsonSchema): ConfigOption["items"] {
  const list = schema.type === "array" ? schema : schema.anyOf?.find(({ type }) => type === "array");
  const item = list?.prefixItems?.[0] ?? list?.items;
  if (item?.type === "number" || item?.type === "integer") return "number";
  return item?.type === "object" ? "record" : "string";
}

function choicesOf(schema: JsonSchema): string[] {
  const own = schema.enum ?? (schema.const === undefined ? [] : [schema.const]);
  return [...own.map(String), ...(schema.anyOf ?? []).flatMap(choicesOf)];
}

/** What a value of this schema is, in words for an error: `a number above 0 and at most 1`. */
function takes(schema: JsonSchema): string {
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  if (schema.anyOf) return schema.anyOf.map(takes).join(", or ");
  if (schema.prefixItems)
    return `${schema.prefixItems.length} values with commas, each ${takes(schema.prefixItems[0] as JsonSchema)}`;
  switch (schema.type) {
    case "integer":
      return `a whole number${rangeText(schema)}`;
    case "number":
      return `a number${rangeText(schema)}`;
    case "boolean":
      return "true or false";
    case "array":
      return schema.items?.type === "object" ? "a list, as JSON" : "a list with commas";
    case "object":
      return "a record, as JSON";
    default:
      return "a text";
  }
}

/** ` from 2 to 8`, without the limits that every safe integer has. */
function rangeText({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const limit = Number.MAX_SAFE_INTEGER;
  const parts = [
    minimum !== undefined && minimum > -limit && `at least ${minimum}`,
    exclusiveMinimum !== undefined && `above ${exclusiveMinimum}`,
    maximum !== undefined && maximum < limit && `at most ${maximum}`,
    exclusiveMaximum !== undefined && `below ${exclusiveMaximum}`,
  ].filter((part) => part !== false);
  if (parts.length === 0) return "";
  return parts[0]?.startsWith("above") ? ` ${parts.join(" and ")}` : ` of ${parts.join(" and ")}`;
}

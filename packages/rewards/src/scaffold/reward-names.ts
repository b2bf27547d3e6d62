import { VlmR1Error } from "@vlmr1/core";

/** The names that a scaffolded reward goes by. */
export interface RewardNames {
  /** The package: `@me/short-answers`. */
  readonly name: string;
  /** The source file: `short-answers`. */
  readonly file: string;
  /** The key in a record of rewards: `shortAnswers`. */
  readonly key: string;
  /** The function: `shortAnswersReward`. */
  readonly factory: string;
  /** The type of its options: `ShortAnswersOptions`. */
  readonly Options: string;
}

/**
 * Derives every name from the package's: `my-reward` makes `myReward`, `short-answers` makes
 * `shortAnswersReward`.
 *
 * @throws VlmR1Error `invalid-argument` when the name is no npm name whose last part begins with a letter.
 */
export function rewardNames(name: string): RewardNames {
  const valid =
    name.length <= 100 && /^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z][a-z0-9-]*$/.test(name) && !name.endsWith("-");
  if (!valid) {
    throw new VlmR1Error(
      "invalid-argument",
      `A reward's name must be an npm name in small letters, digits and hyphens, such as "short-answers" or "@me/short-answers", got ${JSON.stringify(name)}.`,
    );
  }
  const file = name.split("/").at(-1) as string;
  const parts = file.split("-").filter((part) => part !== "" && part !== "reward");
  const words = parts.length > 0 ? parts : ["my"];
  const pascal = words.map((word) => word[0]?.toUpperCase() + word.slice(1)).join("");
  const key = pascal[0]?.toLowerCase() + pascal.slice(1);
  return { name, file, key, factory: `${key}Reward`, Options: `${pascal}Options` };
}

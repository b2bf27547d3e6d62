import { InvalidArgumentError } from "commander";

/** Reads a number from the command line; anything else is refused with the option's name. */
export function numberOption(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError(`${JSON.stringify(text)} is not a number.`);
  return value;
}

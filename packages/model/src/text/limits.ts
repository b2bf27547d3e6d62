import { createContext, Script } from "node:vm";
import * as jinja from "@huggingface/jinja";
import { VlmR1Error } from "@vlmr1/core";

/**
 * What a model folder's tokenizer and template may use up: `seconds` of one call, and for a template `work`, about the number of
 * values that it looks at, and `characters` of any text that it builds. Each character given may cost some more.
 */
export interface TextLimits {
  readonly seconds: number;
  readonly work: number;
  readonly characters: number;
}

/** Released templates need a few thousand evaluations for a conversation; released tokenizers read a megabyte in a second. */
export const TEXT_LIMITS: TextLimits = { seconds: 10, work: 300_000, characters: 1 << 20 };

/** The parts of the library that its declarations lose under Node's resolution. */
interface JinjaParts {
  readonly Environment: new () => { set(name: string, value: unknown): void };
  readonly Interpreter: new (environment: object) => {
    run(program: unknown): { readonly value: unknown };
    evaluate(node: unknown, scope: unknown): { readonly value: unknown };
  };
}

const { Environment, Interpreter } = jinja as unknown as JinjaParts;

/** Longest template that is read, in characters; released ones have at most twenty thousand. */
const LONGEST_TEMPLATE = 1 << 18;

const sandbox: { run?: (() => void) | undefined } = createContext({ run: undefined });
const script = new Script("run()");

/**
 * Runs `work` and stops it after `seconds`, even inside a regular expression: the script is a bare call of ours, there only because
 * Node can interrupt scripts. `what` names the culprit.
 *
 * @throws VlmR1Error `limit` when the time is over.
 */
export function withinTime<T>(seconds: number, what: string, work: () => T): T {
  let result: { readonly value: T } | undefined;
  const outer = sandbox.run;
  sandbox.run = () => void (result = { value: work() });
  try {
    script.runInContext(sandbox, { timeout: Math.ceil(seconds * 1000) });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException | null)?.code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw cause;
    throw new VlmR1Error(
      "limit",
      `${what} takes more than ${seconds} seconds. Use the original checkpoint's file, or a shorter text.`,
      { cause },
    );
  } finally {
    sandbox.run = outer;
  }
  return (result as unknown as { readonly value: T }).value;
}

/** A parsed Jinja template. @throws VlmR1Error `limit` for one too long; `Error` of the library for one that is not Jinja. */
export function parseTemplate(source: string, limits: TextLimits): jinja.Template {
  if (source.length > LONGEST_TEMPLATE) {
    throw new VlmR1Error(
      "limit",
      `The chat template has ${source.length} characters; at most ${LONGEST_TEMPLATE} are read.`,
    );
  }
  return withinTime(limits.seconds, "Reading the chat template", () => new jinja.Template(source));
}

/** Renders a template as its own `render` does, with everything counted. `given`: characters of the conversation. */
export function renderWithin(
  template: jinja.Template,
  variables: Readonly<Record<string, unknown>>,
  given: number,
  limits: TextLimits,
): string {
  const spend = createBudget(limits.work + 64 * given);
  const longest = limits.characters + 4 * given;
  const environment = new Environment();
  const named = { ...globals(spend), ...variables };
  for (const [name, value] of Object.entries(named)) environment.set(name, value);
  const interpreter = new Interpreter(environment);
  const evaluate = interpreter.evaluate.bind(interpreter);
  interpreter.evaluate = (node, scope) => {
    spend(1);
    const result = evaluate(node, scope);
    const { value } = result;
    if (typeof value === "string") {
      if (value.length > longest) throw overLimit(`builds a text of more than ${longest} characters`);
      spend(value.length / 16);
    } else if (Array.isArray(value)) spend(value.length);
    return result;
  };
  return withinTime(limits.seconds, "The chat template", () =>
    String(interpreter.run(template.parsed).value),
  );
}

function createBudget(most: number): (cost: number) => void {
  let spent = 0;
  return (cost) => {
    spent += cost;
    if (!(spent <= most)) throw overLimit("does not come to an end");
  };
}

function overLimit(what: string): VlmR1Error {
  return new VlmR1Error("limit", `The chat template ${what}. Use the original checkpoint's template.`);
}

/** What every template can name, as in the library, except that `range` counts. */
function globals(spend: (cost: number) => void): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    range: (first: number, second?: number | null, step?: number | null) => {
      const [start, stop, by] = [second === undefined ? 0 : first, second ?? first, step ?? 1];
      if (by === 0) throw new Error("range() step must not be zero");
      const length = Math.max(0, Math.ceil((stop - start) / by));
      spend(length);
      return Array.from({ length }, (_, i) => start + i * by);
    },
    strftime_now: (format: string) => new jinja.Template("{{ strftime_now(format) }}").render({ format }),
  };
}

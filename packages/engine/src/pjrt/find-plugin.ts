import type { NamedValue } from "./c-api.ts";
import type { XlaFlags } from "./compile-options.ts";

export interface FoundPlugin {
  readonly file: string;
  readonly createOptions: Readonly<Record<string, NamedValue>>;
  readonly flags: XlaFlags;
}

import { expect, test } from "vitest";
import { VlmR1Error } from "../src/index.ts";

test("carries a code, a message and the cause", () => {
  const cause = new Error("disk");
  const error = new VlmR1Error("invalid-data", "refs.p: record 3 has no box.", { cause });
  expect(error).toMatchObject({
    name: "VlmR1Error",
    code: "invalid-data",
    message: "refs.p: record 3 has no box.",
  });
  expect(error.cause).toBe(cause);
  expect(error).toBeInstanceOf(Error);
});

const secondCopy = "../src/error.ts?copy";

test("is recognised by its brand, across two installed copies of the package", async () => {
  const copy = (await import(secondCopy)) as { VlmR1Error: typeof VlmR1Error };
  const foreign = new copy.VlmR1Error("limit", "too large");
  expect(foreign).not.toBeInstanceOf(VlmR1Error);
  expect(VlmR1Error.is(foreign)).toBe(true);
  expect(VlmR1Error.is(foreign, "limit")).toBe(true);
  expect(VlmR1Error.is(foreign, "aborted")).toBe(false);
});

test("nothing else is one", () => {
  for (const other of [new Error("x"), { code: "limit" }, null, undefined, "limit", 3])
    expect(VlmR1Error.is(other)).toBe(false);
});

test("a message is bounded, whatever a stranger wrote into it", () => {
  const error = new VlmR1Error("invalid-data", `a.json: the name ${"x".repeat(1e8)} is too long.`);
  expect(error.message).toMatch(/^a\.json: the name x+$/);
  expect(error.message).toHaveLength(4000);
});

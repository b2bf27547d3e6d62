import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { createChatTemplate } from "../../src/text/chat.ts";
import { TEXT_LIMITS, withinTime } from "../../src/text/limits.ts";

const render = (source: string): string =>
  createChatTemplate(source, false).render([{ role: "user", content: "hello" }]);

function failure(act: () => unknown): VlmR1Error {
  try {
    act();
  } catch (error) {
    if (VlmR1Error.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const nested = (depth: number, inner: string): string =>
  `${"{% for i in range(1000) %}".repeat(depth)}${inner}${"{% endfor %}".repeat(depth)}`;

const hostile: Record<string, string> = {
  "a range of ten thousand million": "{% for i in range(10000000000) %}x{% endfor %}",
  "a range of tiny steps": "{% for i in range(0, 1, 0.0000000001) %}x{% endfor %}",
  "nested ranges": nested(4, "x"),
  "nested ranges without a body": nested(4, ""),
  "loops over one list": `{% set a = range(100000) %}${"{% for i in a %}".repeat(3)}${"{% endfor %}".repeat(3)}`,
  "a text that doubles": `{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`,
  "a text that is indented": "{{ 'x\ny' | indent(400000000) }}",
  "a macro that calls itself twice":
    "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
  "a million characters of source": "x".repeat(1_000_000),
};

describe("a hostile chat template", () => {
  it.each(Object.entries(hostile))("ends with a named error: %s", (_, source) => {
    const error = failure(() => render(source));
    expect(error.code).toBe("limit");
    expect(error.message).toMatch(/chat template/);
  });

  it.each([
    ["brackets", `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`],
    ["endless recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"],
  ])("is no raw RangeError: %s", (_, source) => {
    expect(["invalid-data", "invalid-argument"]).toContain(failure(() => render(source)).code);
  });

  it("keeps what range and strftime_now give", () => {
    expect(render("{{ range(3) }}{{ range(1, 7, 2) }}{{ range(3, 0, -1) }}{{ range(2, 1) }}")).toBe(
      "[0, 1, 2][1, 3, 5][3, 2, 1][]",
    );
    expect(render("{{ strftime_now('%Y') }}")).toBe(String(new Date().getFullYear()));
  });

  it("leaves room for a long conversation", () => {
    const messages = Array.from({ length: 500 }, () => ({ role: "user", content: "word ".repeat(2000) }));
    const source = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}\n{% endfor %}";
    expect(createChatTemplate(source, false).render(messages).length).toBeGreaterThan(4_900_000);
  });

  it("may not take longer than its seconds, whatever it counts to", () => {
    const limits = { ...TEXT_LIMITS, seconds: 0.05, work: Infinity };
    const endless = createChatTemplate(nested(6, "x"), false, new Map(), limits);
    expect(failure(() => endless.render([])).message).toMatch(/more than 0.05 seconds/);
  });
});

describe("withinTime", () => {
  it("interrupts a regular expression, and works again afterwards", () => {
    const stuck = (): boolean => /(a+)+$/.test(`${"a".repeat(60)}b`);
    expect(failure(() => withinTime(0.05, "It", stuck)).code).toBe("limit");
    expect(withinTime(5, "It", () => 7)).toBe(7);
  });

  it("passes on what is thrown, and may be nested", () => {
    expect(() =>
      withinTime(5, "It", () => {
        throw new TypeError("mine");
      }),
    ).toThrowError(TypeError);
    expect(withinTime(5, "It", () => withinTime(5, "That", () => 3) + 1)).toBe(4);
  });
});

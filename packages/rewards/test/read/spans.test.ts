import { expect, test } from "vitest";
import { readAnswer, readSpan, readSpans, readThought } from "../../src/index.ts";

test("finds the first, the last, nested and unclosed spans", () => {
  const text = "<answer>a<answer>b</answer></answer> and <answer>c";
  expect(readSpans(text, "answer").map(({ text, closed, depth }) => [text, closed, depth])).toEqual([
    ["a<answer>b</answer>", true, 0],
    ["b", true, 1],
    ["c", false, 0],
  ]);
  expect(readSpan(text, "answer", "first")?.text).toBe("a<answer>b</answer>");
  expect(readSpan(text, "answer", "last")).toMatchObject({ text: "c", closed: false });
  expect(readSpans("</answer>x</answer>", "answer")).toEqual([]);
  expect(readSpan("no tags", "answer")).toBeUndefined();
});

test("positions point into the completion", () => {
  const text = "<think>why</think><answer>42</answer>";
  const span = readSpan(text, "answer");
  expect(text.slice(span?.start, span?.end)).toBe("42");
  expect(readThought(text)).toBe("why");
  expect(readThought("none")).toBeUndefined();
});

test("an answer is the last answer, else what follows the thought, else everything; an endless thought is no answer", () => {
  expect(readAnswer("<answer>a</answer><answer>b</answer>")).toBe("b");
  expect(readAnswer("<answer>a</answer><answer>b</answer>", "first")).toBe("a");
  expect(readAnswer("<think>x</think> 42")).toBe(" 42");
  expect(readAnswer("42")).toBe("42");
  expect(readAnswer("<think>maybe 42")).toBe("");
  expect(readAnswer("<think>x</think><answer>4")).toBe("4");
});

test.each([
  ["<think>use <answer>..</answer></think>real", "real"],
  ["<think>use <answer>x</answer></think><answer>5</answer>", "5"],
  ["I write <answer>x</answer> later.</think>real", "real"], // a template opened the thought
  ["<think>a</think><answer>b</answer><think>c</think>", "b"],
  ["<think>the tag <answer> opens it</think><answer>7</answer>", "7"],
  ["<ANSWER>5</ANSWER>", "5"],
  ["<answer >5</answer >", "5"],
  ["< answer>5</ answer>", "5"],
  ["<Answer>5</ANSWER>", "5"],
  ["<thinking>x <answer>1</answer></thinking>5", "5"],
  ["<thinking>x</thinking><answer>5</answer>", "5"],
  ["<Thought>x</Thought>5", "5"],
  ["◁think▷x◁/think▷5", "5"],
  ["<think>x</think><|begin_of_box|>5<|end_of_box|>", "5"],
  ["<answer><|begin_of_box|>5<|end_of_box|></answer>", "5"],
  ["<|begin_of_box|>5", "5"],
  ["<think>x <answer>5</answer>", "5"], // the thought never ends, but there is an answer
  ["<thinking>maybe 42", ""],
  ["<answers>5</answers>", "<answers>5</answers>"],
  ["a < b and <answer>5</answer>", "5"],
])("%s answers %j", (completion, answer) => {
  expect(readAnswer(completion)).toBe(answer);
});

import { VlmR1Error } from "@vlmr1/core";
import { describe, expect, it } from "vitest";
import { createChatTemplate, type Message, messageImages } from "../../src/text/chat.ts";
import { readFixture } from "../fixtures/read-fixture.ts";

interface RenderCase {
  readonly template: string;
  readonly conversation: number;
  readonly add_generation_prompt: boolean;
  readonly kwargs?: Record<string, unknown>;
  readonly text?: string;
}

const { templates, conversations, cases } = readFixture<{
  templates: Record<string, string>;
  conversations: Message[][];
  cases: RenderCase[];
}>("chat_templates.json.gz");

/** Templates of vision-language models; SmolVLM's renders a plain string as an empty message, which nobody wants. */
const forParts = (name: string): boolean => ["qwen2_5_vl", "qwen3_vl", "smolvlm", "internvl"].includes(name);
const isPlain = (messages: readonly Message[]): boolean =>
  messages.every(({ content }) => typeof content === "string");

describe("createChatTemplate", () => {
  const comparable = cases.filter(
    ({ template, conversation, text }) =>
      text !== undefined && !(template === "smolvlm" && isPlain(conversations[conversation]!)),
  );

  it.each(comparable)(
    "renders $template, conversation $conversation, as Jinja does in Python ($kwargs)",
    (each) => {
      const template = createChatTemplate(templates[each.template]!, forParts(each.template));
      const messages = conversations[each.conversation]!;
      if (!forParts(each.template) && !isPlain(messages)) return; // A text model: its own test is below.
      const text = template.render(messages, {
        addGenerationPrompt: each.add_generation_prompt,
        variables: each.kwargs ?? {},
      });
      expect(text).toBe(each.text);
    },
  );

  it("covers at least seventy renderings", () => {
    expect(comparable.length).toBeGreaterThan(70);
  });

  it("gives SmolVLM's template a plain message as a part instead of losing its words", () => {
    const template = createChatTemplate(templates["smolvlm"]!, true);
    expect(template.render([{ role: "user", content: "Hello" }])).toBe(
      "<|im_start|>User: Hello<end_of_utterance>\nAssistant:",
    );
  });

  it("joins the parts of a text message for a text model, and refuses an image", () => {
    const template = createChatTemplate(templates["qwen2"]!, false);
    const parts: Message[] = [
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ];
    expect(template.render(parts)).toContain("<|im_start|>user\nab<|im_end|>");
    const picture: Message[] = [{ role: "user", content: [{ type: "image" }] }];
    expect(() => template.render(picture)).toThrowError(/text-only model/);
  });

  it("passes named tokens to the template", () => {
    const template = createChatTemplate(
      "{{ bos_token }}{{ messages[0].content }}",
      false,
      new Map([["bos_token", "<s>"]]),
    );
    expect(template.render([{ role: "user", content: "x" }])).toBe("<s>x");
  });

  it("turns the errors of templates into errors of the caller or the file", () => {
    const refusing = createChatTemplate("{{ raise_exception('Roles must alternate') }}", true);
    expect(() => refusing.render([])).toThrowError(/refuses the messages: Roles must alternate/);
    expect(() => createChatTemplate("{% if %}", true)).toThrowError(VlmR1Error);
  });
});

describe("messageImages", () => {
  it("lists the images in the order of their parts", () => {
    const messages: Message[] = [
      { role: "system", content: "x" },
      {
        role: "user",
        content: [
          { type: "image", image: "a" },
          { type: "text", text: "?" },
          { type: "image", image: "b" },
        ],
      },
    ];
    expect(messageImages(messages)).toEqual(["a", "b"]);
  });
});

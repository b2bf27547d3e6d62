import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readChatTemplate } from "../../src/files.ts";
import { openModelFolder } from "../../src/weights/documents.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vlmr1-template-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = async (): Promise<string | undefined> => readChatTemplate(await openModelFolder(folder));
const write = (name: string, value: unknown): void =>
  writeFileSync(join(folder, name), typeof value === "string" ? value : JSON.stringify(value));

describe("readChatTemplate", () => {
  it("prefers chat_template.jinja, then chat_template.json, then the tokenizer's field", async () => {
    expect(await read()).toBeUndefined();
    write("tokenizer_config.json", { chat_template: "tokenizer" });
    expect(await read()).toBe("tokenizer");
    write("chat_template.json", { chat_template: "json" });
    expect(await read()).toBe("json");
    write("chat_template.jinja", "jinja");
    expect(await read()).toBe("jinja");
  });

  it("takes the default of several named templates", async () => {
    const templates = [
      { name: "tool_use", template: "tools" },
      { name: "default", template: "plain" },
    ];
    write("tokenizer_config.json", { chat_template: templates });
    expect(await read()).toBe("plain");
  });

  it("refuses a template that is no text", async () => {
    write("chat_template.json", { chat_template: 5 });
    await expect(read()).rejects.toThrowError(/chat_template\.json: chat_template is neither/);
  });
});

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VlmR1Error } from "@vlmr1/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openModelFolder } from "../../src/weights/documents.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vlmr1-folder-"));
  mkdirSync(join(root, "model"));
  writeFileSync(join(root, "secret.json"), '{"secret":true}');
});
afterEach(() => rmSync(root, { recursive: true }));

describe("openModelFolder", () => {
  it("reads files of the folder and says undefined for those it does not have", async () => {
    writeFileSync(join(root, "model", "config.json"), '\uFEFF{"a":1}');
    const folder = await openModelFolder(join(root, "model"));
    expect(await folder.json("config.json")).toEqual({ a: 1 });
    expect(await folder.json("other.json")).toBeUndefined();
    expect(await folder.text("other.txt")).toBeUndefined();
    expect(await folder.has("config.json")).toBe(true);
  });

  it.each(["../secret.json", "/etc/passwd", "a/../../secret.json", "..", ".", "", "a\\b", "x\0y"])(
    "refuses the file name %j",
    async (name) => {
      const folder = await openModelFolder(join(root, "model"));
      for (const use of [folder.has, folder.text, folder.json, folder.open]) {
        await expect(use(name)).rejects.toSatisfy((error) => VlmR1Error.is(error, "invalid-data"));
      }
    },
  );

  it("refuses a link that leads out of the folder, but follows one inside it", async () => {
    symlinkSync(join(root, "secret.json"), join(root, "model", "config.json"));
    writeFileSync(join(root, "model", "real.json"), "[]");
    symlinkSync("real.json", join(root, "model", "inside.json"));
    const folder = await openModelFolder(join(root, "model"));
    await expect(folder.json("config.json")).rejects.toThrowError(/link to a file outside/);
    expect(await folder.json("inside.json")).toEqual([]);
  });

  it("follows the links of the hub's cache into its blobs and nowhere else", async () => {
    const repository = join(root, "models--a--b");
    const snapshot = join(repository, "snapshots", "0123");
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(repository, "blobs"));
    writeFileSync(join(repository, "blobs", "abc"), '{"cached":true}');
    symlinkSync("../../blobs/abc", join(snapshot, "config.json"));
    symlinkSync("../../../secret.json", join(snapshot, "tokenizer.json"));
    const folder = await openModelFolder(snapshot);
    expect(await folder.json("config.json")).toEqual({ cached: true });
    await expect(folder.json("tokenizer.json")).rejects.toThrowError(/outside/);
  });

  it("does not take a folder for a file", async () => {
    mkdirSync(join(root, "model", "config.json"));
    const folder = await openModelFolder(join(root, "model"));
    expect(await folder.json("config.json")).toBeUndefined();
  });

  it.each([
    ["arrays", "[".repeat(20_000) + "]".repeat(20_000)],
    ["objects", '{"a":'.repeat(20_000) + "1" + "}".repeat(20_000)],
  ])("refuses 20000 nested %s with a named error", async (_, text) => {
    writeFileSync(join(root, "model", "config.json"), text);
    const folder = await openModelFolder(join(root, "model"));
    await expect(folder.json("config.json")).rejects.toSatisfy((error) => VlmR1Error.is(error, "limit"));
  });

  it("names the file that is not JSON, and the folder that is not there", async () => {
    writeFileSync(join(root, "model", "config.json"), "{");
    const folder = await openModelFolder(join(root, "model"));
    await expect(folder.json("config.json")).rejects.toThrowError(/config\.json: this is no valid JSON/);
    await expect(openModelFolder(join(root, "nowhere"))).rejects.toSatisfy((error) =>
      VlmR1Error.is(error, "not-found"),
    );
    await expect(openModelFolder(join(root, "secret.json"))).rejects.toSatisfy((error) =>
      VlmR1Error.is(error, "not-found"),
    );
  });
});

#!/usr/bin/env node
import { readdir, readFile, writeFile, mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { VlmR1Error } from "@vlmr1/core";
import { rewardNames } from "./scaffold/reward-names.ts";

const usage = `Usage: vlmr1-new-reward NAME [FOLDER]

Makes a package with a reward, a test that it passes, and a README, ready to be published.
NAME is the package's name, such as my-reward or @me/my-reward; FOLDER is where it goes, by default the name's last part.`;

/** Writes the template with its names filled in. Refuses a folder that holds anything. */
async function scaffold(name: string, folder: string): Promise<readonly string[]> {
  const names = rewardNames(name);
  const existing = await readdir(folder).catch(() => []);
  if (existing.length > 0) {
    throw new VlmR1Error("invalid-argument", `${folder} is not empty: choose another folder.`);
  }
  const root = join(dirname(fileURLToPath(import.meta.url)), "..");
  const own = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  const values: Readonly<Record<string, string>> = {
    ...names,
    coreRange: `^${own.version}`,
    rewardsRange: `^${own.version}`,
  };
  const template = join(root, "template");
  const files = (await readdir(template, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const written: string[] = [];
  for (const entry of files) {
    const source = join(entry.parentPath, entry.name);
    const target = join(dirname(source.slice(template.length + 1)), fileName(entry.name, names.file));
    const text = await readFile(source, "utf8");
    await mkdir(dirname(join(folder, target)), { recursive: true });
    await writeFile(
      join(folder, target),
      text.replaceAll(/\{\{(\w+)\}\}/g, (_, key: string) => values[key] ?? ""),
    );
    written.push(target);
  }
  return written.sort();
}

/**
 * Files of the template end in .template, so that no tool takes them for the package's own; npm would leave
 * out a .gitignore.
 */
function fileName(templateName: string, file: string): string {
  const name = templateName.replace(/\.template$/, "");
  return name === "gitignore" ? ".gitignore" : name.replace("reward.", `${file}.`);
}

async function main(args: readonly string[]): Promise<number> {
  const [name, folder] = args;
  if (name === undefined || name.startsWith("-") || args.length > 2) {
    console.error(usage);
    return name === "--help" || name === "-h" ? 0 : 2;
  }
  const target = resolve(folder ?? (name.split("/").at(-1) as string));
  try {
    const files = await scaffold(name, target);
    console.log(`Made ${target}:\n${files.map((file) => `  ${file}`).join("\n")}\n`);
    console.log(`Next:\n  cd ${target}\n  npm install\n  npm test`);
    return 0;
  } catch (error) {
    if (!VlmR1Error.is(error)) throw error;
    console.error(error.message);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Opens the files of one program in a folder: `dump(name)("txt", text)` writes `007-name.txt`. Later programs get later numbers. */
export function dumpInto(folder: string): (name: string) => (extension: string, text: string) => void {
  mkdirSync(folder, { recursive: true });
  let count = 0;
  return (name) => {
    const number = String((count += 1)).padStart(3, "0");
    const stem = `${number}-${name.replaceAll(/[^\w.-]+/g, "-").slice(0, 60)}`;
    const written = new Map<string, number>();
    return (extension, text) => {
      const before = written.get(extension) ?? 0;
      written.set(extension, before + 1);
      writeFileSync(join(folder, `${stem}${before === 0 ? "" : `-${before + 1}`}.${extension}`), text);
    };
  };
}

import { VlmR1Error } from "@vlmr1/core";
import { pushModel } from "../hub/push.ts";
import { hubSettings, parseHubName } from "../hub/snapshot.ts";
import type { BuildCommand } from "./index.ts";

/** `vlmr1 push DIR owner/name`: what a run learned, for others. Needs HF_TOKEN. */
export const buildPush: BuildCommand = (command, terminal) => {
  command
    .argument("<dir>", "folder of a run, or of a model or adapter")
    .argument("<name>", "owner/name on the Hub; it is made if it is not there")
    .option("--private", "a new repository is for you alone", false)
    .action(async (folder: string, text: string, { private: isPrivate }: { private: boolean }) => {
      const name = parseHubName(text, "model");
      if (!name || name.revision !== "main")
        throw new VlmR1Error(
          "invalid-argument",
          `A model is pushed to owner/name; got ${JSON.stringify(text)}.`,
        );
      const { say, result } = terminal();
      const pushed = await pushModel({ folder, name, settings: hubSettings(process.env), isPrivate, say });
      result(pushed, `The model is at ${pushed.url}`);
    });
};

#!/usr/bin/env node
import { runCommandLine } from "./command-line.ts";

// A reader that leaves early (`| head`) or a terminal that is closed ends the output, not the run.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
  });
process.exitCode = await runCommandLine(process.argv.slice(2));

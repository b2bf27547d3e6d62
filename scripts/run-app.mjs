// Runs the reference app from source, in the caller's folder, with the caller's arguments.
import { spawn } from "node:child_process";

const child = spawn(
  process.execPath,
  ["--conditions=@vlmr1/source", "--import", "tsx", "apps/train/src/main.ts", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
// Ctrl-C reaches the child through the terminal; this process only waits for how it ends.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});

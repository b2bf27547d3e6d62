// Runs the reference app from source, in the caller's folder, with the caller's arguments.
import { spawn } from "node:child_process";

const child = spawn(
  process.execPath,
  ["--conditions=@vlmr1/source", "--import", "tsx", "apps/train/src/main.ts", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
// This process only waits for how the child ends. A terminal tells both of a Ctrl-C and of its own end; the child takes what it hears
// twice within a second for one.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});

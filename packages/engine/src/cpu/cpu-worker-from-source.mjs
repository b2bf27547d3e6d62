// Starts the worker from TypeScript sources, for tests of this repository. Published packages start dist/cpu-worker.js.
import { register } from "tsx/esm/api";

register();
await import("./cpu-worker.ts");

/** Frames inside TensorFlow.js, this package and Node itself say nothing to the user. */
const inner = [
  /@tensorflow[\\/+]/,
  /tf\.node\.js/,
  /packages[\\/]engine[\\/]src[\\/]/,
  /@vlmr1[\\/]engine[\\/]/,
  /\(node:/,
  /at node:/,
];

/** The stack of the caller, deep enough to leave TensorFlow.js. */
export function captureStack(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 60;
  const { stack = "" } = new Error("site");
  Error.stackTraceLimit = limit;
  return stack;
}

/** The first frame of a stack that belongs to the user, for example `loss (/home/me/model.ts:12:7)`. */
export function userFrame(stack: string): string {
  const frames = stack.split("\n").filter((line) => line.trimStart().startsWith("at "));
  const frame = frames.find((line) => !inner.some((pattern) => pattern.test(line))) ?? frames.at(-1);
  return frame === undefined ? "an unknown place" : frame.trim().slice(3);
}

/** The user's frame at the moment of the call. */
export function callSite(): string {
  return userFrame(captureStack());
}

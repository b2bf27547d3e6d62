import { register } from "node:module";

/* Lets a program that never computes with TensorFlow.js start without loading it: its import becomes an empty module. */
const hooks = `export async function resolve(name, context, next) {
  return name === "@tensorflow/tfjs" ? { url: "data:text/javascript,export{}", shortCircuit: true } : next(name, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

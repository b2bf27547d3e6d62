/* Every optimizer. A line here is all that a new one needs, as with the losses. */
export { adam, adamW } from "./adam.ts";
export { muon } from "./muon.ts";
export { sgd } from "./sgd.ts";

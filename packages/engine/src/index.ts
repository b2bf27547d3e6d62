export type {
  ArgumentTree,
  Compiled,
  Compilation,
  CompileOptions,
  DeviceKind,
  DeviceMemory,
  DeviceTensor,
  DType,
  Engine,
  EngineDescription,
  EngineOptions,
  HostData,
  Packed,
  PackedViews,
  ProgramDescription,
  ResultTree,
  ShapeTree,
  TargetTree,
  TensorLike,
} from "./engine-types.ts";
export { openEngine } from "./open-engine.ts";
export {
  installedPlugins,
  pluginAdvice,
  pluginFolders,
  type InstalledPlugin,
  type PluginAdvice,
} from "./pjrt/find-plugin.ts";
export type { PluginName, PluginOption } from "./pjrt/plugin-kinds.ts";
export {
  narrow,
  narrowingError,
  widen,
  type Narrow,
  type NarrowBlocks,
  type NarrowFloats,
  type NarrowingError,
  type Precision,
} from "./precision.ts";
export { checkpoint } from "./transform/checkpoint.ts";
export {
  grad,
  valueAndGrad,
  type ValueAndGrads,
  type ValueAuxAndGrads,
  type ValueWithAux,
} from "./transform/gradients.ts";
export { drawFromWeights, sampleFromUniforms, type SampleOptions } from "./transform/sample.ts";
export { allGather, allSum } from "./transform/replicas.ts";
export { stopGradient } from "./transform/stop-gradient.ts";
export { updateSlice } from "./transform/update-slice.ts";

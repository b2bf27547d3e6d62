import { convolutionKernels } from "./convolution.ts";
import { activationKernels, arithmeticKernels, logicKernels } from "./elementwise.ts";
import { imageKernels } from "./image.ts";
import { indexingKernels } from "./indexing.ts";
import type { KernelTable } from "./kernel-rule.ts";
import { poolingKernels } from "./pooling.ts";
import { reductionKernels } from "./reduction.ts";
import { creationKernels, structureKernels } from "./structure.ts";

/** Every TensorFlow.js kernel that can be recorded, expressed in primitive operations. */
export const kernelTable: KernelTable = {
  ...arithmeticKernels,
  ...logicKernels,
  ...activationKernels,
  ...structureKernels,
  ...creationKernels,
  ...reductionKernels,
  ...indexingKernels,
  ...convolutionKernels,
  ...poolingKernels,
  ...imageKernels,
};

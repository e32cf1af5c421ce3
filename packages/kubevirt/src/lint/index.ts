import type { Linter } from '@vmgpu/core';
import { kubeVirtLinter } from './linter.ts';

/** Linters for the files of KubeVirt and NVIDIA's GPU Operator. */
export const kubevirtLinters: readonly Linter[] = [kubeVirtLinter];

export { type Repaired, repairManifest } from '../translate/repair.ts';

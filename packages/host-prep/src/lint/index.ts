import type { Linter } from '@vmgpu/core';
import { grubLinter, kernelCmdlineLinter } from './boot.ts';
import { guideLinter } from './guide.ts';
import { modprobeLinter } from './modprobe.ts';
import { moduleListLinter } from './module-list.ts';

export { grubLinter, guideLinter, kernelCmdlineLinter, modprobeLinter, moduleListLinter };

/** Linters for the files of a Linux host and for guides about it. Pure. */
export const hostLinters: readonly Linter[] = [
  modprobeLinter,
  moduleListLinter,
  grubLinter,
  kernelCmdlineLinter,
  guideLinter,
];

/** Linters for the configuration of OpenStack with GPUs: files of Nova and Placement, deployment tools, and guides. */
import type { Linter } from '@vmgpu/core';
import { devstackLinter } from './devstack.ts';
import { guideLinter } from './guide.ts';
import { novaConfLinter } from './nova-conf.ts';
import { ansibleLinter, cyborgLinter, kollaGlobalsLinter } from './yaml-files.ts';

export const openstackLinters: readonly Linter[] = [
  devstackLinter,
  novaConfLinter,
  guideLinter,
  ansibleLinter,
  kollaGlobalsLinter,
  cyborgLinter,
];

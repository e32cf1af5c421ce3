/** Linters for Proxmox VE: VM configurations, PCI mappings, and the commands in scripts and guides. */
import type { Linter } from '@vmgpu/core';
import { commandLinter } from './command-linter.ts';
import { pciConfigLinter } from './pci-config-linter.ts';
import { vmConfigLinter } from './vm-config-linter.ts';

export const proxmoxLinters: readonly Linter[] = [vmConfigLinter, pciConfigLinter, commandLinter];

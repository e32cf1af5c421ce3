import { readFileSync } from 'node:fs';
import { apiVersion } from '@vmgpu/core';
import { sharedData, sharedJson } from '../../core/test/shared-data.ts';
import type { MdevType, PciItem, ProxmoxSnapshot } from '../src/translate/index.ts';
import { parsePciConfig } from '../src/translate/index.ts';

interface HostFixture {
  readonly node: string;
  readonly devices: readonly PciItem[];
  readonly 'pci.cfg': readonly string[];
  readonly mdev_types: Readonly<Record<string, readonly MdevType[]>>;
}

/** True when the collection of observed cases lies beside the project. */
export const available = sharedData('proxmox/cases') !== undefined;

/** The host on which the cases were observed, as a snapshot. */
export function observedHost(): ProxmoxSnapshot {
  const fixture = sharedJson<HostFixture>('proxmox/cases/host-fixture.json') as HostFixture;
  return {
    apiVersion,
    kind: 'ProxmoxSnapshot',
    version: '9.2.6',
    nodes: [{ name: fixture.node, pci: fixture.devices, mdevTypes: fixture.mdev_types }],
    mappings: parsePciConfig(fixture['pci.cfg'].join('\n')),
  };
}

export function lines<T>(path: string): readonly T[] {
  return text(path)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

export function text(path: string): string {
  return readFileSync(sharedData(`proxmox/${path}`) ?? '', 'utf8');
}

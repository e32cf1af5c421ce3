import type { Params } from './body.ts';
import { refuse } from './failure.ts';
import { mapEntry } from './mapping.ts';
import { truth } from './property-string.ts';
import type { NodeScenario, PciDevice } from './scenario.ts';
import { atLeast, type ClusterState, offeredTypes } from './state.ts';

/** `GET /nodes/{node}/hardware/pci`. Source: pve-common 9.2.1, PVE::SysFSTools `lspci`. */
export function listPci(state: ClusterState, node: NodeScenario, params: Params): unknown {
  const hidden = String(params['pci-class-blacklist'] ?? '05;06;0b')
    .split(/[;,\s\0]+/)
    .filter(Boolean);
  const brief = truth(String(params.verbose ?? '1')) === false;
  return node.devices
    .filter((device) => !hidden.some((prefix) => device.class.slice(2).startsWith(prefix)))
    .map((device) => (brief ? { id: device.id } : seen(state, node, device)));
}

/** A function as this release lists it. */
function seen(state: ClusterState, node: NodeScenario, device: PciDevice): Partial<PciDevice> {
  const { nvidia, physfn, virtfns, ...rest } = device;
  return {
    ...rest,
    iommugroup: node.iommu ? device.iommugroup : -1,
    ...(nvidia !== undefined && perFunctionInterface(state) ? { nvidia } : {}),
    ...(physfn !== undefined && atLeast(state, '9.2') ? { physfn } : {}),
    ...(virtfns !== undefined && atLeast(state, '9.2') ? { virtfns } : {}),
  };
}

/** NVIDIA's interface per virtual function is known since qemu-server 8.2.5 (8.3). */
export function perFunctionInterface(state: Pick<ClusterState, 'version'>): boolean {
  return atLeast(state, '8.3');
}

/** Types of a function, or of all functions that a mapping names on this node. */
export function listMdevs(state: ClusterState, node: NodeScenario, idOrMapping: string): unknown {
  const isAddress = /^(?:[0-9a-f]{4,}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]$/.test(idOrMapping);
  // Mapping names are taken since pve-manager 8.2.9 (8.3).
  const mapping = state.mappings.find(({ id }) => id === idOrMapping && atLeast(state, '8.3'));
  const addresses = isAddress
    ? [/^[0-9a-f]{4,}:.*:/.test(idOrMapping) ? idOrMapping : `0000:${idOrMapping}`]
    : (mapping?.map ?? [])
        .map(mapEntry)
        .filter((entry) => entry.node === node.name)
        .map((entry) => entry.path ?? '');
  const types = new Map<string, unknown>();
  for (const address of addresses) {
    const told = (node.devices.find(({ id }) => id === address)?.nvidia ?? 0) === 1;
    for (const { perCard: _, ...type } of offeredTypes(state, node, address)) {
      const before = types.get(type.type) as { available: number } | undefined;
      types.set(type.type, told || (before?.available ?? -1) < type.available ? type : before);
    }
  }
  return [...types.values()];
}

export function nodeStatus(state: ClusterState, node: NodeScenario): unknown {
  return {
    pveversion: `pve-manager/${state.version}.11/simulated`,
    'boot-info': { mode: 'efi', secureboot: 0 },
    'current-kernel': { sysname: 'Linux', release: node.kernel, machine: 'x86_64' },
    cpuinfo: { model: 'Simulated CPU', cpus: 16, sockets: 1, cores: 8 },
    memory: { total: 137438953472, used: 8589934592, free: 128849018880 },
  };
}

/** The driver that holds a function now: vfio-pci while a VM has it, else the host's. */
export function driverOf(state: ClusterState, node: NodeScenario, device: PciDevice): string | undefined {
  if (state.reservations[`${node.name}/${device.id}`] !== undefined) return 'vfio-pci';
  const named = node.drivers?.[device.id];
  if (named !== undefined) return named;
  const kind = device.class.slice(2, 6);
  if (kind === '0403') return 'snd_hda_intel';
  if (!/^(03|12)/.test(kind)) return undefined;
  const usual: Readonly<Record<string, string>> = { '0x8086': 'i915', '0x1002': 'amdgpu' };
  return usual[device.vendor] ?? (kind === '0300' ? 'nouveau' : 'nvidia');
}

/** The node of a request. Throws 595 as the proxy does for a node that is down. */
export function findNode(state: ClusterState, name: string): NodeScenario {
  const node = state.nodes.find((one) => one.name === name);
  if (!node)
    throw refuse(
      `hostname lookup '${name}' failed - failed to get address info for: ${name}: Name or service not known\n`,
    );
  if (node.online === false) throw refuse('No route to host', 595);
  return node;
}

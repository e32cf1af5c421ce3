/** What the hosts report to Placement, as it follows from their devices and nova.conf. */
import { confOf, listOf, oneOf, truthOf } from './nova-conf.ts';
import { classOf, offeredDevices, traitNames } from './pci.ts';
import type { HostScenario, PciDevice } from './scenario.ts';
import { type CloudState, uuidOf } from './state.ts';

export interface Inventory {
  readonly total: number;
  readonly reserved: number;
  readonly min_unit: number;
  readonly max_unit: number;
  readonly step_size: number;
  readonly allocation_ratio: number;
}

export interface Provider {
  readonly uuid: string;
  readonly name: string;
  /** Of the root; null for the root itself. */
  readonly parent: string | null;
  readonly root: string;
  readonly inventories: Readonly<Record<string, Inventory>>;
  readonly traits: readonly string[];
  /** PCI devices behind it. */
  readonly addresses: readonly string[];
}

function inventory(total: number, ratio = 1): Inventory {
  return { total, reserved: 0, min_unit: 1, max_unit: total, step_size: 1, allocation_ratio: ratio };
}

/** Why nova-compute of the host does not start; undefined when it does. */
export function startProblem(state: CloudState, host: HostScenario): string | undefined {
  try {
    offeredDevices(state, host);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

export function isUp(state: CloudState, host: HostScenario): boolean {
  return host.state !== 'down' && startProblem(state, host) === undefined;
}

export function providersOf(state: CloudState): readonly Provider[] {
  return state.hosts.flatMap((host) => {
    const root = uuidOf(`host ${host.name}`);
    const disabled = host.status === 'disabled' || !isUp(state, host);
    const own: Provider = {
      uuid: root,
      name: host.name,
      parent: null,
      root,
      // Ratios that nova 26 starts with: 16 for CPUs, 1.5 for memory.
      inventories: {
        VCPU: inventory(host.vcpus, 16),
        MEMORY_MB: { ...inventory(host.memoryMib, 1.5), reserved: 512 },
        DISK_GB: inventory(host.diskGib),
      },
      traits: ['COMPUTE_NODE', 'HW_CPU_X86_VMX', ...(disabled ? ['COMPUTE_STATUS_DISABLED'] : [])],
      addresses: [],
    };
    if (startProblem(state, host) !== undefined) return [own];
    const child = (
      name: string,
      addresses: readonly string[],
      classes: Provider['inventories'],
      traits: readonly string[],
    ) => ({
      uuid: uuidOf(`provider ${name}`),
      name,
      parent: root,
      root,
      inventories: classes,
      traits,
      addresses,
    });
    return [own, ...pciProviders(state, host, child), ...mdevProviders(state, host, child)];
  });
}

type Child = (
  name: string,
  addresses: readonly string[],
  classes: Provider['inventories'],
  traits: readonly string[],
) => Provider;

/** Only with `report_in_placement`. Virtual functions are counted on their physical one. */
function pciProviders(state: CloudState, host: HostScenario, child: Child): readonly Provider[] {
  if (!truthOf(confOf(state, 'nova-compute', host.name), 'pci', 'report_in_placement')) return [];
  const offered = offeredDevices(state, host);
  const parents = [...new Set(offered.map(({ device }) => device.parent ?? device.address))];
  return parents.flatMap((address) => {
    const behind = offered.filter(({ device }) => (device.parent ?? device.address) === address);
    const [first] = behind;
    if (!first) return [];
    const traits = ['COMPUTE_MANAGED_PCI_DEVICE', ...traitNames(first.tags.traits)];
    if (state.scenario.release >= 34) traits.push('OWNER_NOVA');
    return [
      child(
        `${host.name}_${address.toUpperCase()}`,
        behind.map(({ device }) => device.address),
        { [classOf(first)]: inventory(behind.length) },
        traits,
      ),
    ];
  });
}

/** Which type each card makes. Source: nova 26 and 29, nova/virt/libvirt/driver.py, _get_supported_vgpu_types. */
export function mdevTypeOf(
  state: CloudState,
  host: HostScenario,
  { address }: PciDevice,
): { readonly type: string; readonly className: string; readonly most: number | undefined } | undefined {
  const conf = confOf(state, 'nova-compute', host.name);
  const types = listOf(conf, 'devices', 'enabled_mdev_types', 'enabled_vgpu_types');
  const listed = (type: string) => [
    ...listOf(conf, `mdev_${type}`, 'device_addresses'),
    ...listOf(conf, `vgpu_${type}`, 'device_addresses'),
  ];
  const own = (type: string) => ({
    type,
    className: oneOf(conf, `mdev_${type}`, 'mdev_class') ?? 'VGPU',
    most: numberOf(oneOf(conf, `mdev_${type}`, 'max_instances')),
  });
  const [first] = types;
  if (first === undefined) return undefined;
  const bare = types.filter((type) => listed(type).length === 0);
  // Before 29.0.0 one type without addresses makes Nova forget those of all others.
  if (state.scenario.release < 29 && bare.length > 0) {
    return { type: first, className: 'VGPU', most: undefined };
  }
  const named = types.find((type) => listed(type).includes(address)) ?? bare[0];
  return named === undefined ? undefined : own(named);
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function mdevProviders(state: CloudState, host: HostScenario, child: Child): readonly Provider[] {
  return host.devices.flatMap((device) => {
    const made = mdevTypeOf(state, host, device);
    const capacity = made && device.mdevTypes?.[made.type];
    if (!made || capacity === undefined) return [];
    const total = Math.min(capacity, made.most ?? capacity);
    const name = `${host.name}_pci_${device.address.replace(/[:.]/g, '_')}`;
    const traits = state.scenario.release >= 34 ? ['OWNER_NOVA'] : [];
    return [child(name, [device.address], { [made.className]: inventory(total) }, traits)];
  });
}

/** What consumers hold of a provider, by class. */
export function usageOf(
  state: CloudState,
  { name, inventories }: Provider,
): Readonly<Record<string, number>> {
  const used: Record<string, number> = Object.fromEntries(Object.keys(inventories).map((key) => [key, 0]));
  for (const holds of Object.values(state.allocations)) {
    for (const [key, amount] of Object.entries(holds[name] ?? {})) used[key] = (used[key] ?? 0) + amount;
  }
  return used;
}

/** How much of a class the provider can still give. */
export function freeOf(state: CloudState, provider: Provider, className: string): number {
  const own = provider.inventories[className];
  if (!own) return 0;
  return (
    Math.floor((own.total - own.reserved) * own.allocation_ratio) - (usageOf(state, provider)[className] ?? 0)
  );
}

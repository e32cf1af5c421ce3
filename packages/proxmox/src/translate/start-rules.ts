/**
 * What happens to a VM's hostpci options when it starts, and the refusals, in Proxmox VE's own words. Storing such a VM
 * succeeds: the API checks the text, only the start checks the meaning. Source: qemu-server 9.2.6,
 * `PVE::QemuServer::PCI` (parse_hostpci, parse_hostpci_devices, choose_hostpci_devices, reserve_pci_usage).
 */
import { propertiesOf } from './formats.ts';
import { type HostPci, hostPciOf, withoutDefaults } from './hostpci.ts';
import { functionsAt, type MdevType, type PciItem } from './inventory.ts';
import { entriesFor, type PciMapping, staleReason } from './mapping.ts';
import type { VmOptions } from './option-text.ts';

export interface StartContext {
  readonly node: string;
  /** All functions of the node (`pci-class-blacklist` empty). */
  readonly items: readonly PciItem[];
  readonly mappings: readonly PciMapping[];
  /** Id of the running VM that holds a function, by address. */
  readonly reservations?: Readonly<Record<string, number>>;
  /** Mediated types by address; a type is only checked where they are known. */
  readonly mdevTypes?: Readonly<Record<string, readonly MdevType[]>>;
}

export interface ResolvedHostPci {
  readonly device: HostPci;
  /** Alternatives, each a list of functions that go into the guest together. */
  readonly alternatives: readonly (readonly PciItem[])[];
  /** Number of the vGPU type when NVIDIA's VFIO interface makes it; the mediated bus is not used then. */
  readonly nvidia?: string;
}

export type StartResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string; readonly option?: string };

const refuse = (error: string, option?: string) =>
  ({ ok: false, error, ...(option === undefined ? {} : { option }) }) as const;

/** Finds the functions that one hostpci option means. */
export function resolveHostPci(device: HostPci, context: StartContext): StartResult<ResolvedHostPci> {
  const { host, mapping: id, mdev } = device;
  if (host !== undefined && id !== undefined) return refuse("Cannot set both 'host' and 'mapping'.");
  if (host === undefined && id === undefined) return refuse("Either 'host' or 'mapping' must be set.");
  const paths = host === undefined ? mappedPaths(id ?? '', context) : { ok: true as const, value: [host] };
  if (!paths.ok) return paths;

  const alternatives: PciItem[][] = [];
  let nvidia: string | undefined;
  for (const path of paths.value) {
    const functions: PciItem[] = [];
    for (const part of path.split(';')) {
      const found = functionsAt(context.items, part);
      if (found.length === 0) return refuse(`no PCI device found for '${part}'`);
      functions.push(...found);
    }
    if (functions.length > 1 && mdev !== undefined) {
      return refuse('cannot use mediated device with multifunction device');
    }
    if (functions[0]?.nvidia) nvidia ??= /^nvidia-(\d+)$/.exec(mdev ?? '')?.[1];
    alternatives.push(functions);
  }
  return { ok: true, value: { device, alternatives, ...(nvidia === undefined ? {} : { nvidia }) } };
}

function mappedPaths(id: string, context: StartContext): StartResult<readonly string[]> {
  const mapping = context.mappings.find((candidate) => candidate.id === id);
  const entries = mapping ? entriesFor(mapping, context.node) : [];
  if (!mapping || entries.length === 0) return refuse(`PCI device mapping not found for '${id}'`);
  for (const entry of entries) {
    const reason = staleReason(mapping, entry, context.items);
    if (reason !== undefined)
      return refuse(`PCI device mapping invalid (hardware probably changed): ${reason}`);
  }
  return { ok: true, value: entries.map((entry) => entry.path) };
}

/**
 * Resolves all of a VM's hostpci options as its start would: the functions that each would get, or the first refusal.
 * What only the running node knows (binding to VFIO, QEMU itself) is not judged.
 */
export function resolveStart(
  options: VmOptions,
  context: StartContext,
): StartResult<Readonly<Record<string, readonly string[]>>> {
  const resolved: [string, ResolvedHostPci][] = [];
  for (const { index, result } of hostPciOf(options)) {
    const option = `hostpci${index}`;
    if (!result.ok) return refuse(result.problem.text, option);
    const outcome = resolveHostPci(result.value, context);
    if (!outcome.ok) return refuse(outcome.error, option);
    resolved.push([option, outcome.value]);
  }
  for (const [option, { device, alternatives }] of resolved) {
    const error =
      (device['legacy-igd'] ? legacyIgdError(device, alternatives, options, resolved.length) : undefined) ??
      (device.pcie && !isQ35(options) ? 'q35 machine model is not enabled' : undefined);
    if (error !== undefined) return refuse(error, option);
  }
  return choose(resolved, context);
}

function isQ35(options: VmOptions): boolean {
  return /q35/.test(propertiesOf('machine', options.machine).type ?? '');
}

function legacyIgdError(
  device: HostPci,
  alternatives: readonly (readonly PciItem[])[],
  options: VmOptions,
  devices: number,
): string | undefined {
  const set = withoutDefaults(device);
  const only = (what: string) => `legacy IGD assignment ${what}`;
  const conflicts: readonly (readonly [unknown, string])[] = [
    [devices > 1, 'only one device can be assigned in legacy-igd mode'],
    [propertiesOf('vga', options.vga).type !== 'none', only("requires VGA mode to be 'none'")],
    [set.rombar === false, only('requires rombar to be enabled')],
    [set['x-vga'], only('is not compatible with x-vga')],
    [set.mdev !== undefined, only('is not compatible with mdev')],
    [isQ35(options), only('is not compatible with q35')],
    [
      alternatives.some((functions) => functions.length > 1),
      only('is not compatible with multifunction devices'),
    ],
    [alternatives.length > 1, only('is not compatible with alternate devices')],
    [!alternatives[0]?.[0]?.id.endsWith('00:02.0'), only('only works for devices on host bus 00:02.0')],
  ];
  return conflicts.find(([wrong]) => wrong)?.[1];
}

/** Gives each option its functions: in the order of the options' names, the first alternative that is free. */
function choose(
  resolved: readonly (readonly [string, ResolvedHostPci])[],
  context: StartContext,
): StartResult<Readonly<Record<string, readonly string[]>>> {
  const used = new Map<string, number>();
  const chosen: Record<string, readonly string[]> = {};
  const holder = (ids: readonly string[]) =>
    ids.map((id) => [id, context.reservations?.[id]] as const).find(([, vm]) => vm !== undefined);
  for (const [option, { device, alternatives, nvidia }] of [...resolved].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    const all = alternatives.map((functions) => functions.map((item) => item.id));
    if (device.mdev !== undefined && nvidia === undefined) {
      const mediated = chooseMediated(device.mdev, alternatives.flat(), used, context);
      if (!mediated.ok) return refuse(mediated.error, option);
      chosen[option] = [mediated.value];
      continue;
    }
    const [single = []] = all;
    if (all.length === 1) {
      const twice = single.find((id) => used.has(id));
      if (twice !== undefined) return refuse(`device '${twice}' assigned more than once`, option);
      const [id, vmid] = holder(single) ?? [];
      if (vmid !== undefined) return refuse(`PCI device '${id}' already in use by VMID '${vmid}'`, option);
    }
    const free = all.find((ids) => ids.every((id) => !used.has(id)) && !holder(ids));
    if (free === undefined) return refuse(`could not find a free device for '${option}'`, option);
    for (const id of free) used.set(id, 1);
    chosen[option] = free;
  }
  return { ok: true, value: chosen };
}

/** The first device that can still make the type. Several mediated devices may share one. */
function chooseMediated(
  type: string,
  items: readonly PciItem[],
  used: Map<string, number>,
  { mdevTypes }: StartContext,
): StartResult<string> {
  let error = `pci device '${items[0]?.id}' does not support mediated devices`;
  for (const { id, mdev } of items) {
    if (!mdev) continue;
    const offered = mdevTypes?.[id]?.find((candidate) => candidate.type === type);
    const taken = used.get(`${id} ${type}`) ?? 0;
    if (mdevTypes?.[id] === undefined || (offered && offered.available > taken)) {
      used.set(`${id} ${type}`, taken + 1);
      return { ok: true, value: id };
    }
    error = offered
      ? `pci device '${id}' has no available instances of '${type}'`
      : `pci device '${id}' has no type '${type}'`;
  }
  return refuse(error);
}

import { refuse } from './failure.ts';
import { perFunctionInterface } from './hardware.ts';
import { entryProblem, mapEntry } from './mapping.ts';
import { hostpciFormat, parseProperties } from './property-string.ts';
import type { NodeScenario, PciDevice } from './scenario.ts';
import { type ClusterState, offeredTypes } from './state.ts';

/** What one hostpci option may take: alternatives, each a list of functions that go together. */
interface Choice {
  readonly option: string;
  readonly parts: Readonly<Record<string, string>>;
  readonly alternatives: readonly (readonly PciDevice[])[];
}

type Config = Readonly<Record<string, string>>;

/**
 * What a start takes from the host, in the order and with the texts of qemu-server 9.2.6, PVE::QemuServer::PCI: all
 * options are read and checked, then devices chosen from pools, then the fixed ones reserved, then all prepared. Throws
 * the text that ends the start; else the reservation keys.
 */
export function devicesForStart(
  state: ClusterState,
  node: NodeScenario,
  vmid: number,
  config: Config,
  log: (line: string) => void = () => {},
): readonly string[] {
  const choices = readChoices(state, node, config);
  const chosen = choose(state, node, choices);
  for (const device of chosen) {
    const holder = state.reservations[keyOf(node, device)];
    if (holder !== undefined) throw refuse(`PCI device '${device.id}' already in use by VMID '${holder}'\n`);
  }
  if (choices.length > 0 && !node.iommu) throw refuse('cannot prepare PCI pass-through, IOMMU not present\n');
  const taken = chosen.map((device) => keyOf(node, device));
  for (const choice of choices) {
    const { mdev } = choice.parts;
    if (mdev !== undefined) taken.push(makeMdev(state, node, vmid, choice, mdev, taken, log));
  }
  return taken;
}

function readChoices(state: ClusterState, node: NodeScenario, config: Config): readonly Choice[] {
  const options = Object.keys(config)
    .filter((key) => /^hostpci\d+$/.test(key) && config[key]?.trim() !== '')
    .sort((a, b) => Number(a.slice(7)) - Number(b.slice(7)));
  let hasLegacyIgd = false;
  return options.map((option) => {
    const choice = resolve(state, node, option, config[option] ?? '');
    if (choice.parts.pcie === '1' && !isQ35(config))
      throw refuse('q35 machine model is not enabled at /usr/share/perl5/PVE/QemuServer/PCI.pm line 1.\n');
    if (choice.parts['legacy-igd'] === '1') {
      if (hasLegacyIgd) throw refuse('only one device can be assigned in legacy-igd mode\n');
      hasLegacyIgd = true;
      checkLegacyIgd(choice, config);
    }
    return choice;
  });
}

function isQ35(config: Config): boolean {
  return (config.machine ?? '').includes('q35');
}

/** Reads one option, finds its functions. */
export function resolve(state: ClusterState, node: NodeScenario, option: string, text: string): Choice {
  const parsed = parseProperties(text, hostpciFormat, option);
  if ('error' in parsed) throw refuse(parsed.error);
  const { host, mapping, mdev } = parsed.parts;
  if (host !== undefined && mapping !== undefined) throw refuse("Cannot set both 'host' and 'mapping'.\n");
  if (host === undefined && mapping === undefined) throw refuse("Either 'host' or 'mapping' must be set.\n");
  const alternatives = host === undefined ? mapped(state, node, mapping ?? '') : [byAddress(node, host)];
  if (mdev !== undefined && alternatives.some((functions) => functions.length > 1))
    throw refuse('cannot use mediated device with multifunction device\n');
  return { option, parts: parsed.parts, alternatives };
}

/** Addresses are prefixes: `26:00` is every function of the slot, virtual ones too. */
function byAddress(node: NodeScenario, host: string): readonly PciDevice[] {
  return host.split(';').flatMap((address) => {
    const full = /^[a-f0-9]{4,}:[a-f0-9]{2}:/.test(address) ? address : `0000:${address}`;
    const found = node.devices.filter(
      ({ id }) => id === full || (!/\.\w$/.test(full) && id.startsWith(`${full}.`)),
    );
    if (found.length === 0) throw refuse(`no PCI device found for '${address}'\n`);
    return found;
  });
}

function mapped(state: ClusterState, node: NodeScenario, id: string): readonly (readonly PciDevice[])[] {
  const mapping = state.mappings.find((one) => one.id === id);
  const entries = (mapping?.map ?? []).map(mapEntry).filter((entry) => entry.node === node.name);
  if (!mapping || entries.length === 0) throw refuse(`PCI device mapping not found for '${id}'\n`);
  return entries.map((entry) => {
    const problem = entryProblem(state, mapping, entry, node);
    if (problem !== undefined)
      throw refuse(`PCI device mapping invalid (hardware probably changed): ${problem}`);
    return (entry.path ?? '').split(';').flatMap((path) => byAddress(node, path));
  });
}

function checkLegacyIgd({ parts, alternatives }: Choice, config: Config): void {
  const wrong = (text: string) => refuse(`legacy IGD assignment ${text}\n`);
  const [first] = alternatives;
  if (config.vga !== 'none') throw wrong("requires VGA mode to be 'none'");
  if (parts.rombar === '0') throw wrong('requires rombar to be enabled');
  if (parts['x-vga'] === '1') throw wrong('is not compatible with x-vga');
  if (parts.mdev !== undefined) throw wrong('is not compatible with mdev');
  if (isQ35(config)) throw wrong('is not compatible with q35');
  if ((first?.length ?? 0) > 1) throw wrong('is not compatible with multifunction devices');
  if (alternatives.length > 1) throw wrong('is not compatible with alternate devices');
  if (!first?.[0]?.id.endsWith('02.0')) throw wrong('only works for devices on host bus 00:02.0');
}

/** Without a type, one alternative is fixed; of several, the first that no option and no other VM has. */
function choose(state: ClusterState, node: NodeScenario, choices: readonly Choice[]): readonly PciDevice[] {
  const used = new Set<string>();
  const chosen: PciDevice[] = [];
  const add = (functions: readonly PciDevice[]) => {
    for (const device of functions) {
      if (used.has(device.id)) throw refuse(`device '${device.id}' assigned more than once\n`);
      used.add(device.id);
      chosen.push(device);
    }
  };
  for (const { option, parts, alternatives } of choices) {
    if (parts.mdev !== undefined) continue;
    const isFree = (device: PciDevice) =>
      !used.has(device.id) && state.reservations[keyOf(node, device)] === undefined;
    const found =
      alternatives.length === 1
        ? alternatives[0]
        : alternatives.find((functions) => functions.every((device) => isFree(device)));
    if (!found) throw refuse(`could not find a free device for '${option}'\n`);
    add(found);
  }
  return chosen;
}

/** The first alternative that can make the type; why the others cannot is only in the task's log. */
function makeMdev(
  state: ClusterState,
  node: NodeScenario,
  vmid: number,
  { alternatives, option }: Choice,
  type: string,
  taken: readonly string[],
  log: (line: string) => void,
): string {
  const reservations = { ...state.reservations, ...Object.fromEntries(taken.map((key) => [key, vmid])) };
  for (const [device] of alternatives) {
    if (!device) continue;
    const problem = typeProblem({ ...state, reservations }, node, device, type);
    if (problem === undefined) return `${keyOf(node, device)}/${type}#${vmid}-${option}`;
    log(problem);
  }
  throw refuse('could not create mediated device\n');
}

function keyOf(node: NodeScenario, device: PciDevice): string {
  return `${node.name}/${device.id}`;
}

function typeProblem(
  state: ClusterState,
  node: NodeScenario,
  device: PciDevice,
  type: string,
): string | undefined {
  const offered = offeredTypes(state, node, device.id).find((one) => one.type === type);
  const isOffered = offered !== undefined && offered.available > 0;
  const { id } = device;
  if (device.nvidia && perFunctionInterface(state))
    return isOffered ? undefined : `vgpu type '${type.replace('nvidia-', '')}' not available for '${id}'`;
  if (!device.mdev) return `pci device '${id}' does not support mediated devices `;
  if (!offered) return `pci device '${id}' has no type '${type}'`;
  return isOffered ? undefined : `pci device '${id}' has no available instances of '${type}'`;
}

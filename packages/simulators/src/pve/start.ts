import { refuse } from './failure.ts';
import { entryProblem, mapEntry } from './mapping.ts';
import { hostpciFormat, parseProperties } from './property-string.ts';
import type { NodeScenario, PciDevice } from './scenario.ts';
import { type ClusterState, offeredTypes } from './state.ts';

/** What one hostpci option may take: alternatives, each a list of functions that go together. */
interface Choice {
  readonly option: string;
  readonly alternatives: readonly (readonly PciDevice[])[];
  readonly mdev: string | undefined;
}

/**
 * What a start takes from the host, in the order and with the texts of qemu-server 9.2.6, PVE::QemuServer::PCI. Throws the
 * text that ends the start; else the reservation keys.
 */
export function devicesForStart(
  state: ClusterState,
  node: NodeScenario,
  vmid: number,
  config: Readonly<Record<string, string>>,
): readonly string[] {
  const options = Object.keys(config)
    .filter((key) => /^hostpci\d+$/.test(key))
    .sort((a, b) => Number(a.slice(7)) - Number(b.slice(7)));
  const choices = options.map((option) => resolve(state, node, option, config[option] ?? '', config));
  if (choices.length > 0 && !node.iommu) throw refuse('cannot prepare PCI pass-through, IOMMU not present\n');
  const taken: string[] = [];
  for (const choice of choices) taken.push(...take(state, node, vmid, choice, taken));
  return taken;
}

/** Reads one option, finds its functions. */
export function resolve(
  state: ClusterState,
  node: NodeScenario,
  option: string,
  text: string,
  config: Readonly<Record<string, string>>,
): Choice {
  const parsed = parseProperties(text, hostpciFormat, option);
  if ('error' in parsed) throw refuse(parsed.error);
  const { host, mapping, mdev, pcie } = parsed.parts;
  const machine = config.machine ?? '';
  if (host !== undefined && mapping !== undefined) throw refuse("Cannot set both 'host' and 'mapping'.\n");
  if (host === undefined && mapping === undefined) throw refuse("Either 'host' or 'mapping' must be set.\n");
  const alternatives = host === undefined ? mapped(state, node, mapping ?? '') : [byAddress(node, host)];
  if (mdev !== undefined && alternatives.some((functions) => functions.length > 1)) {
    throw refuse('cannot use mediated device with multifunction device\n');
  }
  checkLegacyIgd(parsed.parts, alternatives, config);
  if (pcie === '1' && !machine.includes('q35')) {
    throw refuse('q35 machine model is not enabled at /usr/share/perl5/PVE/QemuServer/PCI.pm line 1.\n');
  }
  return { option, alternatives, mdev };
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
    const problem = entryProblem(mapping, entry, node);
    if (problem !== undefined)
      throw refuse(`PCI device mapping invalid (hardware probably changed): ${problem}`);
    return (entry.path ?? '').split(';').flatMap((path) => byAddress(node, path));
  });
}

function checkLegacyIgd(
  parts: Readonly<Record<string, string>>,
  alternatives: readonly (readonly PciDevice[])[],
  config: Readonly<Record<string, string>>,
): void {
  if (parts['legacy-igd'] !== '1') return;
  const wrong = (text: string) => refuse(`legacy IGD assignment ${text}\n`);
  if ((config.vga ?? 'std') !== 'none') throw wrong("requires VGA mode to be 'none'");
  if (parts.rombar === '0') throw wrong('requires rombar to be enabled');
  if (parts['x-vga'] === '1') throw wrong('is not compatible with x-vga');
  if (parts.mdev !== undefined) throw wrong('is not compatible with mdev');
  if ((config.machine ?? '').includes('q35')) throw wrong('is not compatible with q35');
  if (alternatives.length > 1) throw wrong('is not compatible with alternate devices');
  if ((alternatives[0]?.length ?? 0) > 1) throw wrong('is not compatible with multifunction devices');
  if (alternatives[0]?.[0]?.id !== '0000:00:02.0') throw wrong('only works for devices on host bus 00:02.0');
}

/** Takes the first alternative that is free; with a type, the first that can still make it. */
function take(
  state: ClusterState,
  node: NodeScenario,
  vmid: number,
  choice: Choice,
  taken: readonly string[],
): readonly string[] {
  const { alternatives, mdev, option } = choice;
  const key = (device: PciDevice) => `${node.name}/${device.id}`;
  if (mdev !== undefined) {
    let why = '';
    for (const [device] of alternatives) {
      if (!device) continue;
      why = typeProblem(state, node, device, mdev);
      const own = taken.filter((entry) => entry.startsWith(`${key(device)}/`)).length;
      const left = offeredTypes(state, node, device.id).find(({ type }) => type === mdev)?.available ?? 0;
      if (why === '' && left > own) return [`${key(device)}/${mdev}#${vmid}-${option}`];
    }
    throw refuse(why || `could not create mediated device\n`);
  }
  for (const functions of alternatives) {
    if (
      functions.every(
        (device) => !taken.includes(key(device)) && state.reservations[key(device)] === undefined,
      )
    )
      return functions.map(key);
  }
  const [only = []] = alternatives;
  const busy = only.find(
    (device) => taken.includes(key(device)) || state.reservations[key(device)] !== undefined,
  );
  if (alternatives.length > 1 || !busy) throw refuse(`could not find a free device for '${option}'\n`);
  if (taken.includes(key(busy))) throw refuse(`device '${busy.id}' assigned more than once\n`);
  throw refuse(`PCI device '${busy.id}' already in use by VMID '${state.reservations[key(busy)]}'\n`);
}

function typeProblem(state: ClusterState, node: NodeScenario, device: PciDevice, type: string): string {
  if (!device.mdev) return `pci device '${device.id}' does not support mediated devices \n`;
  const offered = offeredTypes(state, node, device.id).find((one) => one.type === type);
  if (device.nvidia)
    return offered && offered.available > 0
      ? ''
      : `vgpu type '${type.replace('nvidia-', '')}' not available for '${device.id}'\n`;
  if (!offered) return `pci device '${device.id}' has no type '${type}'\n`;
  return offered.available > 0 ? '' : `pci device '${device.id}' has no available instances of '${type}'\n`;
}

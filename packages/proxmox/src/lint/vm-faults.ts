/** Faults of a VM as a whole: what its options mean together. */
import { propertiesOf } from '../translate/formats.ts';
import { hostPciOf } from '../translate/hostpci.ts';
import { withDomain } from '../translate/inventory.ts';
import type { VmOptions } from '../translate/option-text.ts';
import { isVmOption } from '../translate/vm-schema.ts';
import type { Fault } from './findings.ts';

/** A fault and the option it is best shown at. */
export interface VmFault extends Fault {
  readonly option: string;
}

export function vmFaults(options: VmOptions): readonly VmFault[] {
  const devices = hostPciOf(options);
  const faults: VmFault[] = Object.keys(options)
    .filter((option) => /^hostpci\d+$/.test(option) && !isVmOption(option))
    .map((option) => ({
      option,
      rule: 'hostpci-index',
      severity: 'error',
      message: `${option} does not exist`,
      why: 'A VM has hostpci0 to hostpci15; other lines are ignored.',
      remedy: 'use a free index below 16',
    }));
  if (devices.length === 0) return faults;
  const { type: machine = 'pc' } = propertiesOf('machine', options.machine);
  const first = `hostpci${devices[0]?.index}`;
  const q35 = machine.includes('q35');
  for (const { index, result } of devices) {
    if (!result.ok) continue;
    const option = `hostpci${index}`;
    const device = result.value;
    if (device.pcie && !q35) {
      faults.push({
        option,
        rule: 'pcie-needs-q35',
        severity: 'error',
        message: `pcie=1 on machine ${machine}`,
        why: 'The API stores this; the VM does not start: q35 machine model is not enabled.',
        remedy: 'set machine: q35 (the guest sees new hardware), or drop pcie=1',
      });
    }
    if (device['legacy-igd'] && (q35 || options.vga !== 'none' || devices.length > 1)) {
      faults.push({
        option,
        rule: 'legacy-igd',
        severity: 'error',
        message: 'legacy-igd needs machine pc, vga none and no other passed-through device',
        why: 'The API stores this; the VM does not start.',
        remedy: 'set machine: pc and vga: none, and remove the other hostpci options',
      });
    }
  }
  return [...faults, ...duplicates(options), ...surroundings(options, first, machine)];
}

function duplicates(options: VmOptions): VmFault[] {
  const seen = new Map<string, string>();
  const faults: VmFault[] = [];
  for (const [option, address] of addressesOf(options)) {
    const before = [...seen].find(([other]) => overlap(other, address))?.[1];
    if (before !== undefined && before !== option) {
      faults.push({
        option,
        rule: 'device-twice',
        severity: 'error',
        message: `${address} is in ${before} already`,
        why: `The VM does not start: device '${address}' assigned more than once.`,
        remedy: 'remove one of them',
      });
    }
    seen.set(address, option);
  }
  return faults;
}

/** Raw addresses of a VM's whole devices with their option; mediated ones can be shared and are left out. */
export function addressesOf(options: VmOptions): readonly (readonly [string, string])[] {
  return hostPciOf(options).flatMap(({ index, result }) =>
    result.ok && result.value.host !== undefined && result.value.mdev === undefined
      ? result.value.host.split(';').map((path) => [`hostpci${index}`, withDomain(path)] as const)
      : [],
  );
}

/** True when two addresses, with or without function, share one. */
export function overlap(left: string, right: string): boolean {
  return left === right || left.startsWith(`${right}.`) || right.startsWith(`${left}.`);
}

function surroundings(options: VmOptions, first: string, machine: string): VmFault[] {
  const faults: VmFault[] = [];
  const { cputype = 'kvm64', 'phys-bits': bits } = propertiesOf('cpu', options.cpu);
  const ovmf = options.bios === 'ovmf';
  if (options.balloon !== '0') {
    faults.push({
      option: options.balloon === undefined ? first : 'balloon',
      rule: 'balloon-with-passthrough',
      severity: 'warning',
      message: 'ballooning is on in a VM with a passed-through device',
      why: 'All guest memory is pinned for the device, so ballooning frees nothing.',
      remedy: 'set balloon: 0',
      ...(options.balloon === undefined ? {} : { replacement: '0' }),
    });
  }
  if (ovmf && options.efidisk0 === undefined) {
    faults.push({
      option: 'bios',
      rule: 'efidisk-missing',
      severity: 'warning',
      message: 'bios ovmf without efidisk0',
      why: 'Firmware settings, the boot order among them, are lost at every stop.',
      remedy: 'add efidisk0: STORAGE:1,efitype=4m,pre-enrolled-keys=0 (1 for Secure Boot)',
    });
  }
  if (ovmf && bits === undefined && /^((kvm|qemu)(64|32)$|x86-64-v)/.test(cputype)) {
    faults.push({
      option: options.cpu === undefined ? first : 'cpu',
      rule: 'cpu-address-bits',
      severity: 'warning',
      message: `CPU type ${cputype} with OVMF`,
      why: 'The guest gets 40 physical address bits, too few for the BARs of large GPUs.',
      remedy: 'set cpu: host',
    });
  }
  // Proxmox VE pins the version when it makes a Windows guest; only a stored configuration can be without.
  const stored = options.meta !== undefined || options.vmgenid !== undefined;
  if (stored && /^w/.test(options.ostype ?? '') && /^(pc|q35)$/.test(machine)) {
    faults.push({
      option: options.machine === undefined ? 'ostype' : 'machine',
      rule: 'machine-unpinned',
      severity: 'warning',
      message: 'the machine version of a Windows guest is not pinned',
      why: 'After an upgrade of QEMU Windows finds changed hardware and may lose drivers or its activation.',
      remedy: 'pin it, e.g. machine: pc-q35-9.2+pve1',
    });
  }
  const version = /-(\d+)\.\d+/.exec(machine)?.[1];
  if (version !== undefined && Number(version) < 6) {
    faults.push({
      option: 'machine',
      rule: 'machine-too-old',
      severity: 'warning',
      message: `machine ${machine} is older than 6.0`,
      why: 'Proxmox VE 9 supports machine versions from 6.0 on.',
      remedy: 'move the guest to a newer machine version',
    });
  }
  return faults;
}

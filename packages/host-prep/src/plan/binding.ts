import { type GpuDevice, isBridgeClass, isUnknown, type PciFunction, pciIdParts } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { isReleased, isVfioDriver } from '../modules/drivers-in-use.ts';
import { kernelAtLeast } from '../modules/kernel-arguments.ts';
import { moduleName } from '../modules/module-names.ts';
import { takesId } from '../modules/vfio-ids.ts';
import {
  bindScript,
  bindUnit,
  dracutModule,
  initramfsHook,
  initramfsScript,
  mkinitcpioConfig,
} from './bind-script.ts';
import { consents, type Draft, dropFile, faults, wantFile, wantLine } from './draft.ts';
import type { BindingStrategy, BootFamily } from './host-plan.ts';
import { own, ownLines } from './own-files.ts';

const bindingChecks = ['H12', 'H19', 'H22'];

/** The functions of a GPU that go to VFIO: its own, its card's, and with consent those of its group. */
export function functionsToBind(draft: Draft, gpu: GpuDevice): readonly PciFunction[] {
  const { goal } = draft;
  const companions = goal.companions === 'exclude' ? [] : gpu.companions;
  const neighbours =
    consents(draft, 'group-neighbours') || consents(draft, 'host-devices-in-group')
      ? gpu.groupNeighbours.filter((member) => isReleased(member.driver) === false)
      : [];
  return [gpu, ...companions, ...neighbours].filter((member) => !isBridgeClass(member.class));
}

/** Plans the binding of GPUs to VFIO; `ids` are those that vfio-pci takes at boot. */
export function bindFunctions(
  draft: Draft,
  gpus: readonly GpuDevice[],
  family: BootFamily,
  ids: readonly string[],
): void {
  const { facts, goal } = draft;
  const strategy = effectiveStrategy(facts, goal.strategy ?? 'initramfs');
  const functions = [
    ...new Map(
      gpus.flatMap((gpu) => functionsToBind(draft, gpu)).map((item) => [item.address, item]),
    ).values(),
  ];
  // Ids may work only thanks to the blacklists and orders of loading that this plan changes.
  const changes = [...draft.edits.keys()].some((path) => path.includes('/modprobe.d/'));
  const lasting = changes && bindsById(draft) === undefined ? [] : ids;
  const open = functions.filter((item) => !isSettled(facts, item, strategy, lasting));
  const unbound = functions.filter(
    ({ driver }) => isUnknown(driver) || driver === null || !isVfioDriver(driver),
  );
  if (strategy === 'initramfs') {
    bindByAddress(draft, open, functions, family);
  } else {
    keepDevices(draft, family, (address) => !functions.some((item) => item.address === address));
    if (strategy === 'runtime') bindNow(draft, unbound);
    if (strategy === 'driverctl') bindByDriverctl(draft, open);
  }
  if (unbound.length > 0 && strategy !== 'runtime' && strategy !== 'driverctl')
    draft.rebootFor.add('drivers');
}

function effectiveStrategy({ kernelModules }: HostFacts, asked: BindingStrategy): BindingStrategy {
  return asked === 'ids' && kernelModules.vfioPci === 'builtin' ? 'kernel-argument' : asked;
}

/** True when strategy works with lists of ids: see `vfio-ids.ts` of this folder. */
export function bindsById({ facts, goal }: Draft): 'file' | 'argument' | undefined {
  const strategy = effectiveStrategy(facts, goal.strategy ?? 'initramfs');
  if (goal.mode !== 'vm-passthrough') return undefined;
  return strategy === 'ids' ? 'file' : strategy === 'kernel-argument' ? 'argument' : undefined;
}

/** On VFIO now, and again after a reboot. */
function isSettled(
  facts: HostFacts,
  item: PciFunction,
  strategy: BindingStrategy,
  ids: readonly string[],
): boolean {
  if (isUnknown(item.driver) || item.driver === null || !isVfioDriver(item.driver)) return false;
  if (strategy === 'runtime') return true;
  if (strategy === 'driverctl' && facts.pciDetails[item.address]?.driverOverride) return true;
  if (ownLines(facts, own.devices).includes(deviceLine(facts, item))) return true;
  return ids.some((entry) => takesId(entry, item.id));
}

/** GH200, GB200 and GB300: Linux, drivers/vfio/pci/nvgrace-gpu/main.c (6.8 and later). */
const graceHopper = /^10de:(?:2342|2345|2348|2941|31c2)/;

function vfioDriver(facts: HostFacts, { id }: PciFunction): string {
  const variant = graceHopper.test(id) && kernelAtLeast(facts.system.kernelRelease, 6, 8);
  return variant ? 'nvgrace_gpu_vfio_pci' : 'vfio-pci';
}

/** `0000:65:00.0 10de 2236 10de 1482 vfio-pci`: who is expected at the address is checked before it is bound. */
function deviceLine(facts: HostFacts, item: PciFunction): string {
  const { vendor, device, subvendor = '-', subdevice = '-' } = pciIdParts(item.id);
  return [item.address, vendor, device, subvendor, subdevice, vfioDriver(facts, item)].join(' ');
}

function bindByAddress(
  draft: Draft,
  open: readonly PciFunction[],
  functions: readonly PciFunction[],
  family: BootFamily,
): void {
  const chosen = new Map(
    functions
      .filter(
        (item) =>
          open.includes(item) ||
          ownLines(draft.facts, own.devices).some((line) => line.startsWith(`${item.address} `)),
      )
      .map((item) => [String(item.address), deviceLine(draft.facts, item)]),
  );
  keepDevices(draft, family, (address) => !chosen.has(address), [...chosen.values()]);
}

/** Writes the list of functions: what earlier plans put there and `keep` lets stay, and the new lines. */
export function keepDevices(
  draft: Draft,
  family: BootFamily,
  keep: (address: string) => boolean,
  lines: readonly string[] = [],
): void {
  const kept = ownLines(draft.facts, own.devices).filter((line) => keep(line.split(' ')[0] ?? ''));
  const all = [...kept, ...lines].sort();
  const hooks = hookFiles(all, family);
  if (all.length === 0) {
    for (const path of [own.devices, own.bind, ...hooks.map(([file]) => file)])
      dropFile(draft, path, 'GPUs for virtual machines', true);
    return;
  }
  const early = { early: true, turnsGreen: bindingChecks };
  wantFile(draft, own.devices, all.map((line) => `${line}\n`).join(''), {
    ...early,
    purpose: 'PCI functions that belong to VFIO: address, vendor, device, subsystem, driver',
  });
  wantFile(draft, own.bind, bindScript, {
    early: true,
    mode: 0o755,
    purpose: 'binds the functions of /etc/vmgpu/devices',
    interpreter: '#!/bin/sh',
  });
  for (const [path, text, mode, interpreter] of hooks)
    wantFile(draft, path, text, {
      early: true,
      mode,
      purpose: 'brings the binding of GPUs into the initramfs',
      ...(interpreter === undefined ? {} : { interpreter }),
    });
  if (family.initramfs === 'mkinitcpio')
    wantLine(draft, own.modprobe, 'install vfio_pci /bin/sh /etc/vmgpu/bind');
  const inside = isUnknown(draft.facts.boot.initramfs) ? null : draft.facts.boot.initramfs;
  const contents = inside === null || isUnknown(inside.contents) ? undefined : inside.contents;
  if (contents !== undefined && !contents.some((path) => path.endsWith('etc/vmgpu/devices')))
    draft.rebuildFor.add('H24');
}

type HookFile = readonly [path: string, text: string, mode: number, interpreter?: string];

function hookFiles(lines: readonly string[], { initramfs }: BootFamily): readonly HookFile[] {
  const variants = [...new Set(lines.map((line) => moduleName(line.split(' ').at(-1) ?? '')))].filter(
    (driver) => driver !== 'vfio_pci',
  );
  const fill = (text: string) => text.replace(' @drivers@', variants.map((driver) => ` ${driver}`).join(''));
  switch (initramfs) {
    case 'initramfs-tools':
      return [
        [own.initramfsHook, fill(initramfsHook), 0o755, '#!/bin/sh'],
        [own.initramfsScript, initramfsScript, 0o755, '#!/bin/sh'],
      ];
    case 'dracut':
      return [
        [own.dracut, 'add_dracutmodules+=" vmgpu "\n', 0o644],
        [own.dracutModule, fill(dracutModule), 0o755, '#!/bin/bash'],
      ];
    case 'mkinitcpio':
      return [[own.mkinitcpio, mkinitcpioConfig, 0o644]];
    case 'none':
      return [[own.bindUnit, bindUnit, 0o644]];
  }
}

function bindNow(draft: Draft, functions: readonly PciFunction[]): void {
  const checks = { risk: 'none', reversible: true, turnsGreen: bindingChecks } as const;
  if (functions.length > 0)
    draft.later.push({
      id: 'modprobe-vfio',
      kind: 'run',
      argv: ['modprobe', '-a', 'vfio_pci', 'vfio_iommu_type1'],
      summary: 'Load vfio-pci',
      risk: 'none',
      reversible: true,
      turnsGreen: ['H15'],
    });
  for (const item of functions) {
    const path = `/sys/bus/pci/devices/${item.address}`;
    const done = { path: `${path}/driver`, value: 'vfio-pci' };
    draft.later.push({
      ...checks,
      id: `override/${item.address}`,
      kind: 'write-sysfs',
      path: `${path}/driver_override`,
      value: vfioDriver(draft.facts, item),
      // A lone newline clears an override.
      undo: { path: `${path}/driver_override`, value: '' },
      summary: `Name vfio-pci as the driver of ${item.address}`,
    });
    if (typeof item.driver === 'string')
      draft.later.push({
        ...checks,
        id: `unbind/${item.address}`,
        kind: 'write-sysfs',
        path: `${path}/driver/unbind`,
        value: item.address,
        done,
        summary: `Take ${item.address} from ${item.driver}`,
      });
    draft.later.push({
      ...checks,
      id: `probe/${item.address}`,
      kind: 'write-sysfs',
      path: '/sys/bus/pci/drivers_probe',
      value: item.address,
      done,
      summary: `Bind ${item.address} to its driver`,
    });
  }
}

function bindByDriverctl(draft: Draft, functions: readonly PciFunction[]): void {
  for (const item of functions)
    draft.later.push({
      id: `driverctl/${item.address}`,
      kind: 'run',
      argv: ['driverctl', 'set-override', item.address, vfioDriver(draft.facts, item)],
      undo: ['driverctl', 'unset-override', item.address],
      summary: `Give ${item.address} to vfio-pci, now and at every boot (driverctl)`,
      risk: 'none',
      reversible: true,
      turnsGreen: bindingChecks,
    });
}

/** Modules to load at boot, as far as nothing else loads them. */
export function loadModules(draft: Draft): void {
  const { kernelModules, system } = draft.facts;
  const before = ownLines(draft.facts, own.modulesLoad);
  const wanted: [module: string, check: string][] = [];
  if (draft.goal.mode === 'vm-passthrough' && kernelModules.vfioPci !== 'builtin')
    wanted.push(['vfio_pci', 'H15'], ['vfio_iommu_type1', 'H15']);
  const amd = !isUnknown(system.cpu) && system.cpu.virtualization === 'svm';
  if (draft.goal.mode !== 'container') wanted.push([amd ? 'kvm_amd' : 'kvm_intel', 'H07']);
  for (const [module, check] of wanted) {
    const missing = faults(draft, check).length > 0;
    if (!missing && !before.includes(module)) continue;
    const listed = isUnknown(kernelModules.loadAtBoot) ? [] : kernelModules.loadAtBoot;
    const elsewhere = listed.some(
      (entry) => entry.module === module && entry.text === module && entry.file !== own.modulesLoad,
    );
    if (!elsewhere) wantLine(draft, own.modulesLoad, module, check);
    const loaded = isUnknown(kernelModules.loaded) ? [] : kernelModules.loaded;
    if (missing && !loaded.includes(module))
      draft.later.push({
        id: `modprobe/${module}`,
        kind: 'run',
        argv: ['modprobe', module],
        check: ['test', '-d', `/sys/module/${module}`],
        summary: `Load ${module}`,
        risk: 'none',
        reversible: true,
        turnsGreen: [check],
      });
  }
}

import { badInput, type GpuDevice, isUnknown, type PciAddress, tryParseVgpuProfile } from '@vmgpu/core';
import { isVfioDriver, smiOf, virtualFunctionsOf } from '../modules/drivers-in-use.ts';
import { type Draft, faults, wantFile } from './draft.ts';
import type { VgpuWish } from './host-plan.ts';
import { own, ownLines, textOf } from './own-files.ts';
import { stableUuid } from './stable-uuid.ts';
import { functionsScript, functionsUnit, vgpuScript, vgpuUnit } from './vgpu-script.ts';

/** Plans vGPUs of NVIDIA: their list, the script that makes them, and the unit that runs it at every boot. */
export function settleVgpus(draft: Draft, gpus: readonly GpuDevice[]): void {
  const { facts, goal } = draft;
  const nvidia = gpus.filter(({ vendor }) => vendor === 'nvidia');
  checkWishes(draft, nvidia);
  for (const finding of faults(draft, 'V02'))
    draft.later.push({
      id: 'service/nvidia-vgpu-mgr',
      kind: 'service',
      unit: 'nvidia-vgpu-mgr.service',
      action: 'enable',
      summary: 'Start nvidia-vgpu-mgr, now and at every boot',
      risk: 'service-restart',
      reversible: true,
      turnsGreen: [finding.id],
    });
  const before = ownLines(facts, own.vgpus);
  const kept = before.filter((line) => !nvidia.some(({ address }) => line.split(' ')[1] === address));
  const lines = [...kept, ...nvidia.flatMap((gpu) => linesOf(draft, gpu, before))];
  if (lines.length === 0) return;
  const checks = ['V04', 'V05', 'V11'].filter((id) => faults(draft, id).length > 0);
  const text = lines.map((line) => `${line}\n`).join('');
  wantFile(draft, own.vgpus, text, { purpose: 'vGPUs to make at every boot', turnsGreen: checks });
  wantFile(draft, own.vgpuScript, vgpuScript, {
    purpose: 'makes the vGPUs of /etc/vmgpu/vgpus',
    mode: 0o755,
    interpreter: '#!/bin/sh',
  });
  wantFile(draft, own.vgpuUnit, vgpuUnit, { purpose: 'vGPUs at every boot', turnsGreen: checks });
  const changed = [own.vgpus, own.vgpuScript, own.vgpuUnit].some(
    (path) => draft.files.get(path)?.text !== textOf(facts, path),
  );
  const unmade = nvidia.some((gpu) => madeOf(draft, gpu) < wishesOf(goal.vgpus, gpu.address).length);
  if (changed || unmade || faults(draft, 'V04').length > 0)
    draft.later.push(restart('vmgpu-vgpu.service', 'Make the vGPUs, now and at every boot', checks));
}

function restart(unit: string, summary: string, turnsGreen: readonly string[]) {
  return {
    id: `service/${unit}`,
    kind: 'service',
    unit,
    action: 'restart',
    summary,
    risk: 'service-restart',
    reversible: true,
    turnsGreen,
  } as const;
}

function checkWishes({ goal }: Draft, gpus: readonly GpuDevice[]): void {
  for (const [index, { device, profile, count }] of (goal.vgpus ?? []).entries()) {
    const path = `vgpus[${index}]`;
    if (!gpus.some(({ address }) => address === device))
      throw badInput('vGPUs are wanted of a GPU that the goal does not have', {
        where: { path: `${path}.device` },
        found: device,
        expected: gpus.map(({ address }) => address).join(', ') || 'an NVIDIA GPU of the host',
      });
    if (!/^[A-Za-z0-9_-]{1,63}$/.test(shortName(profile)))
      throw badInput('not a vGPU type', {
        where: { path: `${path}.profile` },
        found: profile,
        expected: 'a name such as A10-24Q, or a type id of the host such as nvidia-592',
      });
    if (count !== undefined && !(Number.isInteger(count) && count > 0 && count <= 256))
      throw badInput('not a number of vGPUs', {
        where: { path: `${path}.count` },
        found: String(count),
        expected: '1 to 256',
      });
  }
  for (const [device, profiles] of Object.entries(goal.mig ?? {}))
    for (const profile of profiles)
      if (!/^[A-Za-z0-9.+]{1,32}$/.test(profile))
        throw badInput('not a GPU instance profile', {
          where: { path: `mig[${device}]` },
          found: profile,
          expected: 'an id or name of nvidia-smi mig -lgip, such as 14 or 1g.10gb',
        });
}

/** The last word of a type's name, by which the host is asked. */
function shortName(profile: string): string {
  return tryParseVgpuProfile(profile)?.short ?? profile.trim();
}

function wishesOf(wishes: readonly VgpuWish[] = [], address: PciAddress): readonly string[] {
  return wishes
    .filter(({ device }) => device === address)
    .flatMap(({ profile, count = 1 }) => Array.from({ length: count }, () => shortName(profile)));
}

function linesOf(draft: Draft, gpu: GpuDevice, before: readonly string[]): readonly string[] {
  const { goal, facts } = draft;
  const { address } = gpu;
  const wishes = wishesOf(goal.vgpus, address);
  const instances = goal.mig?.[address] ?? [];
  const unlisted = goal.vgpus === undefined && goal.mig === undefined;
  const own = before.filter((line) => line.split(' ')[1] === address);
  const needsFunctions = faults(draft, 'V04').some(({ device }) => device === address);
  if (unlisted) {
    if (own.length > 0) return own;
    const made = existing(draft, gpu);
    return made.length === 0 && !needsFunctions ? [] : [gpuLine(draft, gpu), ...made];
  }
  if (wishes.length === 0 && instances.length === 0) return [];
  return [
    gpuLine(draft, gpu),
    ...instances.map((profile) => `instance ${address} ${profile}`),
    ...wishes.map(
      (name, index) => `vgpu ${address} ${name} ${stableUuid(`${facts.host}/${address}/${index}`)}`,
    ),
  ];
}

function gpuLine(draft: Draft, gpu: GpuDevice): string {
  const { goal, facts } = draft;
  const smi = smiOf(facts, gpu);
  const mode = smi === undefined || isUnknown(smi) ? undefined : smi.hostVgpuMode;
  const sriov =
    mode === 'SR-IOV' ||
    gpu.virtualFunctions.length > 0 ||
    faults(draft, 'V04').some(({ device }) => device === gpu.address);
  const wantsMig =
    goal.mig?.[gpu.address] !== undefined ||
    wishesOf(goal.vgpus, gpu.address).some((name) => tryParseVgpuProfile(name)?.slices !== undefined);
  return [
    'gpu',
    gpu.address,
    sriov ? 'sriov' : 'plain',
    wantsMig ? 'mig' : '-',
    goal.mixedSizes ? 'mixed' : '-',
  ].join(' ');
}

/** What is made now and would be gone after a reboot (V11). */
function existing(draft: Draft, gpu: GpuDevice): readonly string[] {
  const { facts } = draft;
  if (!faults(draft, 'V11').some(({ device }) => device === gpu.address)) return [];
  const parents = [gpu.address, ...gpu.virtualFunctions];
  const mdevs = isUnknown(facts.mdevs) ? [] : facts.mdevs;
  return [
    ...mdevs
      .filter(({ parent }) => parents.some((address) => address === parent))
      .map(
        ({ uuid, typeId, typeName }) =>
          `vgpu ${gpu.address} ${typeName?.split(' ').at(-1) ?? typeId} ${uuid}`,
      ),
    ...gpu.virtualFunctions.flatMap((address, index) => {
      const type = facts.pciDetails[address]?.currentVgpuType ?? 0;
      return type > 0
        ? [`vgpu ${gpu.address} nvidia-${type} ${stableUuid(`${facts.host}/${gpu.address}/${index}`)}`]
        : [];
    }),
  ];
}

function madeOf({ facts }: Draft, gpu: GpuDevice): number {
  const parents = [gpu.address, ...gpu.virtualFunctions];
  const mdevs = isUnknown(facts.mdevs) ? [] : facts.mdevs;
  return (
    mdevs.filter(({ parent }) => parents.some((address) => address === parent)).length +
    parents.filter((address) => (facts.pciDetails[address]?.currentVgpuType ?? 0) > 0).length
  );
}

/** Plans plain virtual functions: those asked for, and those that a driver of the host holds (A01). */
export function settleFunctions(draft: Draft, gpus: readonly GpuDevice[]): void {
  const { facts, goal } = draft;
  const held = faults(draft, 'A01');
  const wanted = new Map<string, number>(
    ownLines(facts, own.functions).map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]),
  );
  for (const gpu of gpus) {
    const count = goal.virtualFunctions?.[gpu.address];
    if (count !== undefined) wanted.set(gpu.address, checkCount(gpu, count));
    else if (held.some(({ device }) => device === gpu.address))
      wanted.set(gpu.address, gpu.virtualFunctions.length);
  }
  if (wanted.size === 0) return;
  const lines = [...wanted]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([address, count]) => `${address} ${count}\n`);
  const checks = [...new Set(held.map(({ id }) => id))];
  wantFile(draft, own.functions, lines.join(''), {
    purpose: 'virtual functions to make at every boot',
    turnsGreen: checks,
  });
  wantFile(draft, own.functionsScript, functionsScript, {
    purpose: 'makes the functions of /etc/vmgpu/functions',
    mode: 0o755,
    interpreter: '#!/bin/sh',
  });
  wantFile(draft, own.functionsUnit, functionsUnit, { purpose: 'virtual functions at every boot' });
  const changed = [own.functions, own.functionsScript, own.functionsUnit].some(
    (path) => draft.files.get(path)?.text !== textOf(facts, path),
  );
  const unmade = gpus.some((gpu) => {
    const count = wanted.get(gpu.address);
    return (
      count !== undefined &&
      (gpu.virtualFunctions.length !== count ||
        virtualFunctionsOf(facts, gpu).some(
          ({ driver }) => typeof driver !== 'string' || !isVfioDriver(driver),
        ))
    );
  });
  if (changed || unmade)
    draft.later.push(
      restart('vmgpu-functions.service', 'Make the virtual functions, now and at every boot', [
        ...checks,
        'I01',
      ]),
    );
}

function checkCount({ address, sriovTotal }: GpuDevice, count: number): number {
  const most = typeof sriovTotal === 'number' ? sriovTotal : 256;
  if (Number.isInteger(count) && count > 0 && count <= most) return count;
  throw badInput('not a number of virtual functions that this GPU can make', {
    where: { path: `virtualFunctions[${address}]` },
    found: String(count),
    expected: `1 to ${most}`,
  });
}

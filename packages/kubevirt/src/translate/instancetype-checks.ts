import { type GpuVm, sameJson } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { expandVm, isCompanion, referenceName, vmReferences } from './expand.ts';
import { instancetypeConflicts } from './instancetype.ts';
import { at, listAt, type Manifest, objectAt } from './manifest.ts';
import { readVmi } from './read-vmi.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';

const lists = ['gpus', 'hostDevices'] as const;
const devices = ['spec', 'domain', 'devices'] as const;
const remedy =
  'name an instance type without it, or say everything in the VM (spec.cpu, spec.memory, spec.gpus) and name none';

const typeOf = (vm: Manifest | null | undefined) =>
  vm ? vmReferences(vm).find(({ field }) => field === 'instancetype') : undefined;

/** What the finished VM says beside its instance type: KubeVirt refuses it, whatever the type is. */
export function checkInstancetype(
  intent: GpuVm,
  manifest: Manifest,
  { instancetypes = [] }: KubeVirtSnapshot,
  report: Report,
): void {
  const reference = typeOf(manifest);
  if (reference === undefined) return;
  const template = objectAt(manifest, 'spec', 'template');
  const expansion = expandVm(manifest, instancetypes.filter(isCompanion));
  const isKnown = !expansion?.unread.some(
    (one) => one.reference.field === 'instancetype' && one.how === 'absent',
  );
  const conflicts = isKnown ? (expansion?.conflicts ?? []) : instancetypeConflicts(template, undefined);
  for (const { field, message } of conflicts) {
    report('blocked', 'instancetype-conflict', intentPath(field), message, remedy);
  }
  if (!isKnown || conflicts.length > 0) return;
  const gives = readVmi(objectAt(expansion?.template, 'spec'), [], '').spec;
  for (const field of ['cpu', 'memory', 'hugepages'] as const) {
    const wanted = intent.spec[field];
    if (wanted === undefined || sameJson(wanted, gives[field])) continue;
    const message = `${referenceName(reference)} gives ${field} ${JSON.stringify(gives[field])}, and the intent says ${JSON.stringify(wanted)}: the VM gets the former`;
    report('approximated', 'instancetype-differs', `spec.${field}`, message);
  }
}

function intentPath(field: string): string {
  const known = /\.(cpu|memory|gpus)\b/.exec(field)?.[1];
  return known === undefined ? 'spec.providerOptions.kubevirt.patch' : `spec.${known}`;
}

/** Whether the instance type of a VM gives it GPUs or host devices; undefined where that is not known. */
function listsGiven(vm: Manifest, others: readonly Manifest[]) {
  const expansion = expandVm(vm, others);
  const template = at(vm, 'spec', 'template');
  const isUnread = expansion?.unread.some(({ how }) => how === 'absent');
  return lists.map((list) => {
    const given =
      listAt(expansion?.template, ...devices, list).length > 0 &&
      listAt(template, ...devices, list).length === 0;
    return { list, given: isUnread && !given ? undefined : given };
  });
}

/** A change of the GPUs of a VM whose instance type gives GPUs: they can be neither added to nor taken away in the VM. */
export function checkAttachment(
  existing: Manifest | undefined,
  change: Manifest,
  { instancetypes = [] }: KubeVirtSnapshot,
  report: Report,
): void {
  const reference = typeOf(existing);
  if (existing === undefined || reference === undefined) return;
  const name = referenceName(reference);
  for (const { list, given } of listsGiven(existing, instancetypes)) {
    const wanted = at(change, 'spec', 'template', ...devices, list);
    if (wanted === undefined || given === false) continue;
    if (given === undefined) {
      if (wanted === null) continue;
      const message = `whether ${name} gives ${list} could not be read; if it does, KubeVirt refuses the VM`;
      report('approximated', 'instancetype-unread', 'spec.gpus', message, 'give the right to read it');
      continue;
    }
    const why =
      wanted === null
        ? 'taking them away in the VM changes nothing'
        : 'KubeVirt refuses a VM that lists its own';
    const message = `the ${list} of this VM come from ${name}; ${why}`;
    report('blocked', 'instancetype-gives', 'spec.gpus', message, remedy);
  }
}

/**
 * The VM of a step, told to name no instance type any more: when one is there under its name that does, and what the
 * intent says cannot stand beside it.
 */
export function withoutInstancetype(
  manifest: Manifest,
  present: Manifest | null | undefined,
  { instancetypes = [] }: KubeVirtSnapshot,
  report: Report,
): Manifest {
  const reference = typeOf(present);
  if (!present || reference === undefined || typeOf(manifest) !== undefined) return manifest;
  const template = objectAt(manifest, 'spec', 'template');
  const clashes =
    instancetypeConflicts(template, undefined).length > 0 ||
    listsGiven(present, instancetypes).some(
      ({ list, given }) => given !== false && listAt(template, ...devices, list).length > 0,
    );
  if (!clashes) return manifest;
  const message = `${referenceName(reference)} is taken from the VM: it says its own CPUs, memory and devices now`;
  report('approximated', 'instancetype-taken', 'spec', message);
  return { ...manifest, spec: { ...objectAt(manifest, 'spec'), instancetype: null } };
}

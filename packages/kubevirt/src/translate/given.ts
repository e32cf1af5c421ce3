import { type GpuVm, type GpuVmSpec, sameJson } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { type Expansion, referenceName } from './expand.ts';
import { at, compact, isObject } from './manifest.ts';
import type { KubeVirtOptions } from './options.ts';

/** Fields of the neutral VM that an instance type or a preference may give. */
export const givenFields = [
  'guestOs',
  'cpu',
  'memory',
  'hugepages',
  'machine',
  'firmware',
  'numa',
  'hideHypervisor',
  'gpus',
] as const;

/** `providerOptions.kubevirt.given`: what each field was read as, and what of it the VM says itself. */
export type Given = NonNullable<KubeVirtOptions['given']>;

/** The fields in which the expanded VM differs from what the VM says itself; undefined when there are none. */
export function givenOf(expanded: Partial<GpuVmSpec>, own: Partial<GpuVmSpec>): Given | undefined {
  const differing = givenFields.filter((field) => !sameJson(expanded[field], own[field]));
  if (differing.length === 0) return undefined;
  return Object.fromEntries(
    differing.map((field) => [
      field,
      { value: expanded[field], ...(own[field] === undefined ? {} : { own: own[field] }) },
    ]),
  );
}

/** What an instance type gives: the VM cannot say it as well. Beside a preference the VM's own word counts. */
const fixed: ReadonlySet<string> = new Set(['cpu', 'memory', 'hugepages', 'numa', 'gpus']);

/**
 * The intent with only what the VM says itself; what its instance type and its preference give must not stand in the VM.
 * A field that is no longer what the instance type gives cannot be had with it: KubeVirt refuses both, so it is `blocked`.
 */
export function withoutGiven(intent: GpuVm, { given, patch }: KubeVirtOptions, report: Report): GpuVm {
  if (given === undefined) return intent;
  const spec: Record<string, unknown> = { ...intent.spec };
  const hasType = at(patch, 'spec', 'instancetype') !== undefined;
  for (const field of givenFields) {
    const entry = given[field];
    if (entry === undefined) continue;
    const { own, isChanged } = ownPart(spec[field], entry);
    if (isChanged && !(hasType && fixed.has(field))) continue;
    if (isChanged) {
      const message = `${field} comes from the instance type of the VM, and a VM cannot say it as well: KubeVirt refuses that`;
      const remedy =
        'name another instance type in providerOptions.kubevirt.patch.spec, or delete that and providerOptions.kubevirt.given: then the VM says everything itself';
      report('blocked', 'instancetype-gives', `spec.${field}`, message, remedy);
    }
    if (own === undefined) delete spec[field];
    else spec[field] = own;
  }
  return { ...intent, spec: spec as unknown as GpuVmSpec };
}

interface Entry {
  readonly value?: unknown;
  readonly own?: unknown;
}

/** What the VM says of a field itself: of an object the keys that are not given, as the intent has them now. */
function ownPart(wanted: unknown, { value, own }: Entry): { own: unknown; isChanged: boolean } {
  if (!isObject(value) || !isObject(wanted)) return { own, isChanged: !sameJson(wanted, value) };
  const before = isObject(own) ? own : {};
  const keys = Object.keys(value).filter((key) => !sameJson(value[key], before[key]));
  const rest = Object.entries(wanted).filter(([key]) => !keys.includes(key));
  const kept = Object.fromEntries([...rest, ...keys.map((key) => [key, before[key]])]);
  const part = compact(kept);
  return {
    own: Object.keys(part).length > 0 ? part : undefined,
    isChanged: keys.some((key) => !sameJson(wanted[key], value[key])),
  };
}

/** The fields as they were read. */
export function valuesOf(given: Given | undefined): Partial<GpuVmSpec> {
  return Object.fromEntries(Object.entries(given ?? {}).map(([field, entry]) => [field, entry?.value]));
}

/** Says what became of a VM's instance type and preference, for the person who takes it to another platform. */
export function reportExpansion(
  expansion: Expansion | undefined,
  given: Given | undefined,
  report: Report,
): void {
  if (expansion === undefined) return;
  const { references, unread, conflicts } = expansion;
  const fields = Object.keys(given ?? {});
  if (fields.length > 0) {
    const names = references.map(referenceName).join(' and ');
    const message = `${fields.join(', ')} ${fields.length > 1 ? 'are' : 'is'} given by ${names}; another platform gets the values as they are now`;
    report('approximated', 'instancetype-expanded', `spec.${references[0]?.field}`, message);
  }
  for (const { field, message } of conflicts) {
    report('blocked', 'instancetype-conflict', field, message, 'say it in one of the two places');
  }
  for (const { reference, how, why } of unread) {
    const name = referenceName(reference);
    const path = `spec.${reference.field}`;
    const revision = `ControllerRevision ${reference.revision}`;
    if (how === 'outdated') {
      const message = `the VM has ${name} as ${revision} holds it, which is not at hand${why}; it is taken as it is now`;
      report('approximated', 'instancetype-revision', path, message, `give ${revision} along`);
      continue;
    }
    const gives = reference.field === 'instancetype' ? 'CPUs, memory and devices' : 'preferences';
    const message = `the ${gives} that ${name} gives are not known here${why}`;
    report('lossy', 'instancetype-unread', path, message, 'give its manifest along, or the right to read it');
  }
}

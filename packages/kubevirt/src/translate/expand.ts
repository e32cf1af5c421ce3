import { applyInstancetype, type Conflict, type Template } from './instancetype.ts';
import { at, isObject, type Json, type Manifest, objectAt, textAt } from './manifest.ts';
import { applyPreference } from './preference.ts';

/** What a VM names in `spec.instancetype` or `spec.preference`. */
export interface VmReference {
  readonly field: 'instancetype' | 'preference';
  readonly kind: string;
  readonly name: string;
  /** ControllerRevision that holds the object as the VM got it; KubeVirt goes by it when there is one. */
  readonly revision?: string;
  readonly namespaced: boolean;
}

const kinds = {
  instancetype: ['VirtualMachineClusterInstancetype', 'VirtualMachineInstancetype'],
  preference: ['VirtualMachineClusterPreference', 'VirtualMachinePreference'],
} as const;

const companionKinds: ReadonlySet<string> = new Set([
  ...kinds.instancetype,
  ...kinds.preference,
  'ControllerRevision',
]);

/** True for the objects that tell what an instance type or a preference gives. */
export function isCompanion({ kind }: Manifest): boolean {
  return companionKinds.has(kind ?? '');
}

/**
 * The instance type and the preference that a VM names. A kind that is not given means the cluster's; the revision is
 * the one asked for, else the one that KubeVirt has noted in the status (kubevirt v1.9.0, pkg/instancetype/find).
 */
export function vmReferences(vm: Manifest): readonly VmReference[] {
  if (vm.kind !== 'VirtualMachine') return [];
  return (['instancetype', 'preference'] as const).flatMap((field): VmReference[] => {
    const matcher = at(vm, 'spec', field);
    if (!isObject(matcher)) return [];
    const [clusterKind, ownKind] = kinds[field];
    const wanted = (textAt(matcher, 'kind') ?? '').toLowerCase().replace(/s$/, '');
    const namespaced = wanted === ownKind.toLowerCase();
    const name = textAt(matcher, 'name') ?? '';
    const status = objectAt(vm, 'status', `${field}Ref`);
    const noted = status.name === name ? textAt(status, 'controllerRevisionRef', 'name') : undefined;
    const revision = textAt(matcher, 'revisionName') || noted;
    return [
      {
        field,
        kind: namespaced ? ownKind : clusterKind,
        name,
        namespaced,
        ...(revision ? { revision } : {}),
      },
    ];
  });
}

export const referenceName = ({ kind, name }: VmReference): string => `${kind} ${name || '(no name)'}`;

/** Something that a VM names and that could not be looked into, or not in the form the VM got it. */
export interface Unread {
  readonly reference: VmReference;
  /** `outdated`: the object is known as it is now, and the VM has an earlier revision of it. */
  readonly how: 'absent' | 'outdated';
  /** What the API server said to it, after a colon; else nothing. */
  readonly why: string;
}

export interface Expansion {
  readonly references: readonly VmReference[];
  /** The template with everything in it; what is unread or in conflict is not. */
  readonly template: Template;
  readonly conflicts: readonly Conflict[];
  readonly unread: readonly Unread[];
}

/**
 * The template of a VM with all that its instance type and its preference give, as `expand-spec` of virt-api makes it,
 * but for the defaults that KubeVirt gives every VM. `others` are the documents beside the VM: the objects it names, their
 * ControllerRevisions, the API server's `Status` for what it refused, or the same VM as virt-api has expanded it. undefined when the VM names neither.
 */
export function expandVm(vm: Manifest, others: readonly Manifest[]): Expansion | undefined {
  const references = vmReferences(vm);
  if (references.length === 0) return undefined;
  const template = objectAt(vm, 'spec', 'template');
  const twin = others.find((other) => isExpandedTwin(other, vm));
  if (twin !== undefined) {
    return { references, template: objectAt(twin, 'spec', 'template'), conflicts: [], unread: [] };
  }
  const unread: Unread[] = [];
  const specOf = (field: VmReference['field']): Json | undefined => {
    const reference = references.find((one) => one.field === field);
    if (reference === undefined) return undefined;
    const { spec, how } = findSpec(reference, vm, others);
    if (how !== undefined) unread.push({ reference, how, why: refusalOf(reference, how, others) });
    return spec;
  };
  const instancetype = specOf('instancetype');
  const preference = specOf('preference');
  const { template: given, conflicts } =
    instancetype === undefined
      ? { template, conflicts: [] }
      : applyInstancetype(template, instancetype, preference);
  const isClean = preference !== undefined && conflicts.length === 0;
  return { references, template: isClean ? applyPreference(given, preference) : given, conflicts, unread };
}

/** The same VM without its instance type and preference: what `virtualmachines/expand-spec` answers. */
export function isExpandedTwin(other: Manifest, vm: Manifest): boolean {
  return (
    other !== vm &&
    other.kind === 'VirtualMachine' &&
    isSame(other, vm.metadata?.name ?? '', vm.metadata?.namespace) &&
    vmReferences(vm).length > 0 &&
    vmReferences(other).length === 0
  );
}

function findSpec(
  { kind, name, namespaced, revision }: VmReference,
  vm: Manifest,
  others: readonly Manifest[],
): { readonly spec?: Json; readonly how?: Unread['how'] } {
  const namespace = vm.metadata?.namespace;
  const held = others.find(
    (other) =>
      other.kind === 'ControllerRevision' && revision !== undefined && isSame(other, revision, namespace),
  );
  const kept = at(held, 'data', 'spec');
  if (isObject(kept)) return { spec: kept };
  const object = others.find(
    (other) => other.kind === kind && isSame(other, name, namespaced ? namespace : undefined),
  );
  if (!isObject(object?.spec)) return { how: 'absent' };
  return { spec: object.spec, ...(revision === undefined ? {} : { how: 'outdated' }) };
}

/** A manifest from a file often does not say its namespace: then the name is enough. */
function isSame({ metadata }: Manifest, name: string, namespace: string | undefined): boolean {
  const own = metadata?.namespace;
  return metadata?.name === name && (own === namespace || own === undefined || namespace === undefined);
}

/** The API server's words about an object that it did not give. */
function refusalOf({ name, revision }: VmReference, how: Unread['how'], others: readonly Manifest[]): string {
  const wanted = how === 'outdated' ? [revision] : [name, revision];
  const status = others.find(
    (other) => other.kind === 'Status' && wanted.includes(textAt(other, 'details', 'name')),
  );
  const message = textAt(status, 'message');
  return message === undefined ? '' : `: ${message}`;
}

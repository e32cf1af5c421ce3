import type { StatusCause } from '../api/status.ts';
import { type Cluster, ids } from '../cluster.ts';
import { clone } from '../json.ts';
import type { Dict, KubeObject } from '../types.ts';
import { applyInstancetype, requirementCauses, spreadCauses } from './instancetype-apply.ts';
import { applyPreference } from './preference-apply.ts';

export interface Expanded {
  /** The template's spec with everything in it that the instance type and the preference give. */
  readonly spec: Dict;
  /** The template's metadata with the annotations they give. */
  readonly metadata: Dict;
  readonly causes: readonly StatusCause[];
}

const group = 'instancetype.kubevirt.io';
const matchers = {
  instancetype: { own: 'virtualmachineinstancetype', cluster: 'virtualmachineclusterinstancetype' },
  preference: { own: 'virtualmachinepreference', cluster: 'virtualmachineclusterpreference' },
} as const;
type Matcher = keyof typeof matchers;

/** What a VM names, as pkg/instancetype/find of kubevirt v1.9.0 finds it; a text says why it does not. */
export function findNamed(cluster: Cluster, vm: KubeObject, field: Matcher): Dict | undefined | string {
  const matcher = vm.spec?.[field];
  if (!matcher?.name && !matcher?.revisionName) return undefined;
  const { namespace } = vm.metadata;
  if (matcher.revisionName) {
    const revision = cluster.get(ids.controllerRevisions, namespace, matcher.revisionName);
    return revision?.data?.spec ?? `controllerrevisions.apps "${matcher.revisionName}" not found`;
  }
  const noted = vm.status?.[`${field}Ref`]?.controllerRevisionRef?.name;
  const revision = noted && cluster.get(ids.controllerRevisions, namespace, noted);
  if (revision?.metadata.labels?.[`${group}/object-name`] === matcher.name) return revision.data.spec;
  const kind = String(matcher.kind ?? '').toLowerCase();
  const { own, cluster: wide } = matchers[field];
  const isOwn = kind === own || kind === `${own}s`;
  if (!isOwn && kind !== '' && kind !== wide && kind !== `${wide}s`) {
    const name = field === 'instancetype' ? 'InstancetypeMatcher' : 'PreferenceMatcher';
    return `got unexpected kind in ${name}: ${matcher.kind}`;
  }
  const id = `${isOwn ? own : wide}s.${group}`;
  const found = cluster.get(id, isOwn ? namespace : undefined, matcher.name);
  return found?.spec ?? `${id} "${matcher.name}" not found`;
}

/** The instance that a VM stands for: its template with what its instance type and its preference give. */
export function instanceOf(cluster: Cluster, vm: KubeObject): Expanded {
  const template: Dict = clone(vm.spec?.template ?? {});
  template.spec ??= {};
  const done = (causes: readonly StatusCause[]): Expanded => ({
    spec: template.spec,
    metadata: template.metadata ?? {},
    causes,
  });
  const found = { instancetype: undefined as Dict | undefined, preference: undefined as Dict | undefined };
  for (const field of ['instancetype', 'preference'] as const) {
    const named = findNamed(cluster, vm, field);
    if (typeof named === 'string') {
      const message = `Failure to find ${field}: ${named}`;
      return done([{ reason: 'FieldValueNotFound', field: `spec.${field}`, message }]);
    }
    found[field] = named;
  }
  const { preference } = found;
  // Their CRD requires both; a server without schemas takes anything.
  const instancetype = found.instancetype && { cpu: { guest: 1 }, memory: {}, ...found.instancetype };
  const uneven = spreadCauses(instancetype, preference);
  if (uneven.length > 0) return done(uneven);
  const clashes = instancetype ? applyInstancetype(template, instancetype, preference) : [];
  if (clashes.length > 0 || preference === undefined) return done(clashes);
  applyPreference(template, preference);
  return done(requirementCauses(template.spec, instancetype, preference));
}

/** Neither a name nor a volume to infer it from: what the mutating webhook says before anything is looked up. */
export function matcherCauses({ spec }: KubeObject): StatusCause[] {
  return (['instancetype', 'preference'] as const).flatMap((field) => {
    const matcher = spec?.[field];
    if (matcher === undefined || matcher.name || matcher.inferFromVolume) return [];
    const message = `Either Name or InferFromVolume should be provided within the ${field} matcher`;
    return [{ reason: 'FieldValueNotFound', field: `spec.${field}`, message }];
  });
}

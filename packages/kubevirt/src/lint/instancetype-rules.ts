import { expandVm } from '../translate/expand.ts';
import { instancetypeConflicts } from '../translate/instancetype.ts';
import { isObject, objectAt, textAt } from '../translate/manifest.ts';
import type { Rule, RuleFinding } from './rule.ts';

/**
 * What a VM says although its instance type gives it. CPUs and memory are refused beside every instance type, the rest
 * beside those that give it, which the files must hold.
 */
export const instancetypeConflict: Rule = (_document, manifest, { manifests }) => {
  const wanted = objectAt(manifest, 'spec').instancetype;
  if (manifest.kind !== 'VirtualMachine' || !isObject(wanted)) return [];
  const expansion = expandVm(manifest, manifests);
  const isKnown = !expansion?.unread.some(
    ({ reference, how }) => reference.field === 'instancetype' && how === 'absent',
  );
  const conflicts = isKnown
    ? (expansion?.conflicts ?? [])
    : instancetypeConflicts(objectAt(manifest, 'spec', 'template'), undefined);
  const name = textAt(wanted, 'name') ?? '';
  return conflicts.map(
    ({ place, message }): RuleFinding => ({
      rule: 'kubevirt.instancetype-conflict',
      severity: 'error',
      path: place === undefined ? ['spec', 'instancetype'] : ['spec', 'template', ...place],
      message:
        place === undefined
          ? message
          : `the instance type ${name} gives ${place.slice(1).join('.')}, and the VM says it, too`,
      why: `The webhook refuses the VM: "${message}".`,
      remedy:
        place === undefined
          ? 'change the preference, or take another instance type'
          : 'delete it here, or name no instance type',
    }),
  );
};

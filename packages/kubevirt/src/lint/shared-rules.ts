import { tryParseVgpuProfile } from '@vmgpu/core';
import { findMisplaced } from '../translate/levels.ts';
import { at, isObject } from '../translate/manifest.ts';
import { resourceNameProblem } from '../translate/names.ts';
import type { YamlDocument } from './document.ts';
import type { Rule, RuleFinding } from './rule.ts';
import { type Path, valuesUnder } from './walk.ts';

const droppedSilently =
  'The API server drops unknown keys and says so only in a Warning header, unless it is asked with fieldValidation=Strict.';

/** Keys that stand on the wrong level of a VM, a KubeVirt CR or HyperConverged. */
export const misplacedKeys: Rule = (document, manifest) =>
  // A part of a manifest, as guides show it, has no levels to go by.
  (at(document.value, 'kind') ?? at(document.value, 'spec')) === undefined
    ? []
    : findMisplaced(manifest).map(({ key, from, parent, missing, home }) => ({
        rule: 'kubevirt.misplaced-key',
        severity: 'error',
        path: [...from, key],
        message: `${key} belongs into ${home}, not ${from.length === 0 ? 'to the top level' : `into ${from.join('.')}`}`,
        why: droppedSilently,
        remedy: `move it to ${home}.${key}`,
        fix: document.move([...from, key], parent, missing),
      }));

/** `creationTimestamp: null`, left over from generated manifests. */
export const leftovers: Rule = (document) =>
  valuesUnder(document.value, 'creationTimestamp').flatMap(({ value, path }) =>
    value !== null
      ? []
      : [
          {
            rule: 'kubevirt.null-timestamp',
            severity: 'info',
            path,
            message: 'creationTimestamp: null says nothing',
            why: 'It is left over from a generated manifest; the API server sets the time itself.',
            remedy: 'delete the line',
            fix: removeUnlessOnly(document, path),
          },
        ],
  );

/** Removes the key, and its map when nothing else stands in it. */
function removeUnlessOnly(document: YamlDocument, path: Path) {
  const parent = path.slice(0, -1);
  const map = parent.reduce<unknown>(
    (value, part) => (value as Readonly<Record<string, unknown>>)[part],
    document.value,
  );
  return document.remove(isObject(map) && Object.keys(map).length === 1 ? parent : path);
}

/** What is wrong with a resource name, wherever one stands. */
export function resourceNameFindings(
  document: YamlDocument,
  name: unknown,
  path: Path,
): readonly RuleFinding[] {
  if (typeof name !== 'string') return [];
  const part = 'value' as const;
  if (/\s/.test(name)) {
    return [
      {
        rule: 'kubevirt.resource-name-blank',
        severity: 'error',
        path,
        part,
        message: `"${name}" has white space in it`,
        why: 'KubeVirt takes it, but a Pod that asks for such a resource is refused, and no node has it.',
        remedy: `write ${name.replace(/\s+/g, '')}`,
        fix: document.replace(path, name.replace(/\s+/g, '')),
      },
    ];
  }
  const suffix = name.slice(name.indexOf('/') + 1);
  const problem = resourceNameProblem(name);
  if (problem !== undefined) {
    const vendor = /^(NVIDIA|GRID)_|^[A-Z]{2}\d{3}/.test(name) && !name.includes('/');
    return [
      {
        rule: 'kubevirt.resource-name',
        severity: 'error',
        path,
        part,
        message: `${name} ${problem}`,
        why: 'Nodes publish resources as vendor-domain/name; nothing matches this one, and KubeVirt does not check it.',
        ...(vendor
          ? { remedy: `write nvidia.com/${name}`, fix: document.replace(path, `nvidia.com/${name}`) }
          : {}),
      },
    ];
  }
  if (name.startsWith('nvidia.com/') && /^[A-Z]{1,2}[A-Z0-9]*\d{3}[A-Z]*_.*[a-z]/.test(suffix)) {
    const upper = `nvidia.com/${suffix.toUpperCase()}`;
    return [
      {
        rule: 'kubevirt.resource-name-case',
        severity: 'warning',
        path,
        part,
        message: `${name} is the spelling of device plugins before v1.1.1`,
        why: "NVIDIA's plugin writes passthrough names in capitals since January 2022, and names compare with case.",
        remedy: `write ${upper}`,
        fix: document.replace(path, upper),
      },
    ];
  }
  if (
    name.startsWith('nvidia.com/') &&
    tryParseVgpuProfile(suffix) !== undefined &&
    !/^(NVIDIA|GRID)_/.test(suffix)
  ) {
    return [
      {
        rule: 'kubevirt.vgpu-name-prefix',
        severity: 'warning',
        path,
        part,
        message: `${name} lacks the word that the driver prints before the type`,
        why: 'The plugin publishes the whole name of the type: NVIDIA_… (Ampere and later) or GRID_… (before).',
        remedy: `look it up: kubectl get nodes -o jsonpath='{.items[*].status.allocatable}'`,
      },
    ];
  }
  return [];
}

import { nearest, tryParseVgpuProfile } from '@vmgpu/core';
import { at, isObject, objectAt, textAt } from '../translate/manifest.ts';
import type { Rule, RuleFinding } from './rule.ts';
import { type Path, valuesUnder } from './walk.ts';

export const workloads = ['container', 'vm-passthrough', 'vm-vgpu'];

/** ClusterPolicy, or the chart's values (also below the name of a sub-chart). */
export const operatorSettings: Rule = (document, manifest) => {
  if (manifest.kind !== 'ClusterPolicy' && manifest.kind !== 'HelmValues') return [];
  const findings: RuleFinding[] = [];
  const choice = (key: string, allowed: readonly string[], why: string) => {
    for (const { value, path } of valuesUnder(document.value, key)) {
      if (!path.includes('sandboxWorkloads') || allowed.includes(String(value))) continue;
      findings.push({
        rule: 'gpu-operator.choice',
        severity: 'error',
        path,
        part: 'value',
        message: `${key} is ${allowed.join(', ')}; found ${String(value)}`,
        why,
        ...near(String(value), allowed),
      });
    }
  };
  choice('defaultWorkload', workloads, 'The CRD refuses another word.');
  choice('mode', ['kubevirt', 'kata'], 'The CRD refuses another word.');
  for (const { value, path } of valuesUnder(document.value, 'vgpuManager')) {
    if (!isObject(value)) continue;
    const { imagePullSecrets, image, enabled, repository } = value;
    if (
      imagePullSecrets !== undefined &&
      !(Array.isArray(imagePullSecrets) && imagePullSecrets.every((name) => typeof name === 'string'))
    ) {
      findings.push({
        rule: 'gpu-operator.pull-secrets',
        severity: 'error',
        path: [...path, 'imagePullSecrets'],
        message: 'imagePullSecrets is a list of Secret names',
        why: 'The CRD refuses another form.',
      });
    }
    if (typeof image === 'string' && !/^[a-zA-Z0-9-]+$/.test(image)) {
      findings.push({
        rule: 'gpu-operator.image',
        severity: 'error',
        path: [...path, 'image'],
        part: 'value',
        message: `${image} is more than the name of an image`,
        why: 'The operator pulls <repository>/<image>:<version>-<system of the node>.',
        remedy: 'put the registry into repository and the tag into version',
      });
    }
    if (enabled === true && repository === '') {
      findings.push({
        rule: 'gpu-operator.no-repository',
        severity: 'error',
        path,
        message: 'vgpuManager is on without a repository',
        why: 'NVIDIA publishes no vGPU manager image; the operator would have nothing to pull.',
      });
    }
  }
  return findings;
};

function near(found: string, allowed: readonly string[]): { remedy?: string } {
  const [best] = nearest(found, allowed, 1);
  return best === undefined ? {} : { remedy: `did you mean ${best}?` };
}

/** Labels that people put on nodes. */
export const nodeLabels: Rule = (document) =>
  [...valuesUnder(document.value, 'labels'), ...valuesUnder(document.value, 'nodeSelector')].flatMap(
    ({ value: labels, path }) => {
      if (!isObject(labels)) return [];
      const workload = labels['nvidia.com/gpu.workload.config'];
      if (workload === undefined || workload === null || workloads.includes(String(workload))) return [];
      return [
        {
          rule: 'gpu-operator.workload-label',
          severity: 'error',
          path: [...path, 'nvidia.com/gpu.workload.config'],
          part: 'value',
          message: `"${String(workload)}" is no workload: ${workloads.join(', ')}`,
          why: workloadWhy,
          ...near(String(workload), workloads),
        } satisfies RuleFinding,
      ];
    },
  );

export const workloadWhy =
  'The operator writes one line into its log and prepares the node for its default workload, usually containers.';

/** The table of vgpu-device-manager, alone or in its ConfigMap. Grammar: vgpu-device-manager v0.5.0, api/spec/v1 and pkg/types. */
export const vgpuConfig: Rule = (document, manifest) => {
  if (manifest.kind !== 'VgpuConfig') return [];
  const findings: RuleFinding[] = [];
  const add = (path: Path, message: string, why: string, rest: Partial<RuleFinding> = {}) =>
    findings.push({ rule: 'vgpu-device-manager.config', severity: 'error', path, message, why, ...rest });
  const refused = 'The device manager refuses the file, and the state label becomes failed.';
  const { value } = document;
  if (at(value, 'version') !== 'v1') add(['version'], 'version must be v1', refused);
  const configs = objectAt(value, 'vgpu-configs');
  if (Object.keys(configs).length === 0)
    add(['vgpu-configs'], 'at least one configuration is needed', refused);
  for (const [name, entries] of Object.entries(configs)) {
    const path: Path = ['vgpu-configs', name];
    if (!Array.isArray(entries) || entries.length === 0) {
      add(path, `${name} has no entry`, refused, {
        remedy: 'to clear all cards: - devices: all with vgpu-devices: {}',
      });
      continue;
    }
    for (const [index, entry] of entries.entries()) {
      if (isObject(entry)) checkEntry(entry, [...path, index]);
    }
  }
  return findings;

  function checkEntry(entry: Readonly<Record<string, unknown>>, path: Path): void {
    for (const key of Object.keys(entry)) {
      if (!['device-filter', 'devices', 'vgpu-devices'].includes(key))
        add([...path, key], `unknown key ${key}`, refused);
    }
    const { devices } = entry;
    const counted = Array.isArray(devices) && devices.every((number) => Number.isInteger(number));
    if (devices !== 'all' && !counted)
      add([...path, 'devices'], 'devices is "all" or a list of numbers', refused);
    const filters = entry['device-filter'];
    for (const filter of Array.isArray(filters) ? filters : filters === undefined ? [] : [filters])
      checkFilter(filter, path);
    const types = entry['vgpu-devices'];
    if (!isObject(types)) {
      add([...path, 'vgpu-devices'], 'vgpu-devices is a map of types and counts', refused);
      return;
    }
    const parsed = Object.entries(types).map(([type, count]) => {
      const here = [...path, 'vgpu-devices', type];
      const profile = tryParseVgpuProfile(type);
      if (profile === undefined || profile.short !== type) {
        const remedy =
          profile === undefined
            ? {}
            : { remedy: `write ${profile.short}`, fix: document.replace(here, profile.short, 'key') };
        add(here, `${type} is no vGPU type as the device manager writes it`, refused, remedy);
      }
      if (!Number.isInteger(count) || (count as number) < 1)
        add(here, `${type} needs a count of 1 or more`, refused);
      return profile;
    });
    if (new Set(parsed.map((profile) => profile?.slices !== undefined)).size > 1) {
      add([...path, 'vgpu-devices'], 'time-sliced and MIG-backed types cannot share one GPU', refused);
    }
  }

  function checkFilter(filter: unknown, path: Path): void {
    const text = String(filter);
    const silent = 'A filter that is wrong matches nothing, without a word.';
    const swapped = /^0x10de([0-9a-f]{4})$/i.exec(text);
    if (swapped) {
      const remedy = `the device comes first: 0x${swapped[1]}10DE`;
      add([...path, 'device-filter'], `${text} has vendor and device in the wrong order`, silent, { remedy });
    } else if (!/^0x[0-9a-f]{8}(:0x[0-9a-f]{8})?$/i.test(text)) {
      add([...path, 'device-filter'], `${text} is no device filter`, silent, {
        remedy: 'write 0x<device><vendor>, such as 0x223610DE',
      });
    }
  }
};

/** The table inside a ConfigMap, as a document of its own. */
export function embeddedConfig(manifest: unknown): string | undefined {
  const text = textAt(manifest, 'data', 'config.yaml');
  return text?.includes('vgpu-configs') ? text : undefined;
}

import { nearest, tryParsePciId, tryParseVgpuProfile } from '@vmgpu/core';
import { at, textAt } from '../translate/manifest.ts';
import { kubevirtVgpuName } from '../translate/names.ts';
import { atLeast } from '../translate/version.ts';
import type { Rule, RuleFinding } from './rule.ts';
import { resourceNameFindings } from './shared-rules.ts';
import { itemsUnder, type Path, valuesUnder } from './walk.ts';

const isConfig = (kind: unknown) => kind === 'KubeVirt' || kind === 'HyperConverged';

/** Gates that have to do with GPUs, and the usual neighbours in such lists. */
const knownGates = [
  'GPU',
  'HostDevices',
  'NUMA',
  'CPUManager',
  'DisableMDEVConfiguration',
  'GPUsWithDRA',
  'HostDevicesWithDRA',
  'PCINUMAAwareTopology',
  'ReservedOverheadMemlock',
  'VGPULiveMigration',
  'IOMMUFD',
  'GraceIOVirtualization',
  'VideoConfig',
];

export const featureGates: Rule = (document, manifest, { version, versionIsKnown }) => {
  if (manifest.kind !== 'KubeVirt') return [];
  const off = valuesUnder(document.value, 'disabledFeatureGates').flatMap(({ value }) =>
    Array.isArray(value) ? value : [],
  );
  return valuesUnder(document.value, 'featureGates').flatMap(({ value, path }) => {
    if (!Array.isArray(value)) {
      return [
        {
          rule: 'kubevirt.gates-list',
          severity: 'error',
          path,
          message: 'featureGates is a list of names',
          why: 'The webhook refuses anything else.',
        },
      ] satisfies RuleFinding[];
    }
    return value.flatMap((gate, index): RuleFinding[] => {
      const here = { path: [...path, index] as Path, part: 'value' as const };
      if (off.includes(gate)) {
        const message = `${gate} stands in featureGates and in disabledFeatureGates`;
        return [
          {
            ...here,
            rule: 'kubevirt.gate-twice',
            severity: 'error',
            message,
            why: 'The webhook refuses it.',
          },
        ];
      }
      if (gate === 'GPU' && atLeast(version, '1.4')) {
        return [
          {
            ...here,
            rule: 'kubevirt.gate-obsolete',
            severity: 'warning',
            message: 'the gate GPU does nothing since KubeVirt 1.4',
            why: 'GPUs are generally available; each change of the list answers with a warning.',
            remedy: 'delete it, unless KubeVirt is older',
            fix:
              versionIsKnown && value.length > 1
                ? removeItem(document.text, document.offsetOf([...path, index], 'value'))
                : undefined,
          },
        ];
      }
      if (gate === 'DisableMDEVConfiguration' && atLeast(version, '1.8')) {
        return [
          {
            ...here,
            rule: 'kubevirt.gate-deprecated',
            severity: 'warning',
            message: 'the gate DisableMDEVConfiguration is deprecated since KubeVirt 1.8',
            why: 'It still works; a field has taken its place.',
            remedy: 'write mediatedDevicesConfiguration: { enabled: false } instead',
          },
        ];
      }
      const [near] =
        typeof gate === 'string' && !knownGates.includes(gate) ? nearest(gate, knownGates, 1) : [];
      if (near === undefined || Math.abs(near.length - String(gate).length) > 2 || near.length < 5) return [];
      return [
        {
          ...here,
          rule: 'kubevirt.gate-unknown',
          severity: 'warning',
          message: `${gate} looks like a misspelt ${near}`,
          why: 'KubeVirt takes any name and says nothing.',
        },
      ];
    });
  });
};

function removeItem(text: string, offset: number) {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  return /^\s*-\s*$/.test(text.slice(start, offset))
    ? [{ start, end: end < 0 ? text.length : end + 1, text: '' }]
    : undefined;
}

export const allowList: Rule = (document, manifest, context) => {
  if (!isConfig(manifest.kind)) return [];
  const findings: RuleFinding[] = [];
  const operatorPublishes = externalEvidence(document.value, context.fileText);
  const bySelector = new Map<string, string>();
  for (const { item, path, list } of itemsUnder(document.value, ['pciHostDevices', 'mediatedDevices'])) {
    const resource = item.resourceName;
    findings.push(...resourceNameFindings(document, resource, [...path, 'resourceName']));
    const pci = list === 'pciHostDevices';
    const right = !pci
      ? 'mdevNameSelector'
      : manifest.kind === 'KubeVirt'
        ? 'pciVendorSelector'
        : 'pciDeviceSelector';
    const wrong = Object.keys(item).find(
      (key) => key !== right && ['pciVendorSelector', 'pciDeviceSelector', 'mdevNameSelector'].includes(key),
    );
    if (wrong !== undefined) {
      const renamed = pci && wrong !== 'mdevNameSelector' && !(right in item);
      findings.push({
        rule: 'kubevirt.selector-key',
        severity: 'error',
        path: [...path, wrong],
        message: `${list} of ${manifest.kind} select by ${right}, not by ${wrong}`,
        why: 'The key is dropped, and the entry is refused for lack of its selector.',
        remedy: `write ${right}`,
        fix: renamed ? document.replace([...path, wrong], right, 'key') : undefined,
      });
    }
    const selector = textAt(item, right) ?? (wrong === undefined ? undefined : textAt(item, wrong));
    if (selector !== undefined && pci && tryParsePciId(selector)?.length !== 9) {
      findings.push({
        rule: 'kubevirt.selector',
        severity: 'error',
        path: [...path, wrong ?? right],
        part: 'value',
        message: `${selector} is no vendor:device`,
        why: 'KubeVirt does not check the text; it compares it with what the kernel says, and nothing will match.',
        remedy: 'write four hexadecimal digits each, such as 10DE:2236',
      });
    }
    const suffix = String(resource ?? '').replace(/^[^/]*\//, '');
    if (
      pci &&
      /^(NVIDIA|GRID)_/.test(suffix) &&
      tryParseVgpuProfile(suffix) &&
      !nameOfVirtualFunction(item)
    ) {
      findings.push({
        rule: 'kubevirt.vgpu-under-pci',
        severity: 'error',
        path,
        message: `${suffix} is a vGPU type, but stands under pciHostDevices`,
        why: 'KubeVirt looks for it among whole PCI devices.',
        remedy: 'move it to mediatedDevices',
      });
    }
    if (selector !== undefined) {
      const key = `${list} ${pci ? selector.toLowerCase() : kubevirtVgpuName(selector)}`;
      const other = bySelector.get(key);
      if (other !== undefined) {
        const message =
          other === resource
            ? `${selector} is listed twice`
            : `${selector} is listed as ${other} and as ${String(resource)}`;
        const why = 'KubeVirt does not refuse it; the last entry wins.';
        findings.push({
          rule: 'kubevirt.selector-twice',
          severity: other === resource ? 'warning' : 'error',
          path,
          message,
          why,
        });
      }
      bySelector.set(key, String(resource));
    }
    if (
      !pci &&
      item.externalResourceProvider !== true &&
      /nvidia\.com\s*\//.test(String(resource)) &&
      operatorPublishes
    ) {
      findings.push({
        rule: 'kubevirt.external-provider',
        severity: 'error',
        path,
        message: `${selector ?? suffix} lacks externalResourceProvider: true`,
        why: 'The GPU Operator publishes it; without the flag virt-handler registers it as well, and may remove the vGPUs.',
        remedy: 'add externalResourceProvider: true',
        fix:
          item.externalResourceProvider === undefined
            ? document.add(path, 'externalResourceProvider: true')
            : undefined,
      });
    }
    findings.push(...notOnNode(resource, path, context.fileText));
  }
  return findings;
};

/** A vGPU that is a virtual function (KubeVirt 1.9) is selected by its PCI id and published by KubeVirt itself. */
function nameOfVirtualFunction(item: Readonly<Record<string, unknown>>): boolean {
  return item.externalResourceProvider !== true;
}

/** Signs that another plugin than KubeVirt's own publishes the devices. */
function externalEvidence(value: unknown, fileText: string): boolean {
  return (
    itemsUnder(value, ['pciHostDevices', 'mediatedDevices']).some(
      ({ item }) => item.externalResourceProvider === true,
    ) ||
    valuesUnder(value, 'featureGates').some(
      ({ value: gates }) => Array.isArray(gates) && gates.includes('DisableMDEVConfiguration'),
    ) ||
    at(value, 'spec', 'configuration', 'mediatedDevicesConfiguration', 'enabled') === false ||
    /gpu[- ]operator/i.test(fileText)
  );
}

/** Guides show what a node publishes; a vGPU that is permitted but not among it will never be scheduled. */
function notOnNode(resource: unknown, path: Path, fileText: string): readonly RuleFinding[] {
  const name = String(resource).replace(/\s+/g, '');
  if (!/^nvidia\.com\/(NVIDIA|GRID)_/.test(name)) return [];
  const shown = [
    ...fileText.matchAll(
      /^[ \t]*"?(nvidia\.com\/(?:NVIDIA|GRID)_[\w-]+)[ \t]*"?[ \t]*:[ \t]*"?\d+"?,?[ \t]*\r?$/gm,
    ),
  ].map((match) => match[1] ?? '');
  if (shown.length === 0 || shown.includes(name)) return [];
  return [
    {
      rule: 'kubevirt.not-on-node',
      severity: 'warning',
      path: [...path, 'resourceName'],
      part: 'value',
      message: `${name} is permitted, but the node shown here publishes ${[...new Set(shown)].join(', ')}`,
      why: 'A VM that asks for what the node has is refused; one that asks for what is permitted is never scheduled.',
    },
  ];
}

export const configKeys: Rule = (document, manifest) => {
  if (!isConfig(manifest.kind)) return [];
  const rename = (from: string, to: string, severity: 'error' | 'warning', rule: string, why: string) =>
    valuesUnder(document.value, from).map(
      ({ path }): RuleFinding => ({
        rule,
        severity,
        path,
        message: `${from} is called ${to}`,
        why,
        remedy: `write ${to}`,
        fix: document.replace(path, to, 'key'),
      }),
    );
  const dropped = 'The API server drops the key, so nothing is permitted by it.';
  const old = 'The old spelling is deprecated since 0.59; each write answers with a warning.';
  return [
    ...rename('permittedDevices', 'permittedHostDevices', 'error', 'kubevirt.permitted-devices', dropped),
    ...rename(
      'mediatedDevicesTypes',
      'mediatedDeviceTypes',
      'warning',
      'kubevirt.mediated-devices-types',
      old,
    ),
    ...valuesUnder(document.value, 'externalResourceProvider').flatMap(({ value, path }): RuleFinding[] =>
      typeof value === 'boolean'
        ? []
        : [
            {
              rule: 'kubevirt.boolean',
              severity: 'error',
              path,
              part: 'value',
              message: 'externalResourceProvider is true or false, without quotes',
              why: 'The API server refuses another type.',
              fix: /^(true|false)$/.test(String(value)) ? document.replace(path, String(value)) : undefined,
            },
          ],
    ),
    ...itemsUnder(document.value, ['nodeMediatedDeviceTypes']).flatMap(({ item, path }): RuleFinding[] =>
      at(item, 'nodeSelector') === undefined
        ? [
            {
              rule: 'kubevirt.node-selector',
              severity: 'error',
              path,
              message: 'nodeMediatedDeviceTypes entries need a nodeSelector',
              why: 'The API server refuses the object.',
            },
          ]
        : [],
    ),
  ];
};

import { nearest } from '@vmgpu/core';
import { at, listAt, objectAt, textAt, textsAt } from '../translate/manifest.ts';
import { swallowingSource } from '../translate/repair.ts';
import type { Rule, RuleFinding } from './rule.ts';
import { resourceNameFindings } from './shared-rules.ts';
import { itemsUnder, type Path, valuesUnder } from './walk.ts';

const isVm = (kind: unknown) => kind === 'VirtualMachine' || kind === 'VirtualMachineInstance';
const gpuKeys = ['name', 'deviceName', 'tag', 'virtualGPUOptions', 'claimName', 'requestName'];

const isInstancetype = (kind: unknown) =>
  kind === 'VirtualMachineInstancetype' || kind === 'VirtualMachineClusterInstancetype';

/** Devices of a VM, and of an instance type, which gives them to VMs. */
export const deviceEntries: Rule = (document, manifest, context) => {
  if (!isVm(manifest.kind) && !isInstancetype(manifest.kind)) return [];
  const seen = new Set<string>();
  const entries = itemsUnder(document.value, ['gpus', 'hostDevices']);
  return entries.flatMap(({ item, path, list }): RuleFinding[] => {
    const findings: RuleFinding[] = [
      ...resourceNameFindings(document, item.deviceName, [...path, 'deviceName']),
    ];
    const name = textAt(item, 'name');
    const problem =
      name === undefined
        ? 'has no name'
        : !/^[A-Za-z0-9_-]{1,63}$/.test(name)
          ? `has a name ("${name}") with other characters than letters, digits, "-" and "_"`
          : seen.has(name)
            ? `has the same name as another one: ${name}`
            : undefined;
    if (name !== undefined) seen.add(name);
    if (problem !== undefined && typeof item.deviceName !== 'object') {
      findings.push({
        rule: 'kubevirt.gpu-name',
        severity: 'error',
        path: name === undefined ? path : [...path, 'name'],
        message: `this device ${problem}`,
        why: 'The name becomes the libvirt alias ua-gpu-<name>; KubeVirt does not check it, and virt-launcher crashes on it.',
      });
    }
    for (const key of Object.keys(item).filter((known) => !gpuKeys.includes(known))) {
      const [right] = nearest(key, gpuKeys, 1);
      findings.push({
        rule: 'kubevirt.unknown-key',
        severity: 'error',
        path: [...path, key],
        message: `a device has no key ${key}`,
        why: 'The API server drops it without a word.',
        ...(right === undefined ? {} : { remedy: `write ${right}` }),
        fix:
          right?.toLowerCase() === key.toLowerCase()
            ? document.replace([...path, key], right, 'key')
            : undefined,
      });
    }
    const permitted = allowedResources(context.manifests);
    const resource = textAt(item, 'deviceName');
    if (
      permitted !== undefined &&
      resource !== undefined &&
      !/\s/.test(resource) &&
      !permitted.includes(resource)
    ) {
      const near = nearest(resource, permitted);
      findings.push({
        rule: 'kubevirt.not-permitted',
        severity: 'error',
        path: [...path, 'deviceName'],
        part: 'value',
        message: `${resource} is not in permittedHostDevices${near.length > 0 ? `; nearest: ${near.join(', ')}` : ''}`,
        why: 'The webhook does not check it: the VM stays in Starting, with "is not permitted" in a condition.',
      });
    }
    if (list === 'hostDevices' && gatesOf(context.manifests)?.includes('HostDevices') === false) {
      findings.push(hostDevicesGate(path.slice(0, -1)));
    }
    return findings;
  });
};

function hostDevicesGate(path: Path): RuleFinding {
  return {
    rule: 'kubevirt.host-devices-gate',
    severity: 'error',
    path,
    message: 'hostDevices needs the feature gate HostDevices, which the KubeVirt object does not have',
    why: 'The webhook refuses the VM; the gate is still alpha in 1.9.',
    remedy: 'add the gate, or use gpus',
  };
}

/** Names all KubeVirt objects at hand permit; undefined when there is none. */
function allowedResources(manifests: Parameters<Rule>[2]['manifests']): readonly string[] | undefined {
  const lists = manifests.flatMap((manifest) =>
    manifest.kind === 'KubeVirt' || manifest.kind === 'HyperConverged'
      ? itemsUnder(manifest, ['pciHostDevices', 'mediatedDevices', 'usb']).flatMap(
          ({ item }) => textAt(item, 'resourceName') ?? [],
        )
      : [],
  );
  return lists.length > 0 ? lists.map((name) => name.replace(/\s+/g, '')) : undefined;
}

function gatesOf(manifests: Parameters<Rule>[2]['manifests']): readonly string[] | undefined {
  const cr = manifests.find(({ kind, apiVersion }) => kind === 'KubeVirt' && apiVersion !== undefined);
  return cr && textsAt(cr, 'spec', 'configuration', 'developerConfiguration', 'featureGates');
}

export const vmSettings: Rule = (document, manifest) => {
  if (!isVm(manifest.kind)) return [];
  const findings: RuleFinding[] = [];
  const base: Path = manifest.kind === 'VirtualMachine' ? ['spec', 'template', 'spec'] : ['spec'];
  const spec = objectAt(manifest, ...(base as string[]));
  const hasGpus = itemsUnder(document.value, ['gpus', 'hostDevices']).length > 0;
  const add = (finding: RuleFinding) => findings.push(finding);
  if (/^kubevirt\.io\/v1alpha3$/.test(manifest.apiVersion ?? '')) {
    add({
      rule: 'kubevirt.old-api-version',
      severity: 'warning',
      path: ['apiVersion'],
      part: 'value',
      message: 'kubevirt.io/v1alpha3 is an old version of the API',
      why: 'It is still served, but objects are stored as kubevirt.io/v1 and documented there.',
      remedy: 'write kubevirt.io/v1',
      fix: document.replace(['apiVersion'], 'kubevirt.io/v1'),
    });
  }
  if (hasGpus && textAt(spec, 'evictionStrategy')?.startsWith('LiveMigrate')) {
    add({
      rule: 'kubevirt.eviction',
      severity: 'warning',
      path: [...base, 'evictionStrategy'],
      part: 'value',
      message: 'a VM with a GPU cannot be live-migrated',
      why: 'A drain of its node waits for ever.',
      remedy: 'write None',
      fix: document.replace([...base, 'evictionStrategy'], 'None'),
    });
  }
  for (const list of ['gpus', 'hostDevices']) {
    const found = at(spec, 'domain', 'devices', list);
    if (!Array.isArray(found) || found.length > 0) continue;
    const path = [...base, 'domain', 'devices', list];
    add({
      rule: 'kubevirt.empty-list',
      severity: list === 'gpus' ? 'info' : 'warning',
      path,
      message: `${list} is an empty list`,
      why: 'An empty hostDevices list is refused without the feature gate HostDevices; an empty list says nothing anyway.',
      remedy: 'delete it',
      fix: document.remove(path),
    });
  }
  const machine = textAt(spec, 'domain', 'machine', 'type');
  if (machine !== undefined && !/^((pc-)?q35|virt|s390)/.test(machine)) {
    add({
      rule: 'kubevirt.machine',
      severity: 'error',
      path: [...base, 'domain', 'machine', 'type'],
      part: 'value',
      message: `machine type ${machine} is not supported`,
      why: 'KubeVirt allows q35* and pc-q35* on amd64, virt* on arm64.',
      remedy: 'write q35',
    });
  }
  const efi = at(spec, 'domain', 'firmware', 'bootloader', 'efi');
  const smm = at(spec, 'domain', 'features', 'smm');
  if (
    efi !== undefined &&
    objectAt(efi).secureBoot !== false &&
    (smm === undefined || objectAt(smm).enabled === false)
  ) {
    add({
      rule: 'kubevirt.secure-boot',
      severity: 'error',
      path: [...base, 'domain', 'firmware', 'bootloader', 'efi'],
      message: 'UEFI without secureBoot: false means secure boot, which needs features.smm',
      why: 'The webhook refuses it: "SecureBoot requires SMM, which is currently disabled."',
      remedy: 'write secureBoot: false, or add features: { smm: { enabled: true } }',
    });
  }
  const { cpu, memory } = objectAt(spec, 'domain');
  if (
    at(cpu, 'numa', 'guestMappingPassthrough') !== undefined &&
    (at(cpu, 'dedicatedCpuPlacement') !== true || !at(memory, 'hugepages'))
  ) {
    add({
      rule: 'kubevirt.numa',
      severity: 'error',
      path: [...base, 'domain', 'cpu', 'numa'],
      message: 'guestMappingPassthrough needs dedicatedCpuPlacement: true and memory.hugepages',
      why: 'The webhook refuses the VM.',
    });
  }
  return findings;
};

/** Passwords in cloud-init data: everybody who may read the VM reads them. */
export const cloudInitSecrets: Rule = (document, manifest) => {
  if (!isVm(manifest.kind)) return [];
  return ['userData', 'userDataBase64'].flatMap((key) =>
    valuesUnder(document.value, key).flatMap(({ value, path }): RuleFinding[] => {
      const text = typeof value !== 'string' ? '' : key === 'userData' ? value : decode(value);
      const found = [
        /^[ \t]*chpasswd:|^[ \t]*password:|plain_text_passwd:/m.test(text) ? 'a password in plain text' : '',
        /^[ \t]*ssh_pwauth:[ \t]*(true|yes|1)\b/im.test(text) ? 'SSH logins by password' : '',
        /PermitRootLogin\s+yes/i.test(text) || /^[ \t]*disable_root:[ \t]*false/im.test(text)
          ? 'SSH logins as root'
          : '',
      ].filter(Boolean);
      if (found.length === 0) return [];
      return [
        {
          rule: 'kubevirt.cloud-init-password',
          severity: 'warning',
          path,
          message: `the cloud-init data allow ${found.join(', ')}`,
          why: 'Whoever may read the VM reads its cloud-init data, and base64 hides nothing.',
          remedy: 'use SSH keys, and put the data into a Secret (secretRef)',
        },
      ];
    }),
  );
};

function decode(text: string): string {
  try {
    return atob(text.replace(/\s/g, ''));
  } catch {
    return '';
  }
}

/** A volume whose `name` slipped into its source. */
export const volumeNames: Rule = (document, manifest) =>
  !isVm(manifest.kind)
    ? []
    : itemsUnder(document.value, ['volumes']).flatMap(({ item, path }): RuleFinding[] => {
        const source = swallowingSource(item);
        if (source === undefined) return [];
        const from = [...path, source, 'name'];
        return [
          {
            rule: 'kubevirt.volume-name',
            severity: 'error',
            path: from,
            message: `the name of the volume stands inside ${source}`,
            why: 'The API server drops it there and refuses a volume without a name.',
            remedy: `indent it like ${source}`,
            fix: document.move(from, path, []),
          },
        ];
      });

/** Sources of `resourceClaims` and the entries that use them. */
export const resourceClaims: Rule = (document, manifest) => {
  if (!isVm(manifest.kind)) return [];
  const base = manifest.kind === 'VirtualMachine' ? ['spec', 'template', 'spec'] : ['spec'];
  const names = listAt(manifest, ...base, 'resourceClaims').map((claim) => textAt(claim, 'name'));
  return itemsUnder(document.value, ['gpus', 'hostDevices']).flatMap(({ item, path }): RuleFinding[] => {
    const claim = textAt(item, 'claimName');
    const both = textAt(item, 'deviceName') !== undefined && claim !== undefined;
    const half = (claim === undefined) !== (textAt(item, 'requestName') === undefined);
    const unlisted = claim !== undefined && !names.includes(claim);
    if (!both && !half && !unlisted) return [];
    const message = both
      ? 'a device has either deviceName or claimName'
      : half
        ? 'claimName and requestName belong together'
        : `${claim} is not in resourceClaims`;
    return [{ rule: 'kubevirt.claim', severity: 'error', path, message, why: 'The webhook refuses the VM.' }];
  });
};

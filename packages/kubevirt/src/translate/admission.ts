/**
 * The rules of KubeVirt's webhooks and of the launcher pod's renderer that a VM with GPUs meets, as pure functions: an
 * answer before anything is sent. Texts and fields as kubevirt v1.9.0 returns them
 * (pkg/virt-api/webhooks/validating-webhook/admitters, pkg/virt-controller/services).
 */
import { parseBytes } from '@vmgpu/core';
import { claimed, deviceEntries, gateIsOn, type KubeVirtConfiguration } from './admission-input.ts';
import { at, isObject, type Json, listAt, type Manifest, objectAt, textAt, textsAt } from './manifest.ts';
import { type StructuralSchema, schemaProblems } from './structural-schema.ts';

export type { KubeVirtConfiguration } from './admission-input.ts';
export * from './launcher.ts';
export { prune, type SchemaProblem, type StructuralSchema, schemaProblems } from './structural-schema.ts';

export interface Cause {
  readonly type:
    | 'FieldValueInvalid'
    | 'FieldValueRequired'
    | 'FieldValueDuplicate'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden';
  readonly field: string;
  readonly message: string;
}

export interface Admission {
  readonly allowed: boolean;
  readonly causes: readonly Cause[];
  readonly warnings: readonly string[];
}

type Refuse = (field: string, message: string, type?: Cause['type']) => void;

/** The webhook's answer to a VirtualMachine or VirtualMachineInstance. */
export function admitVm(object: Manifest, configuration: KubeVirtConfiguration = {}): Admission {
  const causes: Cause[] = [];
  const refuse: Refuse = (field, message, type = 'FieldValueInvalid') =>
    causes.push({ type, field, message });
  if (object.kind === 'VirtualMachine') {
    admitRunStrategy(object, refuse);
    const template = at(object, 'spec', 'template');
    if (template === undefined) refuse('spec.template', 'Required value', 'FieldValueRequired');
    else admitSpec(objectAt(template, 'spec'), 'spec.template.spec', configuration, refuse);
  } else {
    const spec = objectAt(object, 'spec');
    admitSpec(spec, 'spec', configuration, refuse);
    admitInstance(spec, refuse);
  }
  return { allowed: causes.length === 0, causes, warnings: [] };
}

const runStrategies = ['Always', 'Halted', 'Manual', 'RerunOnFailure', 'Once', 'WaitAsReceiver'];

function admitRunStrategy(object: Manifest, refuse: Refuse): void {
  const { running, runStrategy } = objectAt(object, 'spec');
  if (running !== undefined && runStrategy !== undefined) {
    refuse(
      'spec.running',
      'Running and RunStrategy are mutually exclusive. Note that Running is deprecated, please use RunStrategy instead',
    );
  } else if (running === undefined && runStrategy === undefined) {
    refuse('spec.running', 'RunStrategy must be specified');
  } else if (runStrategy !== undefined && !runStrategies.includes(String(runStrategy))) {
    refuse('spec.runStrategy', `Invalid RunStrategy (${String(runStrategy)})`);
  }
}

/** Rules for an instance alone: a VM's template may still get memory and a display from elsewhere. */
function admitInstance(spec: Json, refuse: Refuse): void {
  const domain = objectAt(spec, 'domain');
  const memory =
    at(domain, 'memory', 'guest') ??
    at(domain, 'memory', 'hugepages', 'pageSize') ??
    at(domain, 'resources', 'requests', 'memory');
  if (memory !== undefined || at(domain, 'resources', 'limits', 'memory') !== undefined) return;
  refuse(
    '',
    "no memory requested, at least one of 'spec.domain.memory.guest', 'spec.domain.memory.hugepages.pageSize' or 'spec.domain.resources.requests.memory' must be set",
    'FieldValueRequired',
  );
}

function admitSpec(spec: Json, path: string, configuration: KubeVirtConfiguration, refuse: Refuse): void {
  admitGpus(spec, path, configuration, refuse);
  admitClaims(spec, path, refuse);
  admitGrace(spec, path, configuration, refuse);
  admitFirmware(spec, path, refuse);
  admitNuma(spec, path, refuse);
  admitDisplay(spec, path, refuse);
  admitLinks(spec, path, refuse);
  if (
    at(spec, 'domain', 'memory', 'reservedOverhead') !== undefined &&
    !gateIsOn(configuration, 'ReservedOverheadMemlock')
  ) {
    refuse(
      `${path}.domain.memory.reservedOverhead`,
      'Reserved overhead memlock feature gate is not enabled in kubevirt-config',
    );
  }
  for (const volume of listAt(spec, 'volumes')) {
    for (const source of ['cloudInitNoCloud', 'cloudInitConfigDrive']) {
      const data = textAt(volume, source, 'userData') ?? textAt(volume, source, 'userDataBase64') ?? '';
      if (new TextEncoder().encode(data).length <= 2048) continue;
      refuse(
        `${path}.volumes.${source}.userData`,
        'userData exceeds 2048 byte limit. Should use UserDataSecretRef for larger data.',
      );
    }
  }
}

function admitGpus(spec: Json, path: string, configuration: KubeVirtConfiguration, refuse: Refuse): void {
  const devices = objectAt(spec, 'domain', 'devices');
  const gpus = deviceEntries(spec, 'gpus');
  const withRamFB = gpus.filter((gpu) => {
    const display = at(gpu, 'virtualGPUOptions', 'display');
    if (!isObject(display) || display.enabled === false) return false;
    return at(display, 'ramFB', 'enabled') !== false;
  });
  if (withRamFB.length > 1) refuse(`${path}.GPUs`, 'configuring multiple displays with ramfb is not valid ');
  if (devices.hostDevices !== undefined && !gateIsOn(configuration, 'HostDevices')) {
    refuse(`${path}.HostDevices`, 'Host Devices feature gate is not enabled in kubevirt-config');
  }
  const field = `${path}.domain.devices.gpus`;
  const contains = 'vmi.spec.domain.devices.gpus contains';
  const named = (gpu: Json) => Boolean(textAt(gpu, 'deviceName'));
  if (gpus.some((gpu) => !named(gpu) && !claimed(gpu))) {
    const message = `${contains} GPUs without deviceName or claimRequest; each GPU must specify either a deviceName or a claimRequest`;
    refuse(field, message, 'FieldValueRequired');
  }
  if (gpus.some((gpu) => named(gpu) && claimed(gpu)))
    refuse(field, `${contains} GPUs with both deviceName and claimRequest`);
  else if (gpus.some(claimed) && !gpus.every(claimed)) {
    refuse(field, `${contains} both DRA and non-DRA GPUs; each GPU must be either DRA or non-DRA`);
  }
  if (gpus.some(claimed) && !gateIsOn(configuration, 'GPUsWithDRA')) {
    refuse(field, `${contains} DRA enabled GPUs but feature gate is not enabled`);
  }
}

const dnsLabelRule = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

function admitClaims(spec: Json, path: string, refuse: Refuse): void {
  const claims = listAt(spec, 'resourceClaims');
  const names = new Set<string>();
  for (const [index, claim] of claims.entries()) {
    const field = `${path}.resourceClaims[${index}]`;
    const name = textAt(claim, 'name') ?? '';
    if (!dnsLabelRule.test(name) || name.length > 63) {
      refuse(
        `${field}.name`,
        `${field}.name does not conform to the kubernetes DNS_LABEL rules: a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
      );
    }
    if (names.has(name))
      refuse(`${field}.name`, `duplicate resourceClaims name "${name}"`, 'FieldValueDuplicate');
    names.add(name);
    const sources = [claim.resourceClaimName, claim.resourceClaimTemplateName].filter(
      (source) => source !== undefined,
    );
    if (sources.length > 1)
      refuse(field, 'at most one of resourceClaimName or resourceClaimTemplateName may be specified');
    if (sources.length === 0)
      refuse(field, 'must specify one of: resourceClaimName, resourceClaimTemplateName');
  }
  const pairs = new Set<string>();
  let unlisted = false;
  for (const list of ['gpus', 'hostDevices'] as const) {
    for (const [index, device] of deviceEntries(spec, list).entries()) {
      if (!claimed(device)) continue;
      const field = `${path}.domain.devices.${list}[${index}]`;
      const what = list === 'gpus' ? 'GPU' : 'HostDevice';
      for (const key of ['claimName', 'requestName']) {
        if (!textAt(device, key))
          refuse(`${field}.${key}`, `${key} is required for DRA ${what}`, 'FieldValueRequired');
      }
      const claimName = textAt(device, 'claimName');
      const requestName = textAt(device, 'requestName');
      if (claimName === undefined || requestName === undefined) continue;
      const pair = `${claimName}/${requestName}`;
      if (pairs.has(pair))
        refuse(field, `duplicate claimName/requestName pair "${pair}"`, 'FieldValueDuplicate');
      pairs.add(pair);
      unlisted ||= !names.has(claimName);
    }
  }
  if (!unlisted) return;
  refuse(
    `${path}.resourceClaims`,
    'vmi.spec.resourceClaims must specify all claims used in vmi.spec.domain.devices.gpus and vmi.spec.domain.devices.hostDevices',
  );
}

const graceSelectors = new Set(['10de:2342', '10de:2348', '10de:2941']);

function admitGrace(spec: Json, path: string, configuration: KubeVirtConfiguration, refuse: Refuse): void {
  const permitted = listAt(configuration, 'permittedHostDevices', 'pciHostDevices');
  const isOn = gateIsOn(configuration, 'GraceIOVirtualization');
  let grace = false;
  for (const list of ['gpus', 'hostDevices'] as const) {
    for (const [index, device] of deviceEntries(spec, list).entries()) {
      const name = textAt(device, 'deviceName');
      const selector = textAt(
        permitted.find((entry) => entry.resourceName === name),
        'pciVendorSelector',
      )?.toLowerCase();
      const field = `${path}.domain.devices.${list}[${index}].deviceName`;
      if (isOn && selector?.startsWith('10de:') && selector.includes('*')) {
        refuse(
          field,
          `GraceIOVirtualization requires an exact pciVendorSelector for NVIDIA PCI host device resource "${name}"`,
        );
      }
      if (selector === undefined || !graceSelectors.has(selector)) continue;
      grace = true;
      if (isOn) continue;
      const what = `NVIDIA Grace GPU passthrough resource "${name}"`;
      refuse(field, `GraceIOVirtualization feature gate must be enabled for ${what}`);
    }
  }
  if (!grace || !isOn) return;
  const requires = 'GraceIOVirtualization requires';
  if (textAt(spec, 'architecture') !== 'arm64')
    refuse(`${path}.architecture`, `${requires} arm64 architecture`);
  if (!textAt(spec, 'domain', 'machine', 'type')?.startsWith('virt')) {
    refuse(`${path}.domain.machine.type`, `${requires} "virt" machine type`);
  }
  if (at(spec, 'domain', 'cpu', 'dedicatedCpuPlacement') !== true) {
    refuse(
      `${path}.domain.cpu.dedicatedCpuPlacement`,
      `${requires} dedicated CPU placement`,
      'FieldValueRequired',
    );
  }
  for (const gate of ['PCINUMAAwareTopology', 'IOMMUFD']) {
    if (!gateIsOn(configuration, gate)) refuse(path, `${requires} the ${gate} feature gate`);
  }
}

function admitFirmware(spec: Json, path: string, refuse: Refuse): void {
  const arm = textAt(spec, 'architecture') === 'arm64';
  const machine = textAt(spec, 'domain', 'machine', 'type');
  const fits = arm ? /^virt/ : /^(pc-)?q35/;
  if (machine && !fits.test(machine)) {
    const field = `${path}.domain.machine.type`;
    refuse(
      field,
      `${field} is not supported: ${machine} (allowed values: [${arm ? 'virt*' : 'q35* pc-q35*'}])`,
    );
  }
  const bootloader = objectAt(spec, 'domain', 'firmware', 'bootloader');
  const { efi, bios } = bootloader;
  const smm = at(spec, 'domain', 'features', 'smm');
  const smmIsOn = isObject(smm) && smm.enabled !== false;
  if (isObject(efi) && efi.secureBoot !== false && !smmIsOn) {
    const message = `${path}.domain has EFI SecureBoot enabled. SecureBoot requires SMM, which is currently disabled.`;
    refuse(`${path}.domain`, message);
  }
  if (efi !== undefined && bios !== undefined) {
    const field = `${path}.domain.firmware.bootloader`;
    refuse(field, `${field} has both EFI and BIOS configured, but they are mutually exclusive.`);
  }
}

function admitNuma(spec: Json, path: string, refuse: Refuse): void {
  const domain = `${path}.domain`;
  const field = `${domain}.cpu.numa.guestMappingPassthrough`;
  const pageSize = at(spec, 'domain', 'memory', 'hugepages', 'pageSize');
  if (at(spec, 'domain', 'cpu', 'numa', 'guestMappingPassthrough') !== undefined) {
    const when = `when NUMA topology strategy is set in ${field}`;
    if (at(spec, 'domain', 'cpu', 'dedicatedCpuPlacement') !== true) {
      refuse(field, `${domain}.cpu.dedicatedCpuPlacement must be set to true ${when}`);
    }
    if (pageSize === undefined) refuse(field, `${domain}.memory.hugepages must be requested ${when}`);
  }
  const memory =
    textAt(spec, 'domain', 'resources', 'requests', 'memory') ?? textAt(spec, 'domain', 'memory', 'guest');
  if (typeof pageSize !== 'string' || memory === undefined || bytes(memory) % bytes(pageSize) === 0) return;
  const requests = `${domain}.resources.requests.memory`;
  const shown = textAt(spec, 'domain', 'resources', 'requests', 'memory') ?? '0';
  refuse(
    requests,
    `${requests} '${shown}' is not a multiple of the page size ${domain}.memory.hugepages.pageSize '${pageSize}'`,
  );
}

function bytes(quantity: string): number {
  try {
    return parseBytes(quantity);
  } catch {
    return Number.NaN;
  }
}

const videoModels: Readonly<Record<string, readonly string[]>> = {
  amd64: ['vga', 'cirrus', 'virtio', 'ramfb', 'bochs'],
  arm64: ['virtio', 'ramfb'],
};

function admitDisplay(spec: Json, path: string, refuse: Refuse): void {
  const devices = objectAt(spec, 'domain', 'devices');
  if (devices.video === undefined) return;
  if (devices.autoattachGraphicsDevice === false) {
    refuse(
      `${path}.video`,
      'Video configuration is not allowed when autoattachGraphicsDevice is set to false',
    );
    return;
  }
  const architecture = textAt(spec, 'architecture') ?? 'amd64';
  const model = textAt(devices, 'video', 'type');
  if (model === undefined || videoModels[architecture]?.includes(model) !== false) return;
  const message = `video model '${model}' is not supported on ${architecture} architecture`;
  refuse(`${path}.domain.devices.video.type`, message, 'FieldValueNotSupported');
}

/** Disks need a volume of their name, interfaces and networks each other. */
function admitLinks(spec: Json, path: string, refuse: Refuse): void {
  const names = (list: readonly Json[]) => new Set(list.map((item) => textAt(item, 'name')));
  const volumes = names(listAt(spec, 'volumes'));
  for (const [index, disk] of listAt(spec, 'domain', 'devices', 'disks').entries()) {
    const name = textAt(disk, 'name');
    const field = `${path}.domain.devices.disks[${index}]`;
    if (!volumes.has(name)) refuse(`${field}.name`, `${field}.Name '${name}' not found.`);
  }
  const interfaces = listAt(spec, 'domain', 'devices', 'interfaces');
  const networks = listAt(spec, 'networks');
  const missing = (list: readonly Json[], others: readonly Json[], place: string) => {
    for (const [index, item] of list.entries()) {
      const name = textAt(item, 'name');
      const field = `${path}.${place}[${index}].name`;
      if (!names(others).has(name)) refuse(field, `${field} '${name}' not found.`, 'FieldValueRequired');
    }
  };
  missing(networks, interfaces, 'networks');
  missing(interfaces, networks, 'domain.devices.interfaces');
}

/** The webhook's answer to a changed KubeVirt CR. It repeats the schema in strict form, when one is given. */
export function admitKubeVirt(object: Manifest, schema?: StructuralSchema): Admission {
  const causes: Cause[] = (schema === undefined ? [] : schemaProblems(schema, object)).map(
    ({ field, message }) => ({
      type: 'FieldValueInvalid',
      field,
      message,
    }),
  );
  const configuration = objectAt(object, 'spec', 'configuration');
  const developer = objectAt(configuration, 'developerConfiguration');
  const gates = textsAt(developer, 'featureGates');
  const off = textsAt(developer, 'disabledFeatureGates');
  for (const gate of gates.filter((name) => off.includes(name))) {
    causes.push({
      type: 'FieldValueForbidden',
      field: 'spec.configuration.developerConfiguration.featureGates',
      message: `feature gate "${gate}" exists on both "FeatureGates" and "DisabledFeatureGates"`,
    });
  }
  const warnings = [
    ...gates.flatMap((gate) => gateWarnings[gate] ?? []),
    ...oldTypesWarnings(objectAt(configuration, 'mediatedDevicesConfiguration')),
  ];
  return { allowed: causes.length === 0, causes, warnings };
}

const gateWarnings: Readonly<Record<string, string>> = {
  GPU: 'feature gate GPU is deprecated (feature state is "General Availability"), therefore it can be safely removed and is redundant. For more info, please look at: https://github.com/kubevirt/kubevirt/blob/main/docs/deprecation.md',
  DisableMDEVConfiguration: 'DisableMDEVConfiguration has been deprecated since v1.8.0',
};

function oldTypesWarnings(mediated: Json): readonly string[] {
  const path = 'spec.configuration.mediatedDevicesConfiguration';
  const warn = (place: string) => `${place}.mediatedDevicesTypes is deprecated, use mediatedDeviceTypes`;
  return [
    ...(mediated.mediatedDevicesTypes === undefined ? [] : [warn(path)]),
    ...listAt(mediated, 'nodeMediatedDeviceTypes').flatMap((entry, index) =>
      entry.mediatedDevicesTypes === undefined ? [] : [warn(`${path}.nodeMediatedDeviceTypes[${index}]`)],
    ),
  ];
}

import type { StatusCause } from '../api/status.ts';
import { dicts } from '../json.ts';
import type { KubeVirtConfiguration } from '../scenario.ts';
import type { Dict } from '../types.ts';
import { devicesOf, gateIsOn, isArm, isClaimed } from './input.ts';

type Tell = (field: string, message: string, reason?: string) => void;

/** KubeVirt's rules for GPUs, host devices and resource claims (v1.9.0, validating-webhook/admitters). */
export function deviceCauses(spec: Dict, path: string, configuration: KubeVirtConfiguration): StatusCause[] {
  const causes: StatusCause[] = [];
  const tell: Tell = (field, message, reason = 'FieldValueInvalid') =>
    causes.push({ reason, message, field: `${path}${field}` });
  gpuRules(spec, configuration, tell);
  claimRules(spec, path, tell);
  pairRules(spec, tell);
  graceRules(spec, configuration, tell);
  return causes;
}

function gpuRules(spec: Dict, configuration: KubeVirtConfiguration, tell: Tell): void {
  const gpus = devicesOf(spec, 'gpus');
  const framebuffers = gpus.filter(({ virtualGPUOptions }) => {
    const display = virtualGPUOptions?.display;
    return display && display.enabled !== false && display.ramFB?.enabled !== false;
  });
  if (framebuffers.length > 1) tell('.GPUs', 'configuring multiple displays with ramfb is not valid ');
  if (spec.domain?.devices?.hostDevices !== undefined && !gateIsOn(configuration, 'HostDevices')) {
    tell('.HostDevices', 'Host Devices feature gate is not enabled in kubevirt-config');
  }
  const say = (rest: string, reason?: string) =>
    tell('.domain.devices.gpus', `vmi.spec.domain.devices.gpus contains ${rest}`, reason);
  if (gpus.some((gpu) => !gpu.deviceName && !isClaimed(gpu))) {
    const rest =
      'GPUs without deviceName or claimRequest; each GPU must specify either a deviceName or a claimRequest';
    say(rest, 'FieldValueRequired');
  }
  const claimed = gpus.filter(isClaimed);
  if (claimed.some(({ deviceName }) => deviceName)) say('GPUs with both deviceName and claimRequest');
  else if (claimed.length > 0 && claimed.length < gpus.length) {
    say('both DRA and non-DRA GPUs; each GPU must be either DRA or non-DRA');
  }
  if (claimed.length > 0 && !gateIsOn(configuration, 'GPUsWithDRA')) {
    say('DRA enabled GPUs but feature gate is not enabled');
  }
}

const labelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

function claimRules(spec: Dict, path: string, tell: Tell): void {
  const seen = new Set<string>();
  for (const [index, claim] of dicts(spec.resourceClaims).entries()) {
    const field = `.resourceClaims[${index}]`;
    const { name = '', resourceClaimName, resourceClaimTemplateName } = claim;
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
      tell(
        `${field}.name`,
        `${path}${field}.name does not conform to the kubernetes DNS_LABEL rules: ${labelText}`,
      );
    }
    if (seen.has(name))
      tell(`${field}.name`, `duplicate resourceClaims name "${name}"`, 'FieldValueDuplicate');
    seen.add(name);
    const sources = [resourceClaimName, resourceClaimTemplateName].filter((source) => source !== undefined);
    if (sources.length === 1) continue;
    const rule =
      sources.length > 1
        ? 'at most one of resourceClaimName or resourceClaimTemplateName may be specified'
        : 'must specify one of: resourceClaimName, resourceClaimTemplateName';
    tell(field, rule);
  }
}

function pairRules(spec: Dict, tell: Tell): void {
  const listed = new Set(dicts(spec.resourceClaims).map(({ name }) => name));
  const pairs = new Set<string>();
  let isMissing = false;
  for (const list of ['gpus', 'hostDevices'] as const) {
    for (const [index, device] of devicesOf(spec, list).entries()) {
      if (!isClaimed(device)) continue;
      const field = `.domain.devices.${list}[${index}]`;
      for (const key of ['claimName', 'requestName']) {
        const what = list === 'gpus' ? 'GPU' : 'HostDevice';
        if (!device[key]) tell(`${field}.${key}`, `${key} is required for DRA ${what}`, 'FieldValueRequired');
      }
      if (!device.claimName || !device.requestName) continue;
      const pair = `${device.claimName}/${device.requestName}`;
      if (pairs.has(pair)) {
        tell(field, `duplicate claimName/requestName pair "${pair}"`, 'FieldValueDuplicate');
      }
      pairs.add(pair);
      isMissing ||= !listed.has(device.claimName);
    }
  }
  if (!isMissing) return;
  const all = 'vmi.spec.domain.devices.gpus and vmi.spec.domain.devices.hostDevices';
  tell('.resourceClaims', `vmi.spec.resourceClaims must specify all claims used in ${all}`);
}

/** Device ids of NVIDIA Grace, which need a gate, arm64 and more. */
const grace = ['10de:2342', '10de:2348', '10de:2941'];

function graceRules(spec: Dict, configuration: KubeVirtConfiguration, tell: Tell): void {
  const gate = 'GraceIOVirtualization';
  const isOn = gateIsOn(configuration, gate);
  const entries = dicts(configuration.permittedHostDevices?.pciHostDevices);
  let used = false;
  for (const list of ['gpus', 'hostDevices'] as const) {
    for (const [index, { deviceName }] of devicesOf(spec, list).entries()) {
      const entry = entries.find(({ resourceName }) => resourceName === deviceName);
      const selector = String(entry?.pciVendorSelector ?? '').toLowerCase();
      const field = `.domain.devices.${list}[${index}].deviceName`;
      if (isOn && selector.startsWith('10de:') && selector.includes('*')) {
        const what = `NVIDIA PCI host device resource "${deviceName}"`;
        tell(field, `${gate} requires an exact pciVendorSelector for ${what}`);
      }
      if (!grace.includes(selector)) continue;
      used = true;
      const what = `NVIDIA Grace GPU passthrough resource "${deviceName}"`;
      if (!isOn) tell(field, `${gate} feature gate must be enabled for ${what}`);
    }
  }
  if (!used || !isOn) return;
  const { machine, cpu } = spec.domain ?? {};
  if (!isArm(spec)) tell('.architecture', `${gate} requires arm64 architecture`);
  if (!machine?.type?.startsWith('virt'))
    tell('.domain.machine.type', `${gate} requires "virt" machine type`);
  if (cpu?.dedicatedCpuPlacement !== true) {
    tell(
      '.domain.cpu.dedicatedCpuPlacement',
      `${gate} requires dedicated CPU placement`,
      'FieldValueRequired',
    );
  }
  for (const other of ['PCINUMAAwareTopology', 'IOMMUFD']) {
    if (!gateIsOn(configuration, other)) tell('', `${gate} requires the ${other} feature gate`);
  }
}

import type { StatusCause } from '../api/status.ts';
import { dicts } from '../json.ts';
import { quantity } from '../quantity.ts';
import type { KubeVirtConfiguration } from '../scenario.ts';
import type { Dict } from '../types.ts';
import { gateIsOn, isArm } from './input.ts';

/** KubeVirt's rules for the rest of a VM that a GPU VM touches (v1.9.0, validating-webhook/admitters). */
export function guestCauses(spec: Dict, path: string, configuration: KubeVirtConfiguration): StatusCause[] {
  const causes: StatusCause[] = [];
  const tell = (field: string, message: string, reason = 'FieldValueInvalid') =>
    causes.push({ reason, message, field: `${path}${field}` });
  const { machine, firmware, features, cpu, memory, resources, devices } = spec.domain ?? {};

  const rule = isArm(spec) ? /^virt/ : /^(pc-)?q35/;
  if (machine?.type && !rule.test(machine.type)) {
    const allowed = isArm(spec) ? 'virt*' : 'q35* pc-q35*';
    const field = '.domain.machine.type';
    tell(field, `${path}${field} is not supported: ${machine.type} (allowed values: [${allowed}])`);
  }

  const { efi, bios } = firmware?.bootloader ?? {};
  const hasSmm = features?.smm !== undefined && features.smm.enabled !== false;
  if (efi && efi.secureBoot !== false && !hasSmm) {
    const text = 'has EFI SecureBoot enabled. SecureBoot requires SMM, which is currently disabled.';
    tell('.domain', `${path}.domain ${text}`);
  }
  if (efi && bios) {
    const field = '.domain.firmware.bootloader';
    tell(field, `${path}${field} has both EFI and BIOS configured, but they are mutually exclusive.`);
  }

  const pageSize = memory?.hugepages?.pageSize;
  if (cpu?.numa?.guestMappingPassthrough) {
    const field = '.domain.cpu.numa.guestMappingPassthrough';
    const when = `when NUMA topology strategy is set in ${path}${field}`;
    if (!cpu.dedicatedCpuPlacement) {
      tell(field, `${path}.domain.cpu.dedicatedCpuPlacement must be set to true ${when}`);
    }
    if (!pageSize) tell(field, `${path}.domain.memory.hugepages must be requested ${when}`);
  }
  const requested = resources?.requests?.memory;
  const wanted = quantity(requested ?? memory?.guest);
  if (pageSize && wanted % quantity(pageSize) !== 0) {
    const field = '.domain.resources.requests.memory';
    const pages = `the page size ${path}.domain.memory.hugepages.pageSize '${pageSize}'`;
    tell(field, `${path}${field} '${requested ?? '0'}' is not a multiple of ${pages}`);
  }
  if (memory?.reservedOverhead && !gateIsOn(configuration, 'ReservedOverheadMemlock')) {
    const text = 'Reserved overhead memlock feature gate is not enabled in kubevirt-config';
    tell('.domain.memory.reservedOverhead', text);
  }

  if (devices?.video && devices.autoattachGraphicsDevice === false) {
    tell('.video', 'Video configuration is not allowed when autoattachGraphicsDevice is set to false');
  } else if (devices?.video?.type) {
    const known = isArm(spec) ? ['virtio', 'ramfb'] : ['vga', 'cirrus', 'virtio', 'ramfb', 'bochs'];
    const text = `video model '${devices.video.type}' is not supported on ${spec.architecture ?? 'amd64'} architecture`;
    if (!known.includes(devices.video.type))
      tell('.domain.devices.video.type', text, 'FieldValueNotSupported');
  }
  linkRules(spec, path, tell);
  for (const volume of dicts(spec.volumes)) {
    for (const source of ['cloudInitNoCloud', 'cloudInitConfigDrive']) {
      const { userData, userDataBase64 } = volume[source] ?? {};
      if (Buffer.byteLength(userData ?? userDataBase64 ?? '') <= 2048) continue;
      const text = 'userData exceeds 2048 byte limit. Should use UserDataSecretRef for larger data.';
      tell(`.volumes.${source}.userData`, text);
    }
  }
  return causes;
}

/** Disks need a volume, interfaces a network, networks an interface. */
function linkRules(
  spec: Dict,
  path: string,
  tell: (field: string, message: string, reason?: string) => void,
): void {
  const namesOf = (list: unknown) => new Set(dicts(list).map(({ name }) => name));
  const { disks, interfaces } = spec.domain?.devices ?? {};
  const volumes = namesOf(spec.volumes);
  for (const [index, { name }] of dicts(disks).entries()) {
    const field = `.domain.devices.disks[${index}]`;
    if (!volumes.has(name)) tell(`${field}.name`, `${path}${field}.Name '${name}' not found.`);
  }
  const pairs = [
    ['.networks', spec.networks, interfaces],
    ['.domain.devices.interfaces', interfaces, spec.networks],
  ] as const;
  for (const [place, list, others] of pairs) {
    const known = namesOf(others);
    for (const [index, { name }] of dicts(list).entries()) {
      const field = `${place}[${index}].name`;
      if (!known.has(name)) tell(field, `${path}${field} '${name}' not found.`, 'FieldValueRequired');
    }
  }
}

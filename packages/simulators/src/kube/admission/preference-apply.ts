import { clone, dicts } from '../json.ts';
import type { Dict } from '../types.ts';

/** Fields of `domain.devices` and `domain.features` that take a preference when the VM has none of its own. */
const simpleDevices = {
  preferredUseVirtioTransitional: 'useVirtioTransitional',
  preferredBlockMultiQueue: 'blockMultiQueue',
  preferredNetworkInterfaceMultiQueue: 'networkInterfaceMultiqueue',
  preferredRng: 'rng',
  preferredTPM: 'tpm',
  preferredAutoattachGraphicsDevice: 'autoattachGraphicsDevice',
  preferredAutoattachMemBalloon: 'autoattachMemBalloon',
  preferredAutoattachPodInterface: 'autoattachPodInterface',
  preferredAutoattachSerialConsole: 'autoattachSerialConsole',
  preferredAutoattachInputDevice: 'autoattachInputDevice',
};
const simpleFeatures = {
  preferredApic: 'apic',
  preferredKvm: 'kvm',
  preferredPvspinlock: 'pvspinlock',
  preferredSmm: 'smm',
};

/** Puts a preference onto a template, as pkg/instancetype/preference/apply of kubevirt v1.9.0 does. Never refuses. */
export function applyPreference(template: Dict, preference: Dict): void {
  template.spec ??= {};
  const vmi: Dict = template.spec;
  vmi.domain ??= {};
  const { domain } = vmi;
  applyDevices(vmi, preference.devices);
  applyFeatures(domain, preference.features);
  applyFirmware(domain, preference.firmware);
  const added = dicts(preference.cpu?.preferredCPUFeatures).filter(
    ({ name }) => !dicts(domain.cpu?.features).some((feature) => feature.name === name),
  );
  if (added.length > 0) {
    domain.cpu = { ...domain.cpu, features: [...dicts(domain.cpu?.features), ...clone(added)] };
  }
  const machine = preference.machine?.preferredMachineType;
  if (machine && !domain.machine?.type) domain.machine = { ...domain.machine, type: machine };
  const { preferredClockOffset, preferredTimer } = preference.clock ?? {};
  if (preferredClockOffset && !domain.clock?.utc && !domain.clock?.timezone) {
    domain.clock = { ...domain.clock, ...clone(preferredClockOffset) };
  }
  if (preferredTimer && !domain.clock?.timer)
    domain.clock = { ...domain.clock, timer: clone(preferredTimer) };
  fill(domain, 'launchSecurity', preference.preferredLaunchSecurity);
  fill(vmi, 'subdomain', preference.preferredSubdomain);
  fill(vmi, 'terminationGracePeriodSeconds', preference.preferredTerminationGracePeriodSeconds);
  fill(vmi, 'architecture', preference.preferredArchitecture);
  if (preference.annotations) {
    const annotations = { ...preference.annotations, ...template.metadata?.annotations };
    template.metadata = { ...template.metadata, annotations };
  }
}

function fill(target: Dict, key: string, value: unknown): void {
  if (value === undefined || value === '') return;
  if (target[key] === undefined || target[key] === '') target[key] = clone(value);
}

function applyDevices(vmi: Dict, wanted: Dict | undefined): void {
  if (wanted === undefined) return;
  vmi.domain.devices ??= {};
  const { devices } = vmi.domain;
  for (const [from, to] of Object.entries(simpleDevices)) fill(devices, to, wanted[from]);
  // Not a pointer in KubeVirt: always overwritten.
  if (wanted.preferredDisableHotplug !== undefined) devices.disableHotplug = wanted.preferredDisableHotplug;
  if (wanted.preferredVideoType) {
    devices.video ??= {};
    fill(devices.video, 'type', wanted.preferredVideoType);
  }
  if (devices.sound) fill(devices.sound, 'model', wanted.preferredSoundModel);
  for (const disk of dicts(devices.disks)) {
    if (!disk.disk && !disk.cdrom && !disk.lun) disk.disk = {};
    if (disk.cdrom) fill(disk.cdrom, 'bus', wanted.preferredCdromBus);
    if (disk.lun) fill(disk.lun, 'bus', wanted.preferredLunBus);
    if (!disk.disk) continue;
    fill(disk.disk, 'bus', wanted.preferredDiskBus);
    fill(disk, 'blockSize', wanted.preferredDiskBlockSize);
    fill(disk, 'cache', wanted.preferredDiskCache);
    fill(disk, 'io', wanted.preferredDiskIO);
    if (disk.disk.bus === 'virtio') fill(disk, 'dedicatedIOThread', wanted.preferredDiskDedicatedIoThread);
  }
  const methods = ['bridge', 'slirp', 'masquerade', 'sriov', 'macvtap', 'passt', 'passtBinding', 'binding'];
  for (const iface of dicts(devices.interfaces)) {
    fill(iface, 'model', wanted.preferredInterfaceModel);
    const isPod = dicts(vmi.networks).some(({ name, pod }) => name === iface.name && pod !== undefined);
    if (isPod && methods.every((method) => iface[method] === undefined)) {
      fill(iface, 'masquerade', wanted.preferredInterfaceMasquerade);
    }
  }
  for (const input of dicts(devices.inputs)) {
    fill(input, 'bus', wanted.preferredInputBus);
    fill(input, 'type', wanted.preferredInputType);
  }
  const model = wanted.preferredPanicDeviceModel;
  if (model !== undefined && dicts(devices.panicDevices).length === 0) devices.panicDevices = [{ model }];
  for (const panic of dicts(devices.panicDevices)) fill(panic, 'model', model);
}

function applyFeatures(domain: Dict, wanted: Dict | undefined): void {
  if (wanted === undefined) return;
  domain.features ??= {};
  const { features } = domain;
  // Not a pointer in KubeVirt: always overwritten.
  if (wanted.preferredAcpi !== undefined) features.acpi = clone(wanted.preferredAcpi);
  for (const [from, to] of Object.entries(simpleFeatures)) fill(features, to, wanted[from]);
  if (wanted.preferredHyperv === undefined || features.hypervPassthrough?.enabled) return;
  features.hyperv ??= {};
  for (const [key, value] of Object.entries(wanted.preferredHyperv)) fill(features.hyperv, key, value);
}

function applyFirmware(domain: Dict, wanted: Dict | undefined): void {
  if (wanted === undefined) return;
  domain.firmware ??= {};
  domain.firmware.bootloader ??= {};
  const { bootloader } = domain.firmware;
  if (wanted.preferredUseBios && !bootloader.bios && !bootloader.efi) bootloader.bios = {};
  if (bootloader.bios) fill(bootloader.bios, 'useSerial', wanted.preferredUseBiosSerial);
  if (!bootloader.efi && !bootloader.bios && wanted.preferredEfi) {
    bootloader.efi = clone(wanted.preferredEfi);
    return;
  }
  if (wanted.preferredUseEfi && !bootloader.efi && !bootloader.bios) bootloader.efi = {};
  if (bootloader.efi) fill(bootloader.efi, 'secureBoot', wanted.preferredUseSecureBoot);
}

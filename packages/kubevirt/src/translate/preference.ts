import type { Template } from './instancetype.ts';
import { at, isObject, type Json, listAt, objectAt, setAt, textAt } from './manifest.ts';

/**
 * What a preference fills in where the template says nothing: field of the instance, field of the preference (kubevirt
 * v1.9.0, pkg/instancetype/preference/apply). `preferredVirtualGPUOptions` is in the API and applied by nobody.
 */
const fills: readonly (readonly [field: string, preferred: string])[] = [
  ...[
    'autoattachGraphicsDevice',
    'autoattachMemBalloon',
    'autoattachPodInterface',
    'autoattachSerialConsole',
    'autoattachInputDevice',
    'blockMultiQueue',
    'useVirtioTransitional',
    'rng',
  ].map((key) => [`domain.devices.${key}`, `devices.${preferred(key)}`] as const),
  ['domain.devices.networkInterfaceMultiqueue', 'devices.preferredNetworkInterfaceMultiQueue'],
  ['domain.devices.tpm', 'devices.preferredTPM'],
  ['domain.devices.video.type', 'devices.preferredVideoType'],
  ...['apic', 'kvm', 'pvspinlock', 'smm'].map(
    (key) => [`domain.features.${key}`, `features.${preferred(key)}`] as const,
  ),
  ['domain.machine.type', 'machine.preferredMachineType'],
  ['domain.clock.timer', 'clock.preferredTimer'],
  ['domain.launchSecurity', 'preferredLaunchSecurity'],
  ['subdomain', 'preferredSubdomain'],
  ['terminationGracePeriodSeconds', 'preferredTerminationGracePeriodSeconds'],
  ['architecture', 'preferredArchitecture'],
];

/** Two fields are no pointers in KubeVirt: it cannot see that they were said, and puts its preference over them. */
const overrides: typeof fills = [
  ['domain.devices.disableHotplug', 'devices.preferredDisableHotplug'],
  ['domain.features.acpi', 'features.preferredAcpi'],
];

function preferred(key: string): string {
  return `preferred${key.charAt(0).toUpperCase()}${key.slice(1)}`;
}

/** The template with the preferences where it says nothing itself: a preference is never in conflict. */
export function applyPreference(template: Template, preference: Json): Template {
  let vmi = objectAt(template, 'spec');
  const put = (field: string, value: unknown) => {
    if (value !== undefined) vmi = setAt(vmi, field.split('.'), value);
  };
  const fill = (field: string, value: unknown) => {
    const found = at(vmi, ...field.split('.'));
    if (found === undefined || found === '') put(field, value);
  };
  for (const [field, from] of overrides) put(field, at(preference, ...from.split('.')));
  for (const [field, from] of fills) fill(field, at(preference, ...from.split('.')));

  fillHyperv(vmi, objectAt(preference, 'features', 'preferredHyperv'), fill);
  fillFirmware(vmi, objectAt(preference, 'firmware'), fill);
  const clock = objectAt(vmi, 'domain', 'clock');
  if (clock.utc === undefined && clock.timezone === undefined) {
    const offset = objectAt(preference, 'clock', 'preferredClockOffset');
    for (const [key, value] of Object.entries(offset)) put(`domain.clock.${key}`, value);
  }
  const features = listAt(vmi, 'domain', 'cpu', 'features');
  const added = listAt(preference, 'cpu', 'preferredCPUFeatures').filter(
    ({ name }) => !features.some((feature) => feature.name === name),
  );
  if (added.length > 0) put('domain.cpu.features', [...features, ...added]);
  vmi = fillLists(vmi, objectAt(preference, 'devices'));

  const annotations = {
    ...objectAt(preference, 'annotations'),
    ...objectAt(template, 'metadata', 'annotations'),
  };
  return {
    ...template,
    ...(Object.keys(annotations).length > 0
      ? { metadata: { ...objectAt(template, 'metadata'), annotations } }
      : {}),
    spec: vmi,
  };
}

type Fill = (field: string, value: unknown) => void;

function fillHyperv(vmi: Json, wanted: Json, fill: Fill): void {
  if (at(vmi, 'domain', 'features', 'hypervPassthrough', 'enabled') === true) return;
  for (const [key, value] of Object.entries(wanted)) fill(`domain.features.hyperv.${key}`, value);
}

/** `preferredUseEfi` and `preferredUseSecureBoot` are the words before `preferredEfi`. */
function fillFirmware(vmi: Json, wanted: Json, fill: Fill): void {
  const loader = 'domain.firmware.bootloader';
  const { bios, efi } = objectAt(vmi, 'domain', 'firmware', 'bootloader');
  const has = bios !== undefined || efi !== undefined;
  const usesBios = bios !== undefined || (!has && wanted.preferredUseBios === true);
  if (usesBios) {
    const serial = wanted.preferredUseBiosSerial;
    fill(`${loader}.bios`, {});
    if (serial !== undefined) fill(`${loader}.bios.useSerial`, serial);
    return;
  }
  if (!has && wanted.preferredEfi !== undefined) {
    fill(`${loader}.efi`, wanted.preferredEfi);
    return;
  }
  if (!has && wanted.preferredUseEfi === true) fill(`${loader}.efi`, {});
  if (efi !== undefined || (!has && wanted.preferredUseEfi === true)) {
    fill(`${loader}.efi.secureBoot`, wanted.preferredUseSecureBoot);
  }
}

/** Disks, interfaces, inputs, panic devices and the sound card: each of them, where it says nothing. */
function fillLists(vmi: Json, wanted: Json): Json {
  const old = objectAt(vmi, 'domain', 'devices');
  const devices: Record<string, unknown> = { ...old };
  const each = (key: string, change: (item: Json) => Json) => {
    if (Array.isArray(old[key])) devices[key] = listAt(old, key).map(change);
  };
  each('disks', (disk) => fillDisk(disk, wanted));
  each('interfaces', (iface) => fillInterface(iface, vmi, wanted));
  each('inputs', (input) => ({
    ...input,
    ...missing(input, { bus: wanted.preferredInputBus, type: wanted.preferredInputType }),
  }));
  const model = wanted.preferredPanicDeviceModel;
  if (model !== undefined && listAt(old, 'panicDevices').length === 0) devices.panicDevices = [{ model }];
  else each('panicDevices', (device) => ({ ...device, ...missing(device, { model }) }));
  const { sound } = old;
  if (isObject(sound)) devices.sound = { ...sound, ...missing(sound, { model: wanted.preferredSoundModel }) };
  return Object.keys(devices).length > 0 ? setAt(vmi, ['domain', 'devices'], devices) : vmi;
}

/** Of `wishes` what is wished for and not there yet. */
function missing(item: Json, wishes: Json): Json {
  return Object.fromEntries(
    Object.entries(wishes).filter(
      ([key, value]) => value !== undefined && value !== '' && (item[key] === undefined || item[key] === ''),
    ),
  );
}

function fillDisk(item: Json, wanted: Json): Json {
  const kind = ['disk', 'cdrom', 'lun'].find((key) => item[key] !== undefined) ?? 'disk';
  const bus = { disk: wanted.preferredDiskBus, cdrom: wanted.preferredCdromBus, lun: wanted.preferredLunBus }[
    kind
  ];
  const target = objectAt(item, kind);
  const device = { ...target, ...missing(target, { bus }) };
  if (kind !== 'disk') return { ...item, [kind]: device };
  const own = missing(item, {
    blockSize: wanted.preferredDiskBlockSize,
    cache: wanted.preferredDiskCache,
    io: wanted.preferredDiskIO,
    dedicatedIOThread: textAt(device, 'bus') === 'virtio' ? wanted.preferredDiskDedicatedIoThread : undefined,
  });
  return { ...item, disk: device, ...own };
}

const bindings = ['bridge', 'slirp', 'masquerade', 'sriov', 'macvtap', 'passt', 'passtBinding', 'binding'];

function fillInterface(item: Json, vmi: Json, wanted: Json): Json {
  const onPodNetwork = listAt(vmi, 'networks').some(
    ({ name, pod }) => name === item.name && pod !== undefined,
  );
  const isBound = bindings.some((key) => item[key] !== undefined);
  const masquerade = !isBound && onPodNetwork ? wanted.preferredInterfaceMasquerade : undefined;
  return { ...item, ...missing(item, { model: wanted.preferredInterfaceModel, masquerade }) };
}

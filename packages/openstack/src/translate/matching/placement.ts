import { isPlacementName, normalClass, normalTraits } from '../names.ts';
import { type NovaRelease, since } from '../releases.ts';
import { type DeviceSpec, decidingSpec, type NovaPciDevice } from './device-spec.ts';
import { type Outcome, outcome, raise, str } from './python.ts';

/** A resource provider that nova-compute reports for PCI devices. */
export interface PciProvider {
  /** `gpu01_0000:41:00.0`: functions of a card are counted on their PF. */
  readonly name: string;
  readonly resourceClass: string;
  readonly traits: readonly string[];
  readonly total: number;
  /** Placement takes the class and all traits; else its answer is 400 and the host reports nothing. */
  readonly accepted: boolean;
}

/** What `report_in_placement` makes of a host's devices (nova/compute/pci_placement_translator.py, Nova 32.0.0). */
export function placementProviders(
  host: string,
  devices: readonly NovaPciDevice[],
  specs: readonly DeviceSpec[],
  release: NovaRelease,
): Outcome<readonly PciProvider[]> {
  return outcome(() => {
    const cards = new Map<
      string,
      { device: NovaPciDevice; resourceClass: string; traits: readonly string[]; total: number }
    >();
    for (const device of devices) {
      const spec = decidingSpec(specs, device);
      if (spec === undefined) continue;
      if (spec.devname !== undefined) devnameUnsupported();
      if (spec.tags.physical_network) continue;
      once(device, spec);
      const own =
        device.vendor_id && device.product_id ? `CUSTOM_PCI_${device.vendor_id}_${device.product_id}` : '';
      const given = spec.tags.resource_class;
      const resourceClass = given === undefined ? own.toUpperCase() : normalClass(str(given));
      const traits = normalTraits(spec.tags.traits === undefined ? '' : str(spec.tags.traits));
      const parent = device.dev_type === 'type-VF' ? (device.parent_addr ?? device.address) : device.address;
      const known = cards.get(parent);
      if (known === undefined) cards.set(parent, { device, resourceClass, traits, total: 1 });
      else {
        sameCard(known, device, resourceClass, traits);
        cards.set(parent, { ...known, total: known.total + 1 });
      }
    }
    return [...cards].map(([address, { resourceClass, traits, total }]) => ({
      name: `${host}_${address.toUpperCase()}`,
      resourceClass,
      traits: [
        'COMPUTE_MANAGED_PCI_DEVICE',
        ...(release.nova >= 34 ? ['OWNER_NOVA'] : []),
        ...(since(release, 'oneTimeUse') && isOnce(specs, devices, address) ? ['HW_PCI_ONE_TIME_USE'] : []),
        ...traits,
      ].sort(),
      total,
      accepted: [resourceClass, ...traits].every(isPlacementName),
    }));
  });
}

function isOnce(specs: readonly DeviceSpec[], devices: readonly NovaPciDevice[], address: string): boolean {
  const device = devices.find((one) => one.address === address);
  return device !== undefined && decidingSpec(specs, device)?.tags.one_time_use === 'true';
}

function once(device: NovaPciDevice, { tags }: DeviceSpec): void {
  if (tags.one_time_use === undefined || device.dev_type !== 'type-VF') return;
  raise(
    'PlacementPciException',
    `Only type-PCI and type-PF devices may set one_time_use and ${device.address} does not qualify`,
  );
}

/** One card is one provider: PF or VFs, and of those one class and one set of traits. */
function sameCard(
  known: {
    readonly device: NovaPciDevice;
    readonly resourceClass: string;
    readonly traits: readonly string[];
  },
  device: NovaPciDevice,
  resourceClass: string,
  traits: readonly string[],
): void {
  if (known.device.dev_type !== device.dev_type) {
    const [vf, pf] = device.dev_type === 'type-VF' ? [device, known.device] : [known.device, device];
    raise(
      'PlacementPciDependentDeviceException',
      `Configuring both ${vf.address} and ${pf.address} in [pci]device_spec is not supported. Either the parent PF or its children VFs can be configured.`,
    );
  }
  if (known.resourceClass !== resourceClass) {
    raise(
      'PlacementPciMixedResourceClassException',
      `VFs from the same PF cannot be configured with different 'resource_class' values in [pci]device_spec. We got ${resourceClass} for ${device.address} and ${known.resourceClass} for ${known.device.address}.`,
    );
  }
  if (known.traits.join() !== traits.join()) {
    raise(
      'PlacementPciMixedTraitsException',
      `VFs from the same PF cannot be configured with different set of 'traits' in [pci]device_spec. We got ${traits.join(',')} for ${device.address} and ${known.traits.join(',')} for ${known.device.address}.`,
    );
  }
}

function devnameUnsupported(): never {
  return raise(
    'PlacementPciException',
    "PCI Placement reporting does not support 'devname' based device specification",
  );
}

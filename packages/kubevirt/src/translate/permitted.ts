import { type Json, listAt, type Manifest, textAt } from './manifest.ts';
import { kubevirtVgpuName } from './names.ts';

/** One entry of the allow-list, in the words of a KubeVirt CR. */
export interface PermittedDevice {
  readonly list: 'pciHostDevices' | 'mediatedDevices';
  /** `10DE:2236`, or the name of a mediated type: `NVIDIA A10-24Q`. */
  readonly selector: string;
  readonly resourceName: string;
  readonly external: boolean;
}

/** Where a KubeVirt or HyperConverged object keeps the settings that concern GPUs. */
export function settingsPath(object: {
  readonly kind?: string;
  readonly apiVersion?: string;
}): readonly string[] {
  if (object.kind !== 'HyperConverged') return ['spec', 'configuration'];
  return object.apiVersion?.endsWith('/v1') ? ['spec', 'virtualization'] : ['spec'];
}

/** The field that selects an entry: HyperConverged says `pciDeviceSelector` where KubeVirt says `pciVendorSelector`. */
export function selectorKey(list: PermittedDevice['list'], kind: string | undefined): string {
  if (list === 'mediatedDevices') return 'mdevNameSelector';
  return kind === 'HyperConverged' ? 'pciDeviceSelector' : 'pciVendorSelector';
}

/** The allow-list of a KubeVirt or HyperConverged object; entries HyperConverged has disabled are left out. */
export function permittedDevices(object: Manifest | null | undefined): readonly PermittedDevice[] {
  if (!object) return [];
  const entries = (list: PermittedDevice['list']) =>
    listAt(object, ...settingsPath(object), 'permittedHostDevices', list).flatMap((entry) => {
      const selector = textAt(entry, selectorKey(list, object.kind));
      const resourceName = textAt(entry, 'resourceName');
      return selector === undefined || resourceName === undefined || entry.disabled === true
        ? []
        : [{ list, selector, resourceName, external: entry.externalResourceProvider === true }];
    });
  return [...entries('pciHostDevices'), ...entries('mediatedDevices')];
}

/** Equal for entries that mean the same device: ids compare without case, type names with `_` for a blank. */
export function selectorIdentity({ list, selector }: Pick<PermittedDevice, 'list' | 'selector'>): string {
  return `${list}/${list === 'pciHostDevices' ? selector.toLowerCase() : kubevirtVgpuName(selector)}`;
}

/** An entry as the object of this kind spells it. */
export function printPermitted(device: PermittedDevice, kind: string): Json {
  return {
    [selectorKey(device.list, kind)]: device.selector,
    resourceName: device.resourceName,
    ...(device.external ? { externalResourceProvider: true } : {}),
  };
}

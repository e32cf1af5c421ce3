import { type PciId, pciIdParts } from '@vmgpu/core';
import type { AskInput } from './ask.ts';
import { note, type PlanContext, type Setting } from './context.ts';
import type { DeviceType } from './device-type.ts';
import { isPlacementName, normalClass } from './names.ts';
import { osloValues, parseOslo } from './oslo-config.ts';
import { optionNames, since } from './releases.ts';
import type { NovaService } from './snapshot.ts';

/** Tags of a device_spec that an alias repeats or that describe the device. Always spelt as Nova keeps them. */
export interface DeviceTags {
  readonly resource_class?: string;
  readonly traits?: string;
  readonly managed?: string;
  readonly live_migratable?: string;
  readonly one_time_use?: string;
}

/** Tags that a request asks for; those that the release does not know are left out with a diagnostic. */
export function pciTags(
  context: PlanContext,
  { request, options, path }: AskInput,
  resourceClass: string | undefined,
): DeviceTags {
  const at = `spec.providerOptions.openstack.gpus.${request.name}`;
  const { placement, release } = context;
  const traits = options.traits ?? [];
  for (const name of [...traits, ...(resourceClass === undefined ? [] : [resourceClass])]) {
    if (isPlacementName(name)) continue;
    note(
      context,
      'blocked',
      'placement-name',
      at,
      `Placement refuses the name ${name}`,
      `Write ${normalClass(name).replace(/[^A-Z0-9_]/g, '_')}: upper case, digits and "_" only.`,
    );
  }
  if (!placement && (traits.length > 0 || options.resourceClass !== undefined)) {
    note(
      context,
      'unsupported',
      'class-needs-placement',
      path,
      'resource classes and traits of PCI devices need PCI in Placement (27.0.0, 2023.1 and later)',
    );
  }
  const unknownTag = (tag: string, feature: 'managedTag' | 'oneTimeUse') => {
    if (since(release, feature)) return false;
    note(context, 'unsupported', 'tag-too-new', `${at}.${tag}`, `Nova ${release.nova} does not know ${tag}`);
    return true;
  };
  const live = options.liveMigratable !== undefined && !unknownTag('liveMigratable', 'managedTag');
  const once = options.oneTimeUse !== undefined && !unknownTag('oneTimeUse', 'oneTimeUse');
  return {
    ...(placement && resourceClass !== undefined ? { resource_class: resourceClass } : {}),
    ...(placement && traits.length > 0 ? { traits: traits.join(',') } : {}),
    ...(live ? { live_migratable: options.liveMigratable ? 'yes' : 'no' } : {}),
    ...(once ? { one_time_use: options.oneTimeUse ? 'yes' : 'no' } : {}),
  };
}

/** Offers devices on compute hosts, on one host when it is named. */
export function addDeviceSpec(
  context: PlanContext,
  spec: Readonly<Record<string, string>>,
  host?: string,
): void {
  addSetting(
    context,
    'nova-compute',
    'pci',
    optionNames(context.release).deviceSpec,
    JSON.stringify(spec),
    host,
  );
  if (context.placement) addSetting(context, 'nova-compute', 'pci', 'report_in_placement', 'true');
}

/** Defines an alias where it is read: nova-api, and nova-compute for resize and, from 32.0.0, its check at start. */
export function addAlias(
  context: PlanContext,
  alias: {
    readonly name: string;
    readonly ids: readonly PciId[];
    readonly type: DeviceType;
    readonly tags: DeviceTags;
  },
): void {
  const { name, ids, type, tags } = alias;
  const numa = context.intent.spec.numa?.gpuAffinity;
  const policy =
    since(context.release, 'flavorNumaPolicy') || numa === undefined || numa === 'none'
      ? {}
      : { numa_policy: numa };
  const { resource_class, traits, live_migratable } = tags;
  const end = {
    device_type: type,
    ...policy,
    ...(resource_class === undefined ? {} : { resource_class }),
    ...(traits === undefined ? {} : { traits }),
    ...(live_migratable === undefined ? {} : { live_migratable }),
  };
  // With a class of its own the alias needs no ids, and one alias then means several products.
  const lines = resource_class === undefined ? ids.map((id) => ({ ...idFields(id), ...end })) : [end];
  const texts = lines.map((line) => JSON.stringify({ name, ...line }));
  const others = context.settings.filter(
    ({ key, value }) => key === 'alias' && JSON.parse(value).name === name && !texts.includes(value),
  );
  if (others.length > 0) {
    note(
      context,
      'blocked',
      'alias-conflict',
      'spec.gpus',
      `two requests give the alias ${name} different meanings`,
      'Name them apart with device.name or providerOptions.openstack.gpus.*.alias.',
    );
  }
  for (const text of texts) {
    for (const service of ['nova-compute', 'nova-api'] as const)
      addSetting(context, service, 'pci', 'alias', text);
  }
  if (!context.placement) return;
  const readers: NovaService[] = ['nova-api', 'nova-scheduler', 'nova-conductor'];
  // Without the option nova-compute would refuse an alias that has no ids when it starts (32.0.0).
  if (since(context.release, 'aliasCheckedAtStart')) readers.push('nova-compute');
  for (const service of readers) addSetting(context, service, 'filter_scheduler', 'pci_in_placement', 'true');
}

export function addSetting(
  context: PlanContext,
  service: NovaService,
  section: string,
  key: string,
  value: string,
  host?: string,
): void {
  const setting: Setting = { service, section, key, value, ...(host === undefined ? {} : { host }) };
  const same = context.settings.some(
    (other) =>
      other.service === service &&
      other.section === section &&
      other.key === key &&
      other.value === value &&
      other.host === host,
  );
  if (!same) context.settings.push(setting);
}

/** Whether the configuration that is in the snapshot defines an alias; undefined when nova-api's is not known. */
export function aliasExists({ snapshot }: PlanContext, name: string): boolean | undefined {
  const texts = (snapshot.config ?? []).filter(({ service }) => service === 'nova-api');
  if (texts.length === 0) return undefined;
  return texts.some(({ text }) =>
    osloValues(parseOslo(text), 'pci', 'alias').some((value) => {
      try {
        return (JSON.parse(value) as { name?: unknown }).name === name;
      } catch {
        return false;
      }
    }),
  );
}

export function idFields(id: PciId): { readonly vendor_id: string; readonly product_id: string } {
  const { vendor, device } = pciIdParts(id);
  return { vendor_id: vendor, product_id: device };
}

import { comparePciAddresses, type PciAddress, printPciAddress, type VgpuRequest } from '@vmgpu/core';
import { type Ask, type AskInput, askInputs } from './ask.ts';
import { note, type PlanContext } from './context.ts';
import { classOfProfile } from './names.ts';
import { addSetting } from './pci-settings.ts';
import { optionNames, since } from './releases.ts';

/** A GPU that can make the wanted mediated-device type; without host when none was read. */
export interface MdevCard {
  readonly host?: string;
  /** `nvidia-558` */
  readonly typeId: string;
  /** Functions the devices are made on. */
  readonly addresses: readonly PciAddress[];
  readonly onVf: boolean;
  /** Most instances on one GPU. */
  readonly most?: number | undefined;
}

/**
 * `[devices]` and `[mdev_<type>]` for nova-compute, and `resources:` for the flavor. One type in all needs no addresses;
 * several, or a class of its own, do: Nova drops `mdev_class` of a type without `device_addresses` without a word.
 */
export function mdevAsk(context: PlanContext, input: AskInput, cards: readonly MdevCard[]): Ask {
  const { request, path, count, options } = input;
  const { profile } = request as VgpuRequest;
  const { release } = context;
  const traits = options.traits ?? [];
  const profiles = new Set(
    askInputs(context).flatMap((other) => (other.request.mode === 'vgpu' ? other.request.profile : [])),
  );
  const own = options.resourceClass !== undefined || profiles.size > 1;
  const name = own ? (options.resourceClass ?? classOfProfile(profile)) : 'VGPU';
  const ask: Ask = { kind: 'class', name, count, traits };
  if (own && name !== 'VGPU' && !since(release, 'mdevClass')) {
    note(
      context,
      'blocked',
      'mdev-class-too-new',
      path,
      `several vGPU types need a resource class each, and Nova ${release.nova} knows only VGPU`,
      'Use one profile, or traits set on the resource providers, or upgrade to 24.0.0 (Xena).',
    );
  }
  if (cards.length === 0) return ask;
  if (own && cards.some(({ addresses }) => addresses.length === 0)) {
    note(
      context,
      'blocked',
      'mdev-class-needs-addresses',
      path,
      `the class ${name} takes effect only for listed addresses, and the hosts’ cards are not known`,
      'Plan with captures of the vGPU hosts.',
    );
    return ask;
  }
  for (const card of cards) addType(context, card, own ? name : undefined, input);
  if (!own) addCaps(context, cards);
  for (const card of cards) addProviderTraits(context, card, traits);
  if (options.liveMigratable) addLiveMigration(context, input);
  return ask;
}

function addType(
  context: PlanContext,
  card: MdevCard,
  resourceClass: string | undefined,
  { path }: AskInput,
): void {
  const { host, typeId, onVf, most } = card;
  const { release } = context;
  const { mdevTypes, mdevGroup } = optionNames(release);
  addSetting(context, 'nova-compute', 'devices', mdevTypes, typeId, host);
  const group = `${mdevGroup}${typeId}`;
  const capped = since(release, 'maxInstances') && resourceClass === undefined;
  if (onVf && capped) return;
  if (resourceClass === undefined && !onVf) return;
  if (!since(release, 'severalVgpuTypes')) return;
  const others = context.settings.filter(
    (setting) =>
      setting.key === 'device_addresses' &&
      setting.section !== group &&
      setting.host === host &&
      resourceClass !== undefined,
  );
  const addresses = [...card.addresses].sort(comparePciAddresses).slice(0, onVf ? most : undefined);
  for (const address of addresses) {
    if (others.some(({ value }) => value === address)) {
      note(
        context,
        'blocked',
        'vgpu-types-overlap',
        path,
        `${address} on ${host} is asked to make two types, and a function makes one (InvalidLibvirtMdevConfig)`,
        'Say with device which card makes which profile.',
      );
      continue;
    }
    addSetting(context, 'nova-compute', group, 'device_addresses', address, host);
  }
  if (resourceClass !== undefined && since(release, 'mdevClass')) {
    addSetting(context, 'nova-compute', group, 'mdev_class', resourceClass, host);
  }
}

/** Every virtual function offers a device, more than the GPU makes: the host's sum is capped (29.0.0 and later). */
function addCaps(context: PlanContext, cards: readonly MdevCard[]): void {
  if (!since(context.release, 'maxInstances')) return;
  const caps = new Map<string, { readonly card: MdevCard; readonly most: number }>();
  for (const card of cards.filter(({ onVf, most }) => onVf && most !== undefined)) {
    const key = `${card.host} ${card.typeId}`;
    caps.set(key, { card, most: (caps.get(key)?.most ?? 0) + (card.most ?? 0) });
  }
  for (const { card, most } of caps.values()) {
    const group = `${optionNames(context.release).mdevGroup}${card.typeId}`;
    addSetting(context, 'nova-compute', group, 'max_instances', String(most), card.host);
  }
}

/** Traits on the providers of mediated devices, in a file that survives restarts (provider.yaml, 22.0.0). */
function addProviderTraits(
  context: PlanContext,
  { host, addresses }: MdevCard,
  traits: readonly string[],
): void {
  if (traits.length === 0 || host === undefined || !since(context.release, 'providerYaml')) return;
  for (const address of addresses) {
    const provider = `${host}_${printPciAddress(address, 'libvirt')}`;
    for (const trait of traits) addSetting(context, 'nova-compute', 'provider.yaml', provider, trait, host);
  }
}

/** What NVIDIA's vGPUs need to move while they run (29.0.0; Nova's documentation of vGPU live migration). */
function addLiveMigration(context: PlanContext, { path }: AskInput): void {
  if (!since(context.release, 'vgpuLiveMigration')) {
    note(
      context,
      'unsupported',
      'vgpu-live-migration',
      path,
      'vGPUs move with a running server from 29.0.0 on',
    );
    return;
  }
  const options = {
    live_migration_permit_post_copy: 'false',
    live_migration_downtime: '500000',
    live_migration_downtime_steps: '3',
    live_migration_downtime_delay: '3',
  };
  for (const [key, value] of Object.entries(options))
    addSetting(context, 'nova-compute', 'libvirt', key, value);
}

import {
  baseId,
  comparePciAddresses,
  type GpuDevice,
  knownValue,
  type PciAddress,
  type VgpuRequest,
} from '@vmgpu/core';
import type { Ask, AskInput } from './ask.ts';
import { allGpus, note, type PlanContext } from './context.ts';
import { classOfProfile, slug } from './names.ts';
import { addAlias, addDeviceSpec, addSetting, idFields, pciTags } from './pci-settings.ts';
import { since } from './releases.ts';
import type { VgpuCard } from './vgpu.ts';

/**
 * vGPUs that are virtual functions without mdev (VFIO variant drivers, Nova 31.0.0 and later). The functions are listed
 * one by one: by ids alone, functions without a type would be offered too. All functions of one card carry one class.
 */
export function vfAsk(context: PlanContext, input: AskInput, cards: readonly VgpuCard[]): Ask {
  const { request, path, count, options } = input;
  const { profile } = request as VgpuRequest;
  const vendor = cards.some(({ gpu }) => knownValue(gpu.vgpuFramework) === 'vendor-vfio');
  const name = options.alias ?? slug(`vgpu-${profile}`);
  if (vendor && !since(context.release, 'managedTag')) {
    note(
      context,
      'blocked',
      'variant-driver-too-new',
      path,
      `these hosts make vGPUs on virtual functions of a VFIO variant driver, which Nova ${context.release.nova} cannot leave alone`,
      'Upgrade to 31.0.0 (2025.1), or use a kernel and driver that offer mediated devices.',
    );
  }
  const resourceClass = options.resourceClass ?? (context.placement ? classOfProfile(profile) : undefined);
  const tags = pciTags(context, input, resourceClass);
  const ids = new Set<ReturnType<typeof baseId>>();
  for (const { host, function: vf } of functionsOf(context, cards)) {
    ids.add(baseId(vf.id));
    const mixed = context.settings.find(
      (setting) =>
        setting.host === host &&
        setting.key === 'device_spec' &&
        sameCard(context, host, setting.value, vf, resourceClass),
    );
    if (mixed !== undefined) {
      note(
        context,
        'blocked',
        'class-per-card',
        path,
        `${vf.physicalFunction ?? vf.address} on ${host} is asked to make two profiles, and Nova takes one resource class for a card`,
        'Say with device which card makes which profile.',
      );
      break;
    }
    const managed = vendor ? { managed: 'no' } : {};
    addDeviceSpec(context, { ...idFields(baseId(vf.id)), address: vf.address, ...managed, ...tags }, host);
    context.requirements.push({
      kind: 'vgpu-profile',
      profile,
      count: 1,
      host,
      device: { id: vf.id, address: vf.address },
      mode: 'vm-vgpu',
      path,
      why: 'the virtual function must have its vGPU type before nova-compute starts, and after every boot',
    });
  }
  addAlias(context, { name, ids: [...ids], type: 'type-VF', tags });
  if (options.liveMigratable) {
    addSetting(context, 'nova-compute', 'libvirt', 'live_migration_permit_post_copy', 'false');
  }
  return { kind: 'alias', name, count };
}

interface FunctionOfHost {
  readonly host: string;
  readonly function: GpuDevice;
}

/** The virtual functions to offer: as many of each card as it makes instances of the type, lowest addresses first. */
function functionsOf(context: PlanContext, cards: readonly VgpuCard[]): readonly FunctionOfHost[] {
  const perCard = new Map<string, { card: VgpuCard; functions: GpuDevice[] }>();
  for (const card of cards) {
    const parent = card.gpu.physicalFunction ?? card.gpu.address;
    const entry = perCard.get(`${card.host} ${parent}`) ?? { card, functions: [] };
    perCard.set(`${card.host} ${parent}`, entry);
    if (card.gpu.role === 'virtual') entry.functions.push(card.gpu);
    else
      for (const address of card.gpu.virtualFunctions)
        entry.functions.push(virtualFunction(context, card, address));
  }
  return [...perCard.values()].flatMap(({ card, functions }) => {
    const unique = new Map(functions.map((gpu) => [gpu.address, gpu]));
    const sorted = [...unique.values()].sort((a, b) => comparePciAddresses(a.address, b.address));
    return sorted.slice(0, card.type.maxInstances).map((gpu) => ({ host: card.host, function: gpu }));
  });
}

function virtualFunction(context: PlanContext, { host, gpu }: VgpuCard, address: PciAddress): GpuDevice {
  const seen = allGpus(context).find((other) => other.host === host && other.gpu.address === address);
  return (
    seen?.gpu ?? { ...gpu, address, role: 'virtual', physicalFunction: gpu.address, virtualFunctions: [] }
  );
}

function sameCard(
  context: PlanContext,
  host: string,
  text: string,
  vf: GpuDevice,
  resourceClass: string | undefined,
): boolean {
  const spec = JSON.parse(text) as { address?: string; resource_class?: string };
  if (spec.address === undefined || spec.resource_class === resourceClass) return false;
  const other = allGpus(context).find(({ host: at, gpu }) => at === host && gpu.address === spec.address);
  return (other?.gpu.physicalFunction ?? other?.gpu.address) === (vf.physicalFunction ?? vf.address);
}

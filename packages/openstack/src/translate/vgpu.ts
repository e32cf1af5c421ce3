import {
  baseId,
  type GpuDevice,
  isHostTypeId,
  isUnknown,
  knownValue,
  nearest,
  type OfferedVgpuType,
  tryParseVgpuProfile,
  type VgpuRequest,
} from '@vmgpu/core';
import { type Ask, type AskInput, isClassName, selects } from './ask.ts';
import { allGpus, note, type PlanContext } from './context.ts';
import { type MdevCard, mdevAsk } from './mdev.ts';
import { aliasExists } from './pci-settings.ts';
import { vfAsk } from './vf.ts';

/** A GPU function of a host that can make the wanted type. */
export interface VgpuCard {
  readonly host: string;
  readonly gpu: GpuDevice;
  readonly type: OfferedVgpuType;
}

/** A share of a GPU: as mediated device (`resources:VGPU`), or as typed virtual function (alias), as the hosts make it. */
export function askVgpu(context: PlanContext, input: AskInput): readonly Ask[] {
  const request = input.request as VgpuRequest;
  const { path, count } = input;
  const { device, profile } = request;
  if (request.display) {
    note(context, 'unsupported', 'vgpu-display', `${path}.display`, 'Nova gives vGPUs no display');
  }
  const named = device?.name;
  if (named !== undefined && device?.id === undefined && device?.board === undefined && !device?.address) {
    if (isClassName(named))
      return [{ kind: 'class', name: named, count, traits: input.options.traits ?? [] }];
    if (aliasExists(context, named) === false) {
      note(context, 'blocked', 'alias-unknown', `${path}.device.name`, `no [pci] alias is called ${named}`);
    }
    return [{ kind: 'alias', name: named, count }];
  }

  const cards = allGpus(context).flatMap(({ host, gpu }) => {
    const type = selects(context, device, gpu)
      ? gpu.vgpuTypes.find((offered) => isType(offered, profile))
      : undefined;
    return type === undefined ? [] : [{ host, gpu, type }];
  });
  requireProfile(context, input, cards);
  const frameworks = [...new Set(cards.map(({ gpu }) => (onVirtualFunctions(gpu) ? 'vf' : 'mdev')))];
  if (frameworks.length > 1) {
    note(
      context,
      'blocked',
      'vgpu-frameworks-mixed',
      path,
      `some hosts make ${profile} as mediated device and others as virtual function, and a flavor can ask for one of them`,
      'Name the cards with device, or use one request (and flavor) for each kind of host.',
    );
  }
  if (frameworks[0] === 'vf')
    return [
      vfAsk(
        context,
        input,
        cards.filter(({ gpu }) => onVirtualFunctions(gpu)),
      ),
    ];
  const mdevCards = cardsOf(cards.filter(({ gpu }) => !onVirtualFunctions(gpu)));
  return [mdevAsk(context, input, mdevCards.length > 0 ? mdevCards : unseenCards(context, input))];
}

function isType(offered: OfferedVgpuType, profile: string): boolean {
  if (offered.typeId === profile || offered.name === profile) return true;
  const short = tryParseVgpuProfile(profile)?.short;
  return (
    short !== undefined && offered.name !== undefined && tryParseVgpuProfile(offered.name)?.short === short
  );
}

function onVirtualFunctions({ vgpuFramework }: GpuDevice): boolean {
  return !isUnknown(vgpuFramework) && (vgpuFramework === 'vendor-vfio' || vgpuFramework === 'sriov-vf');
}

/** One entry for each physical GPU; its devices are made on its virtual functions, when it has some, else on itself. */
function cardsOf(cards: readonly VgpuCard[]): readonly MdevCard[] {
  const byParent = new Map<string, MdevCard>();
  for (const { host, gpu, type } of cards) {
    const key = `${host} ${gpu.physicalFunction ?? gpu.address}`;
    const known = byParent.get(key);
    const own = gpu.virtualFunctions.length > 0 ? gpu.virtualFunctions : [gpu.address];
    byParent.set(key, {
      host,
      typeId: type.typeId,
      addresses: [...new Set([...(known?.addresses ?? []), ...own])],
      onVf: knownValue(gpu.vgpuFramework) === 'mdev-on-vf',
      most: type.maxInstances,
    });
  }
  return [...byParent.values()];
}

/** No host offers the type: its number comes from the request or the catalogue, or is not known. */
function unseenCards(context: PlanContext, { request, path }: AskInput): readonly MdevCard[] {
  const { profile } = request as VgpuRequest;
  const offered = allGpus(context).flatMap(({ gpu }) =>
    gpu.vgpuTypes.map(({ name, typeId }) => name ?? typeId),
  );
  if (context.snapshot.hosts.length > 0) {
    const close = nearest(profile, offered);
    note(
      context,
      'blocked',
      'vgpu-type-not-offered',
      `${path}.profile`,
      `no GPU of the hosts that were read offers ${profile}`,
      close.length > 0
        ? `Did you mean ${close.join(' or ')}?`
        : 'Prepare a host for vGPUs, then read it again.',
    );
    return [];
  }
  if (isHostTypeId(profile)) return [{ typeId: profile, addresses: [], onVf: false }];
  const known = (context.catalog?.profilesByName(profile) ?? []).filter(({ typeId }) => typeId !== undefined);
  const numbers = [...new Set(known.map(({ typeId }) => typeId))];
  const [first] = known;
  if (first !== undefined && numbers.length === 1) {
    note(
      context,
      'approximated',
      'vgpu-type-from-catalog',
      `${path}.profile`,
      `no host was read: ${profile} is nvidia-${first.typeId} in the driver data of the catalogue, and other driver branches number it otherwise`,
      `Check on the host: grep -l ${first.name} /sys/class/mdev_bus/*/mdev_supported_types/*/name`,
    );
    const onVf = first.framework !== 'mdev';
    return [{ typeId: `nvidia-${first.typeId}`, addresses: [], onVf, most: first.maxPerGpu }];
  }
  note(
    context,
    'blocked',
    'vgpu-type-unknown',
    `${path}.profile`,
    `Nova wants the type’s number, and that of ${profile} is not known`,
    'Plan with a capture of a vGPU host, or write the host’s own type id, such as nvidia-592.',
  );
  return [];
}

function requireProfile(
  context: PlanContext,
  { request, path, count }: AskInput,
  cards: readonly VgpuCard[],
): void {
  const { profile, device } = request as VgpuRequest;
  const mode = 'vm-vgpu';
  const [card] = cards;
  const id = device?.id ?? (card === undefined ? undefined : baseId(card.gpu.id));
  const wanted = {
    ...(id === undefined ? {} : { id }),
    ...(device?.address ? { address: device.address } : {}),
  };
  context.requirements.push({
    kind: 'vgpu-profile',
    profile,
    count,
    ...(Object.keys(wanted).length > 0 ? { device: wanted } : {}),
    mode,
    path,
    why: `nova-compute makes ${profile} only where the host’s driver offers it`,
  });
  if (cards.some(({ gpu }) => gpu.role === 'virtual' || knownValue(gpu.vgpuFramework) === 'mdev-on-vf')) {
    context.requirements.push({
      kind: 'virtual-functions',
      device: wanted,
      mode,
      path,
      why: 'this GPU makes vGPUs on virtual functions, which must exist before nova-compute starts',
    });
  }
}

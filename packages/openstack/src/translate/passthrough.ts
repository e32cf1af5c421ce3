import {
  baseId,
  type GpuDevice,
  type PassthroughRequest,
  type PciFunction,
  type PciId,
  parsePciAddress,
  pciIdParts,
} from '@vmgpu/core';
import { type Ask, type AskInput, idsOf, isClassName, selects } from './ask.ts';
import { allGpus, note, type PlanContext } from './context.ts';
import { type DeviceType, deviceTypeOf, hintedDeviceType } from './device-type.ts';
import { slug } from './names.ts';
import { addAlias, addDeviceSpec, aliasExists, idFields, pciTags } from './pci-settings.ts';

/** Whole PCI functions: device_spec and alias for the services, and what the flavor asks for. */
export function askPassthrough(context: PlanContext, input: AskInput): readonly Ask[] {
  const { path, count } = input;
  const request = input.request as PassthroughRequest;
  const { device } = request;
  const named = input.options.alias ?? device.name;
  const onlyNamed = device.id === undefined && device.board === undefined && device.address === undefined;
  if (onlyNamed && device.name !== undefined && isClassName(device.name)) {
    return [{ kind: 'class', name: device.name, count, traits: input.options.traits ?? [] }];
  }
  requireHost(context, input);
  if (named !== undefined && (onlyNamed || aliasExists(context, named) === true)) {
    if (aliasExists(context, named) === false) {
      note(
        context,
        'blocked',
        'alias-unknown',
        `${path}.device.name`,
        `no [pci] alias is called ${named}: Nova would answer "PCI alias ${named} is not defined"`,
        'Add device.id, so that the alias can be made, or name one that exists.',
      );
    }
    return [{ kind: 'alias', name: named, count }];
  }

  const ids = idsOf(context, device, path);
  const found = allGpus(context).filter(({ gpu }) => selects(context, device, gpu));
  const name = named ?? aliasName(input, ids);
  const [host] = device.address === undefined ? [] : found.map((entry) => entry.host);
  if (device.address !== undefined) {
    note(
      context,
      'approximated',
      'address-by-class',
      `${path}.device.address`,
      'a flavor cannot name an address: the device is offered under a name of its own, and Nova finds its host',
    );
  }
  warnOfVirtualFunctions(
    context,
    input,
    found.map(({ gpu }) => gpu),
  );
  const resourceClass =
    input.options.resourceClass ??
    (context.placement && (ids.length > 1 || device.address !== undefined)
      ? `CUSTOM_${slug(name)
          .toUpperCase()
          .replace(/[^A-Z0-9]/g, '_')}`
      : undefined);
  const tags = pciTags(context, input, resourceClass);
  const type = typeOf(
    context,
    input,
    ids,
    found.map(({ gpu }) => gpu),
  );
  for (const id of ids) {
    const address = device.address === undefined ? {} : { address: parsePciAddress(device.address) };
    addDeviceSpec(context, { ...idFields(id), ...address, ...tags }, host);
  }
  addAlias(context, { name, ids, type, tags });
  return [{ kind: 'alias', name, count }, ...askCompanions(context, input, name, found)];
}

function aliasName({ request, options }: AskInput, ids: readonly PciId[]): string {
  const device = request.device ?? {};
  const base = device.address ?? device.board ?? ids[0] ?? request.name;
  const own = options.resourceClass ?? options.traits ?? options.liveMigratable ?? options.oneTimeUse;
  return slug(`gpu-${base.replace(/[:.]/g, '-')}${own === undefined ? '' : `-${request.name}`}`);
}

/** type-PF, type-PCI or type-VF: what the hosts say, else the table, each with its degree of certainty. */
function typeOf(
  context: PlanContext,
  { options, path }: AskInput,
  ids: readonly PciId[],
  gpus: readonly GpuDevice[],
): DeviceType {
  if (options.deviceType !== undefined) return options.deviceType;
  const facts = [...new Set(gpus.flatMap((gpu) => deviceTypeOf(gpu) ?? []))].filter(
    (type) => type !== 'type-VF',
  );
  const [first, second] = facts.sort();
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined) {
    note(
      context,
      'blocked',
      'device-type-mixed',
      `${path}.device`,
      `the hosts have these devices as ${facts.join(' and ')}, and one alias cannot mean both`,
      `Set providerOptions.openstack.gpus.*.deviceType, or use one request (and flavor) for each kind.`,
    );
    return first;
  }
  const hint = ids.map((id) => hintedDeviceType(id)).find((type) => type !== undefined);
  note(
    context,
    'approximated',
    'device-type-guessed',
    `${path}.device`,
    hint
      ? `no host was read: ${ids.join(', ')} is taken to be ${hint}, as other clouds have it`
      : `no host was read, and ${ids.join(', ')} is in no table: it is taken to have no SR-IOV capability (type-PCI)`,
    'Plan with a capture of a host that has it: sriov_totalvfs decides, and a wrong type never gets a host.',
  );
  return hint ?? 'type-PCI';
}

/** With VFs enabled, a device_spec by ids or by the PF's address offers PF and VFs; Placement refuses both together. */
function warnOfVirtualFunctions(context: PlanContext, { path }: AskInput, gpus: readonly GpuDevice[]): void {
  const parents = gpus.filter((gpu) => gpu.role === 'physical' && gpu.virtualFunctions.length > 0);
  if (parents.length === 0) return;
  note(
    context,
    context.placement ? 'blocked' : 'approximated',
    'virtual-functions-enabled',
    `${path}.device`,
    `${parents.map(({ address }) => address).join(', ')} has virtual functions: Nova would offer them together with the card, ` +
      (context.placement ? 'and nova-compute refuses that with Placement' : 'and both could be handed out'),
    'Switch the virtual functions off (write 0 to sriov_numvfs) on hosts that pass the whole card through.',
  );
}

function requireHost(context: PlanContext, { request, path }: AskInput): void {
  const device = request.device ?? {};
  const mode = 'vm-passthrough';
  const wanted = {
    ...(device.id === undefined ? {} : { id: device.id }),
    ...(device.address === undefined ? {} : { address: parsePciAddress(device.address) }),
    companions: 'include' as const,
  };
  context.requirements.push(
    { kind: 'iommu', mode, path, why: 'a PCI device can be handed to a guest only behind an IOMMU' },
    {
      kind: 'driver',
      driver: 'vfio-pci',
      device: wanted,
      mode,
      path,
      why: 'every function of the card’s IOMMU group must be on vfio-pci or on no driver before the server starts',
    },
  );
}

/**
 * Nova does not tie the functions of one card together (its "PCI groups" specification was never implemented), so
 * companions are asked for only where the right ones are certain.
 */
function askCompanions(
  context: PlanContext,
  { request, path, count }: AskInput,
  alias: string,
  found: readonly { readonly host: string; readonly gpu: GpuDevice }[],
): readonly Ask[] {
  if ((request as PassthroughRequest).companions !== 'include') return [];
  const where = `${path}.companions`;
  if (found.length === 0) {
    note(
      context,
      'lossy',
      'companions-unknown',
      where,
      'no host was read, so the card’s other functions are not known and stay on the host',
      'Plan with a capture of a host that has the card.',
    );
    return [];
  }
  const hosts = [...new Set(found.map(({ host }) => host))];
  const takesAll = hosts.every((host) => found.filter((entry) => entry.host === host).length <= count);
  if (!takesAll) {
    note(
      context,
      'blocked',
      'companions-mixed',
      where,
      'a host has more of these cards than the server takes, and Nova may hand out the audio function of another card',
      'Exclude the companions, or ask for as many cards as a host has.',
    );
    return [];
  }
  const companions = new Map<PciId, PciFunction>();
  for (const { gpu } of found) for (const item of gpu.companions) companions.set(baseId(item.id), item);
  return [...companions.keys()].sort().map((id) => {
    const name = `${alias}-${pciIdParts(id).device}`;
    addDeviceSpec(context, idFields(id));
    addAlias(context, { name, ids: [id], type: 'type-PCI', tags: {} });
    return { kind: 'alias', name, count };
  });
}

/** Which functions of a node can become a wanted GPU. */
import {
  type GpuRequest,
  type GpuSelector,
  matchesPciId,
  type PciId,
  tryParsePciAddress,
  tryParsePciId,
} from '@vmgpu/core';
import type { GpuContext } from './gpu-devices.ts';
import {
  describeItem,
  functionsAt,
  groupNeighbours,
  isGpuItem,
  itemId,
  itemSubsystem,
  type PciItem,
  type ProxmoxNode,
  slotOfItem,
} from './inventory.ts';

export function candidatesOf(
  request: GpuRequest,
  path: string,
  node: ProxmoxNode | undefined,
  context: GpuContext,
  type: string | undefined,
): readonly PciItem[] {
  const selector = request.device ?? {};
  const matches = selectorMatcher(selector, context);
  const matching = (node?.pci ?? []).filter((item) => isGpuItem(item) && matches(item));
  if (request.mode === 'vgpu') {
    return matching.filter((item) => item.mdev && (type === undefined || offers(node, item, type)));
  }
  if (selector.address !== undefined) return matching;
  if (selector.id === undefined && selector.board === undefined) return [];
  const usable = matching.filter(
    (item) => item.virtfns === undefined && !(item.physfn !== undefined && item.nvidia),
  );
  if (usable.length === 0 && matching.length > 0) {
    context.report.add(
      'blocked',
      'sriov-enabled',
      `${path}.device`,
      `${matching.map((item) => item.id).join(', ')} has virtual functions enabled; passing the physical function through would destroy them`,
      'switch the virtual functions off (sriov_numvfs = 0), or ask for a vGPU profile',
    );
  }
  return usable;
}

function offers(node: ProxmoxNode | undefined, item: PciItem, type: string): boolean {
  const types = node?.mdevTypes?.[item.id];
  return types === undefined || types.some((offered) => offered.type === type);
}

function selectorMatcher(selector: GpuSelector, { catalog }: GpuContext): (item: PciItem) => boolean {
  const wanted = selector.id === undefined ? undefined : tryParsePciId(selector.id);
  const boards = selector.board === undefined ? undefined : (catalog?.boardsByName(selector.board) ?? []);
  const ids = boards?.flatMap((board) => board.ids);
  const address = selector.address === undefined ? undefined : tryParsePciAddress(selector.address);
  return (item) => {
    const subsystem = itemSubsystem(item);
    const actual = (subsystem === undefined ? itemId(item) : `${itemId(item)}:${subsystem}`) as PciId;
    return (
      (wanted === undefined || matchesPciId(wanted, actual)) &&
      (selector.address === undefined || address === item.id) &&
      (ids === undefined || ids.some((id) => matchesPciId(id, actual)))
    );
  };
}

export function checkGroups(
  candidates: readonly PciItem[],
  path: string,
  { node, native, report }: GpuContext,
): void {
  for (const gpu of candidates) {
    if (gpu.iommugroup < 0) {
      report.add(
        'blocked',
        'iommu-off',
        path,
        `${describeItem(gpu)} is in no IOMMU group: the IOMMU of ${node?.name} is off`,
        `prepare the host: vmgpu prepare --mode vm-passthrough`,
      );
    }
    const neighbours = gpu.mdev ? [] : groupNeighbours(node?.pci ?? [], gpu);
    if (neighbours.length === 0 || native.acceptIommuGroup) continue;
    report.add(
      'blocked',
      'iommu-group-shared',
      path,
      `${gpu.id} shares IOMMU group ${gpu.iommugroup} with ${neighbours.map(describeItem).join(', ')}; Proxmox VE takes the whole group from the node when the VM starts`,
      'put the card into another slot, or set providerOptions.proxmox.acceptIommuGroup: true when the node can spare them',
    );
  }
}

/** `0000:26:00` when the whole card goes into the guest, else the function. */
export function devicePath(request: GpuRequest, items: readonly PciItem[], gpu: PciItem): string {
  if (request.mode === 'vgpu' || request.companions === 'exclude') return gpu.id;
  const whole = functionsAt(items, slotOfItem(gpu));
  const alone =
    whole.length === 1 ||
    gpu.physfn !== undefined ||
    whole.some((item) => item.physfn !== undefined || item.virtfns);
  return alone ? gpu.id : slotOfItem(gpu);
}

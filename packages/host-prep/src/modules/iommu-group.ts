import { companionKind, type GpuDevice, isUnknown, type PciFunction } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { deviceCheck, fault, pass, passthrough, seen, skip, some, unclear, warn } from './check.ts';
import { driverSource, driverText, isReleased, takesWholeSlot } from './drivers-in-use.ts';

/** Members of the GPU's group that are not the GPU, not bridges: its own functions and its neighbours. */
export function groupMembers(gpu: GpuDevice): readonly PciFunction[] {
  const own = gpu.companions.filter(({ iommuGroup }) => iommuGroup === gpu.iommuGroup);
  // Bridges (class 0604) may keep their drivers: the kernel does not count them (drivers/vfio, group viability).
  return [...own, ...gpu.groupNeighbours].filter((member) => !member.class.startsWith('0604'));
}

/** `0000:65:00.1 (audio, snd_hda_intel)` */
export function describe(member: PciFunction): string {
  return `${member.address} (${companionKind(member.class)}, driver ${driverText(member)})`;
}

const noGroup = 'Without a group there is nothing to judge; see H11.';

const viability = deviceCheck(
  'H12',
  'IOMMU group can be given away',
  'blocker',
  passthrough,
  (_facts, subject, gpu) => {
    if (isUnknown(gpu.iommuGroup)) return unclear('the IOMMU group', gpu.iommuGroup);
    if (gpu.iommuGroup === null) return skip(noGroup);
    const held = groupMembers(gpu).filter((member) => isReleased(member.driver) === false);
    const unread = groupMembers(gpu).find((member) => isUnknown(member.driver));
    if (held.length === 0) {
      if (unread && isUnknown(unread.driver)) return unclear(driverSource(unread.address), unread.driver);
      return pass(
        'Everything else in the group is a bridge, without driver, or released.',
        seen(
          `/sys/kernel/iommu_groups/${gpu.iommuGroup}`,
          some(groupMembers(gpu).map(describe)) || 'the GPU alone',
        ),
      );
    }
    const foreign = held.filter((member) => gpu.groupNeighbours.includes(member));
    const judgement = [
      `The kernel hands out whole IOMMU groups. Group ${gpu.iommuGroup} also holds ${some(held.map(describe))}, in use by the host: "group ${gpu.iommuGroup} is not viable".`,
      held.map((member) => seen(driverSource(member.address), driverText(member))),
      foreign.length === 0
        ? "Bind the card's other functions to vfio-pci as well."
        : 'Move the card to a slot with a group of its own, or agree to take these devices from the host as well.',
      foreign.length === 0,
    ] as const;
    return foreign.length === 0 && takesWholeSlot(subject) ? warn(...judgement) : fault(...judgement);
  },
);

/** Classes a host usually cannot do without: storage, network, USB. */
const vital = /^(01|02|0c03)/;

const isolation = deviceCheck(
  'H13',
  'IOMMU group of its own',
  'warning',
  passthrough,
  (_facts, _subject, gpu) => {
    if (isUnknown(gpu.iommuGroup)) return unclear('the IOMMU group', gpu.iommuGroup);
    if (gpu.iommuGroup === null) return skip(noGroup);
    const others = gpu.groupNeighbours.filter((member) => !member.class.startsWith('0604'));
    const source = `/sys/kernel/iommu_groups/${gpu.iommuGroup}/devices`;
    if (others.length === 0)
      return pass('The group holds nothing but the card and bridges.', seen(source, gpu.address));
    const evidence = others.map((member) => seen(source, describe(member)));
    const remedy =
      'Put the card into a slot whose port isolates it (ACS), update or set up the firmware, or give the whole group to one virtual machine.';
    const needed = others.filter((member) => vital.test(member.class) && isReleased(member.driver) === false);
    if (needed.length > 0) {
      return {
        ...fault(
          `The group also holds devices the host works with: ${some(needed.map(describe))}. It would lose them.`,
          evidence,
          remedy,
        ),
        severity: 'blocker',
      };
    }
    return fault(
      `The group also holds ${some(others.map(describe))}; they can only go to the same virtual machine or to nobody.`,
      evidence,
      remedy,
    );
  },
);

const acs = deviceCheck(
  'H41',
  'Isolation between ports (ACS)',
  'info',
  passthrough,
  (facts, _subject, gpu) => {
    if (isUnknown(gpu.iommuGroup)) return unclear('the IOMMU group', gpu.iommuGroup);
    if (gpu.iommuGroup === null) return skip(noGroup);
    if (gpu.groupNeighbours.every((member) => member.class.startsWith('0604'))) {
      return pass(
        'The ports above the card isolate it from other cards.',
        seen(`/sys/kernel/iommu_groups/${gpu.iommuGroup}/devices`, 'no other card'),
      );
    }
    const bridges = bridgesInGroup(facts, gpu);
    return warn(
      bridges.length === 0
        ? 'Something above the card does not isolate it from its neighbours.'
        : `The ports ${some(bridges)} in the same group do not isolate: they have no ACS, or it is off.`,
      [seen(`/sys/kernel/iommu_groups/${gpu.iommuGroup}/devices`, some(bridges) || 'no bridge')],
      'Look for ACS in the firmware settings, or use another slot.',
    );
  },
);

function bridgesInGroup({ pci }: HostFacts, gpu: GpuDevice): string[] {
  return (isUnknown(pci) ? [] : pci)
    .filter((member) => member.class.startsWith('0604') && member.iommuGroup === gpu.iommuGroup)
    .map(({ address }) => address);
}

/** What else goes with the GPU when it is given away. */
export const iommuGroupChecks = [viability, isolation, acs];

import type { PciAddress } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HostGoal, isBlocked, planHost, planHostRemoval } from '../src/plan/index.ts';
import { hardware, type Loader, ModelHost, type ModelOptions } from './plan-model-host.ts';

const words = fc.subarray(
  [
    'intel_iommu=off',
    'iommu=pt',
    'iommu=off',
    'nox2apic',
    'amd_iommu=on',
    'video=efifb:off',
    'vfio-pci.ids=10de:2236',
    'module_blacklist=nouveau',
    'pci=realloc',
  ],
  { maxLength: 4 },
);
const modprobeLines = fc.array(
  fc.constantFrom(
    'options vfio-pci ids=10de:2236,10de:1aef',
    'options vfio-pci ids=10de:1aef disable_vga=1',
    'options vfio_pci ids=10de:2236, 8086:1521',
    'softdep nouveau pre: vfio-pci',
    'softdep snd_hda_intel pre: vfio-pci',
    'blacklist nouveau',
    'blacklist nvme',
    'blacklist snd_hda_intel',
    'install nouveau /bin/false',
    '# a comment',
    'options kvm \\\n  ignore_msrs=1',
  ),
  { maxLength: 5 },
);
const lists = fc.array(fc.constantFrom('vfio', 'vfio_pci', 'vfio_virqfd', 'nouveau', '# mine', ''), {
  maxLength: 5,
});
const end = fc.constantFrom('', '\n', '\n\n');

const options: fc.Arbitrary<ModelOptions> = fc
  .record({
    words,
    modprobeLines,
    lists,
    end,
    loader: fc.constantFrom<Loader>(
      'grub',
      'proxmox-systemd-boot',
      'grubby',
      'grub-defaults',
      'loader-entries',
    ),
    vfioPci: fc.constantFrom('module' as const, 'builtin' as const),
    cpu: fc.constantFrom('GenuineIntel' as const, 'AuthenticAMD' as const),
    iommuByDefault: fc.boolean(),
    native: fc.constantFrom('nouveau', 'nvidia'),
  })
  .map(({ words: list, modprobeLines: lines, lists: modules, end: last, loader, native, ...rest }) => ({
    ...rest,
    loader,
    cards: hardware.map((card) => (card.driver === 'nouveau' ? { ...card, driver: native } : card)),
    files: {
      ...(loader === 'grub' || loader === 'grub-defaults'
        ? { '/etc/default/grub': `# mine\nGRUB_CMDLINE_LINUX_DEFAULT="quiet ${list.join(' ')}"${last}` }
        : {}),
      ...(loader === 'proxmox-systemd-boot'
        ? { '/etc/kernel/cmdline': `root=ZFS=x ${list.join(' ')}${last}` }
        : {}),
      ...(lines.length > 0 ? { '/etc/modprobe.d/vfio.conf': lines.join('\n') + last } : {}),
      ...(modules.length > 0 ? { '/etc/modules': modules.join('\n') + last } : {}),
    },
  }));

const goals: fc.Arbitrary<HostGoal> = fc
  .record({
    mode: fc.constantFrom('vm-passthrough' as const, 'vm-vgpu' as const, 'container' as const),
    devices: fc.constantFrom(undefined, ['0000:65:00.0' as PciAddress]),
    strategy: fc.constantFrom('initramfs' as const, 'ids' as const, 'kernel-argument' as const),
    companions: fc.constantFrom('include' as const, 'exclude' as const),
    hugepages: fc.constantFrom(undefined, { size: 2 ** 30, count: 4 }),
    memlock: fc.constantFrom(undefined, ['libvirtd']),
  })
  .map(({ devices, hugepages, memlock, ...goal }) => ({
    ...goal,
    consent: ['release-twins', 'single-gpu-console', 'unsafe-interrupts'] as const,
    ...(devices === undefined ? {} : { devices }),
    ...(hugepages === undefined ? {} : { hugepages }),
    ...(memlock === undefined ? {} : { memlock }),
  }));

describe('any host and goal', () => {
  it('is settled by one plan, and comes back to the same bytes and drivers', () => {
    fc.assert(
      fc.property(options, goals, (made, goal) => {
        const host = new ModelHost(made);
        const before = host.foreign();
        const drivers = new Map(host.drivers);
        const cmdline = host.cmdline;
        const plan = planHost(host.facts(), goal);
        // What is refused is not applied.
        if (isBlocked(plan)) return;
        host.apply(plan);
        const again = planHost(host.facts(), goal);
        expect(again.steps.map(({ summary }) => summary)).toEqual([]);
        host.apply(planHostRemoval(host.facts()));
        expect(host.foreign()).toEqual(before);
        expect(host.drivers).toEqual(drivers);
        expect(host.cmdline.split(' ').sort()).toEqual(cmdline.split(' ').sort());
      }),
      { numRuns: 150 },
    );
  });

  it('keeps the devices of the host that nobody asked for', () => {
    fc.assert(
      fc.property(options, (made) => {
        const host = new ModelHost(made);
        host.apply(
          planHost(host.facts(), { mode: 'vm-passthrough', devices: ['0000:65:00.0' as PciAddress] }),
        );
        for (const { address, driver } of hardware.slice(1, 4))
          expect([driver, null]).toContain(host.drivers.get(address));
        expect(host.drivers.get('0000:65:00.0')).toBe('vfio-pci');
      }),
      { numRuns: 100 },
    );
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../core/test/shared-data.ts';
import { hostFactsFromText } from '../src/facts/index.ts';
import { type HostGoal, planHost, planHostRemoval } from '../src/plan/index.ts';
import { exampleCapture, filesBelow } from './capture-samples.ts';
import { type Loader, ModelHost, type ModelOptions } from './plan-model-host.ts';

const folder = sharedData('host/captures/dev/hostconf');
const consent: HostGoal['consent'] = ['release-twins', 'single-gpu-console', 'console-gpu'];

/** A model host with the boot configuration of a real one. */
function withConfigurationOf(name: string): ModelOptions {
  const files: Record<string, string> = {};
  for (const path of filesBelow(join(folder ?? '', name)))
    if (path.startsWith('etc__'))
      files[`/${path.replaceAll('__', '/')}`] = readFileSync(join(folder ?? '', name, path), 'utf8');
  const loader: Loader = files['/etc/kernel/cmdline'] ? 'proxmox-systemd-boot' : 'grub';
  return { files, loader };
}

describe.skipIf(folder === undefined)('configurations of real hosts', () => {
  const names = folder === undefined ? [] : readdirSync(folder);

  it.each(names)('%s: one plan, then none, and the way back', (name) => {
    const host = new ModelHost(withConfigurationOf(name));
    const before = host.foreign();
    const goal: HostGoal = { mode: 'vm-passthrough', consent };
    const plan = planHost(host.facts(), goal);
    expect(plan.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
    host.apply(plan);
    for (const address of ['0000:65:00.0', '0000:65:00.1', '0000:b3:00.0'])
      expect(host.drivers.get(address)).toBe('vfio-pci');
    expect(planHost(host.facts(), goal).steps.map(({ summary }) => summary)).toEqual([]);
    const kinds = new Set(plan.steps.map(({ kind }) => kind));
    // Minimal: nothing is refreshed for nothing.
    if (plan.kernelArguments.add.length + plan.kernelArguments.remove.length === 0)
      expect(kinds).not.toContain('boot-loader');
    host.apply(planHostRemoval(host.facts()));
    expect(host.foreign()).toEqual(before);
    console.log(`${name}: ${plan.steps.length} steps, then 0`);
  });
});

describe('captures of the QEMU host', () => {
  it('gives a plan before its preparation, and none after it', () => {
    const before = planHost(hostFactsFromText(exampleCapture('qemu-intel-before.txt')), {
      mode: 'vm-passthrough',
    });
    expect(before.kernelArguments.add).toEqual(['intel_iommu=on']);
    expect(before.steps.map(({ id }) => id)).toEqual([
      'write/etc/vmgpu/devices',
      'write/etc/vmgpu/bind',
      'write/etc/initramfs-tools/hooks/vmgpu',
      'write/etc/initramfs-tools/scripts/init-top/00-vmgpu',
      'write/etc/modules-load.d/vmgpu.conf',
      'write/etc/default/grub.d/99-vmgpu.cfg',
      'initramfs',
      'boot-loader',
      'verify-boot-entry',
      'reboot',
      'verify',
    ]);
    const after = planHost(hostFactsFromText(exampleCapture('qemu-intel-after.txt')), {
      mode: 'vm-passthrough',
    });
    expect(after.steps).toEqual([]);
  });
});

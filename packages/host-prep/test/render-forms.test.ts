import type { PciAddress } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import {
  describeHostPlan,
  devicePlugin,
  driverRule,
  guestUserData,
  planHost,
  unifiedDiff,
} from '../src/plan/index.ts';
import { type HostPlanForm, hostPlanForms, renderHostPlan } from '../src/render/index.ts';
import { ModelHost } from './plan-model-host.ts';

const plan = planHost(new ModelHost().facts(), {
  mode: 'vm-passthrough',
  devices: ['0000:65:00.0' as PciAddress],
});
const foreign = (id: string) => {
  const facts = new ModelHost().facts();
  return planHost(
    { ...facts, system: { ...facts.system, os: { id, idLike: [], ostree: false } } },
    { mode: 'vm-passthrough' },
  );
};
const yaml = (form: HostPlanForm, from = plan) => {
  const { content } = renderHostPlan(from, form);
  return content.format === 'yaml' ? content.documents[0] : undefined;
};
const text = (form: HostPlanForm, from = plan) => {
  const { content } = renderHostPlan(from, form);
  return content.format === 'text' ? content.text : '';
};

describe('the forms of a plan', () => {
  it('are all deterministic artifacts', () => {
    for (const form of hostPlanForms) expect(renderHostPlan(plan, form)).toEqual(renderHostPlan(plan, form));
    expect(() => renderHostPlan(plan, 'puppet' as HostPlanForm)).toThrow('not a form of a host plan');
  });

  it('Ansible: every file with its text, and handlers in the order of the plan', () => {
    const [play] = yaml('ansible') as {
      tasks: Record<string, Record<string, unknown>>[];
      handlers: { name: string }[];
    }[];
    const copies =
      play?.tasks.flatMap(
        (task) => (task['ansible.builtin.copy'] as { dest: string; content: string } | undefined) ?? [],
      ) ?? [];
    const files = plan.steps.filter((step) => step.kind === 'write-file');
    expect(copies.map(({ dest }) => dest)).toEqual(files.map(({ path }) => path));
    // Jinja would take {# and {{ for its own.
    for (const { content } of copies) expect(content.replaceAll("{{ '{' }}", '')).not.toMatch(/\{[{%#]/);
    expect(play?.handlers.map(({ name }) => name)).toEqual(
      plan.steps.filter(({ kind }) => /initramfs|boot|reboot/.test(kind)).map(({ summary }) => summary),
    );
  });

  it('cloud-init: the script at every boot', () => {
    const document = JSON.parse(text('cloud-init').replace(/^#cloud-config\n/, '')) as {
      write_files: { path: string; content: string }[];
    };
    expect(document.write_files.map(({ path }) => path)).toEqual([
      '/var/lib/vmgpu/prepare',
      '/var/lib/cloud/scripts/per-boot/vmgpu-prepare',
    ]);
    expect(document.write_files[0]?.content).toBe(text('sh'));
  });

  it('MachineConfig: files as base64, units and kernel arguments', () => {
    const config = yaml('machineconfig', foreign('rhcos')) as {
      spec: {
        kernelArguments: string[];
        config: {
          storage: { files: { path: string; contents: { source: string } }[] };
          systemd: { units: { name: string }[] };
        };
      };
    };
    expect(config.spec.kernelArguments).toEqual(['intel_iommu=on']);
    expect(config.spec.config.systemd.units.map(({ name }) => name)).toEqual(['vmgpu-bind.service']);
    const [devices] = config.spec.config.storage.files.filter(({ path }) => path === '/etc/vmgpu/devices');
    expect(atob(devices?.contents.source.split('base64,')[1] ?? '')).toContain(
      '0000:65:00.0 10de 2236 10de 1482 vfio-pci',
    );
  });

  it('Talos and NixOS: by id', () => {
    expect(yaml('talos', foreign('talos'))).toEqual({
      machine: {
        install: { extraKernelArgs: ['intel_iommu=on', 'vfio-pci.ids=10de:2236,10de:1aef'] },
        kernel: { modules: [{ name: 'vfio_pci' }, { name: 'vfio_iommu_type1' }] },
      },
    });
    expect(text('nixos', foreign('nixos'))).toContain(
      'boot.extraModprobeConfig = "options vfio-pci ids=10de:2236,10de:1aef\\n";',
    );
    expect(text('rpm-ostree')).toContain('rpm-ostree kargs --append-if-missing=intel_iommu=on');
  });
});

describe('diffs', () => {
  it('are those of diff -u', () => {
    expect(unifiedDiff('a\nb\nc\nd\ne\nf\ng\nh\n', 'a\nb\nc\nd\nE\nf\ng\nh\ni', '/x')).toBe(
      '--- a/x\n+++ b/x\n@@ -2,7 +2,8 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n+i\n\\ No newline at end of file\n',
    );
    expect(unifiedDiff('', 'new\n', '/x')).toBe('--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+new\n');
    expect(unifiedDiff('same\n', 'same\n', '/x')).toBe('');
  });

  it('tell every file that a plan changes', () => {
    const changes = describeHostPlan(plan);
    expect(changes.map(({ path }) => path)).toEqual(
      plan.steps.flatMap((step) => ('path' in step ? [step.path] : [])),
    );
    for (const { diff } of changes) expect(diff).toMatch(/^--- \/dev\/null\n\+\+\+ b\//);
  });
});

describe('guests', () => {
  it('get the driver their GPU takes', () => {
    expect(driverRule({ architecture: 'Pascal' })).toEqual({ lastBranch: 580, modules: 'proprietary' });
    expect(driverRule({ architecture: 'Ada Lovelace' })).toEqual({ modules: 'either' });
    expect(
      guestUserData({ distribution: 'ubuntu', rule: { lastBranch: 580, modules: 'proprietary' } }),
    ).toMatch(/nvidia-headless-580-server /);
    expect(guestUserData({ distribution: 'ubuntu' })).toMatch(/nvidia-headless-580-server-open /);
    expect(() =>
      guestUserData({
        distribution: 'ubuntu',
        branch: 590,
        rule: { lastBranch: 580, modules: 'proprietary' },
      }),
    ).toThrow('at most 580');
  });

  it('keep the user data that is there', () => {
    const mine = '#cloud-config\npackages: [htop]\n';
    const merged = guestUserData({ distribution: 'debian', runtimes: ['docker'] }, mine);
    const [archive, ...rest] = merged.split('\n');
    expect(archive).toBe('#cloud-config-archive');
    const parts = JSON.parse(rest.join('\n')) as { type: string; content: string }[];
    expect(parts[0]).toEqual({ type: 'text/cloud-config', content: mine });
    expect(parts[1]?.content).toContain('nvidia-ctk runtime configure --runtime=docker');
    expect(() => guestUserData({ distribution: 'debian' }, 'hello')).toThrow('not user data');
  });

  it('and their clusters a device plugin of a pinned release', () => {
    expect(JSON.stringify(devicePlugin())).toMatch(/k8s-device-plugin:v\d+\.\d+\.\d+/);
  });
});

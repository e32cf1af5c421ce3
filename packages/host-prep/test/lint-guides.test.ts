import { readFileSync } from 'node:fs';
import { applyEdits, type LintFinding } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../core/test/shared-data.ts';
import { guideRules } from '../src/lint/guide-rules.ts';
import { guideLinter, hostLinters } from '../src/lint/index.ts';

const lint = (path: string, text: string): readonly LintFinding[] => guideLinter.lint({ path, text });
const guides = sharedData('../guides');

/** Mistakes that reviewers listed for each guide, by line: those about hosts and commands. */
const listed: Readonly<Record<string, readonly string[]>> = {
  'proxmox-gpu-to-vm-to-container.md': [
    '30 guide.one-boot-loader',
    '42 host.amd-iommu-on',
    '44 guide.intel-iommu-default',
    '68 modules.vfio-virqfd',
    '77 modprobe.unsafe-interrupts',
    '78 modprobe.ignore-msrs',
    '87 guide.appends-again',
    '89 modprobe.shared-blacklist',
    '116 modprobe.disable-vga',
    '116 guide.overwrites-file',
    '116 guide.ids-take-all-cards',
    '122 guide.one-kernel-only',
    '123 guide.reset-is-not-reboot',
    '137 guide.cpu-and-memory',
    '138 guide.ovmf',
    '145 guide.device-unsaid',
    '158 guide.secure-boot-by-hand',
    '176 guide.ended-driver',
    '182 guide.headers-missing',
    '201 guide.one-kernel-only',
    '248 guide.apt-key',
    '249 guide.nvidia-docker-repository',
    '251 guide.nvidia-docker2',
    '252 guide.nvidia-docker2',
    '265 guide.docker-default-runtime',
    '287 guide.removed-image',
    '322 guide.manifest-from-branch',
    '361 guide.visible-devices-all',
  ],
  'openstack-gpu-passthrough-kolla.md': [
    '40 guide.iommu-pt',
    '43 host.iommu-value',
    '50 guide.directed-io',
    '69 guide.misspelt-vfio',
    '86 guide.options-for-builtin',
    '86 guide.initramfs-missing',
    '86 guide.ids-take-all-cards',
    '98 guide.kolla-generated-file',
    '103 guide.kolla-container-name',
    '106 guide.kolla-generated-file',
    '114 guide.kolla-container-name',
    '118 guide.kolla-generated-file',
    '124 guide.kolla-container-name',
    '160 guide.property-without-command',
    '160 guide.hide-hypervisor',
    '191 guide.ended-driver',
  ],
  'kubevirt-gpu-vgpu-daocloud.md': [
    '19 guide.mig-vgpu',
    '45 guide.clone-and-cd',
    '45 guide.moved-repository',
    '68 guide.branch-and-cuda',
    '165 guide.workload-label',
    '196 guide.resource-name-without-domain',
    '229 guide.resource-name-without-domain',
  ],
  'gpu-operator-with-kubevirt.rst': [
    '64 guide.permitted-devices',
    '66 guide.mig-vgpu',
    '74 host.amd-iommu-on',
    '85 guide.feature-gate-patch',
    '249 guide.pci-device-selector',
    '298 guide.default-series',
    '397 guide.moved-repository',
    '419 guide.os-tag-of-the-guest',
  ],
  'vgpu-manager-on-kvm.rst': ['125 guide.mdev-bus-origin'],
};

/** True as well, but more than the listed mistakes: further places of the same kind. */
const further: Readonly<Record<string, readonly string[]>> = {
  'proxmox-gpu-to-vm-to-container.md': [
    '78 guide.overwrites-file',
    '87 modprobe.shared-blacklist',
    '88 guide.appends-again',
    '89 guide.appends-again',
    '208 guide.ended-driver',
    '209 guide.ended-driver',
  ],
  'openstack-gpu-passthrough-kolla.md': ['62 modprobe.shared-blacklist'],
  'gpu-operator-with-kubevirt.rst': ['424 guide.branch-and-cuda'],
};

describe.skipIf(guides === undefined).each(Object.keys(listed))('%s', (name) => {
  const path = `${guides}/${name}`;
  const findings = guides === undefined ? [] : lint(name, readFileSync(path, 'utf8'));
  const places = findings.map(({ where, rule }) => `${where.line} ${rule}`);

  it(`has all ${listed[name]?.length} listed mistakes found at their lines, and nothing else`, () => {
    expect(places.sort()).toEqual([...(listed[name] ?? []), ...(further[name] ?? [])].sort());
  });
});

describe('rules for guides', () => {
  const quiet = [
    'Run `update-initramfs -u -k all` and reboot.',
    '```sh\nupdate-initramfs -u -k all\nupdate-initramfs -k all -u\nreset_card\n```',
    '```sh\napt install dkms build-essential linux-headers-amd64\n```',
    '```sh\ndocker run --gpus all nvidia/cuda:12.9.1-base-ubuntu24.04 nvidia-smi\n```',
    '```sh\ndocker restart nova_compute\nvim /etc/kolla/config/nova/nova-compute.conf\n```',
    '```sh\ngit clone https://github.com/NVIDIA/gpu-driver-container\ncd gpu-driver-container\n```',
    '```sh\nopenstack image set \\\n  --property hw_machine_type=q35 img\n```',
    'Label the node with nvidia.com/gpu.workload.config=vm-vgpu.',
    'Proxmox VE: with systemd-boot edit `/etc/kernel/cmdline`, with GRUB `/etc/default/grub`.',
  ];
  it.each(quiet)('says nothing about %j', (text) => {
    expect(lint('guide.md', text)).toEqual([]);
  });

  it('repairs what is certain', () => {
    const text =
      '```sh\nmodinfo vifo-pci\nupdate-initramfs -u\ngit clone https://x.example/driver cd driver\n```\n';
    const fixed = applyEdits(
      text,
      lint('guide.md', text).flatMap(({ fix = [] }) => fix),
    );
    expect(fixed).toBe(
      '```sh\nmodinfo vfio-pci\nupdate-initramfs -u -k all\ngit clone https://x.example/driver && cd driver\n```\n',
    );
    expect(lint('guide.md', fixed)).toEqual([]);
  });

  it('reads shell scripts as code, and leaves their comments alone', () => {
    const script =
      '#!/bin/sh\n# docker restart nova-compute\necho "options vfio-pci ids=10de:2230, 10de:1aef" > /etc/modprobe.d/own.conf # iommu_groups, driver_override\nupdate-initramfs -u -k all\n';
    expect(lint('prepare.sh', script).map(({ rule }) => rule)).toEqual(['host.ids-blank']);
  });

  it('has a distinct, dotted name and a reason for each rule', () => {
    const names = guideRules.map(({ rule }) => rule);
    expect(new Set(names).size).toBe(names.length);
    for (const { rule, message, why } of guideRules) {
      expect(rule).toMatch(/^guide\.[a-z0-9-]+$/);
      expect(message).toMatch(/\.$/);
      expect(why).toMatch(/\.$/);
    }
  });

  it('leaves guides to the linter for guides', () => {
    const file = { path: 'README.md', text: 'options vfio-pci ids=a\nGRUB_CMDLINE_LINUX="amd_iommu=on"\n' };
    expect(hostLinters.filter((linter) => linter.recognises(file))).toEqual([guideLinter]);
  });
});

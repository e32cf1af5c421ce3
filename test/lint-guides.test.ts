import { readFileSync } from 'node:fs';
import type { Linter, LintFinding, SourceFile, Translator } from '@vmgpu/core';
import { platformNames } from '@vmgpu/core';
import { catalog } from '@vmgpu/core/catalog';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadLinters } from '../packages/cli/src/adapters.ts';
import { printArtifact } from '../packages/cli/src/artifact-text.ts';
import { sharedData } from '../packages/core/test/shared-data.ts';
import { intentsOn, worlds } from './migration-worlds.ts';

// Five guides that people copy from, and every mistake that reviewers found in them, by the numbers of their lists: all
// linters together find it at its line, or the reason why not stands here.

type Place = `${number} ${string}`;
interface Listed {
  readonly found: Readonly<Record<string, readonly Place[]>>;
  readonly missed?: Readonly<Record<string, string>>;
}

const listed: Readonly<Record<string, Listed>> = {
  'kubevirt-gpu-vgpu-daocloud.md': {
    found: {
      '000-1': ['130 kubevirt.resource-name-blank', '134 kubevirt.resource-name-blank'],
      '000-2': ['131 kubevirt.misplaced-key', '250 kubevirt.misplaced-key'],
      '000-3': [
        '129 kubevirt.external-provider',
        '145 kubevirt.external-provider',
        '248 kubevirt.external-provider',
      ],
      '000-4': ['125 kubevirt.gate-obsolete', '126 kubevirt.gate-deprecated', '244 kubevirt.gate-obsolete'],
      '000-5': ['196 kubevirt.resource-name'],
      '000-6': ['229 kubevirt.resource-name'],
      '000-7': ['165 gpu-operator.workload-label'],
      '000-10': ['289 kubevirt.misplaced-key'],
      '000-11': ['290 kubevirt.misplaced-key'],
      '000-12': ['310 kubevirt.too-deep'],
      '000-13': ['308 kubevirt.misplaced-key', '313 kubevirt.misplaced-key'],
      '000-14': ['316 kubevirt.misplaced-key', '318 kubevirt.misplaced-key'],
      '000-15': ['321 kubevirt.misplaced-key', '324 kubevirt.misplaced-key'],
      '000-16': ['275 kubevirt.null-timestamp', '292 kubevirt.null-timestamp'],
      '000-17': ['329 kubevirt.cloud-init-password'],
      '000-18': ['320 kubevirt.memory-as-request'],
      '000-20': ['45 guide.clone-and-cd'],
      '000-21': ['68 guide.branch-and-cuda', '45 guide.moved-repository'],
      '000-22': ['19 guide.mig-vgpu'],
      '000-25': ['129 gpu-operator.no-default-type'],
    },
    missed: {
      '000-19': 'whether the cluster has CDI and that storage class is not in the file',
    },
  },
  'gpu-operator-with-kubevirt.rst': {
    found: {
      '002-1': ['64 kubevirt.permitted-devices'],
      '002-2': ['249 kubevirt.selector-key'],
      '002-3': ['85 kubevirt.gate-json-patch'],
      '002-4': ['234 kubevirt.gate-obsolete', '235 kubevirt.gate-deprecated'],
      '002-5': ['244 kubevirt.not-on-node'],
      '002-6': ['266 kubevirt.old-api-version'],
      '002-8': ['66 guide.mig-vgpu'],
      '002-9': ['419 guide.os-tag-of-the-guest'],
      '002-10': ['397 guide.moved-repository'],
      '002-13': ['298 guide.default-series'],
    },
    missed: { '002-7': 'the path is right for the VirtualMachineInstance that the sentence is about' },
  },
  'openstack-gpu-passthrough-kolla.md': {
    found: {
      1: ['111 nova.filters-overwritten', '121 nova.filters-overwritten', '136 nova.filters-overwritten'],
      2: ['112 nova.available-filters-redundant', '137 nova.available-filters-redundant'],
      3: ['101 nova.option-renamed', '132 nova.option-renamed'],
      4: ['101 nova.colon-separator', '109 nova.colon-separator', '133 nova.colon-separator'],
      5: ['109 nova.alias-not-on-compute'],
      6: ['111 nova.option-in-wrong-service'],
      8: ['100 kolla.generated-file', '108 kolla.generated-file', '120 kolla.generated-file'],
      9: ['103 kolla.container-name', '114 kolla.container-name', '124 kolla.container-name'],
      10: ['132 kolla.global-file'],
      11: ['43 host.iommu-value'],
      12: ['40 guide.iommu-pt'],
      13: ['86 guide.options-for-builtin'],
      14: ['86 guide.initramfs-missing'],
      15: ['69 guide.misspelt-vfio'],
      16: ['50 guide.directed-io'],
      17: ['86 guide.ids-take-all-cards'],
      18: ['160 openstack.hide-hypervisor'],
      19: ['160 openstack.property-without-command'],
      20: ['150 openstack.flavor-hints'],
      22: ['101 nova.ids-take-every-card', '132 nova.ids-take-every-card'],
      23: ['114 nova.restart-everywhere'],
    },
    missed: {
      7: 'type-PCI is right for the card of this guide; nova.alias-never-matches finds it where it is wrong',
    },
  },
  'proxmox-gpu-to-vm-to-container.md': {
    found: {
      1: ['30 guide.one-boot-loader'],
      2: ['42 host.amd-iommu-on'],
      3: ['44 guide.intel-iommu-default'],
      4: ['68 modules.vfio-virqfd'],
      5: ['77 modprobe.unsafe-interrupts'],
      6: ['78 modprobe.ignore-msrs'],
      7: ['87 modprobe.shared-blacklist', '87 guide.appends-again'],
      8: ['116 modprobe.disable-vga', '116 guide.overwrites-file'],
      9: ['122 guide.one-kernel-only', '201 guide.one-kernel-only'],
      10: ['123 guide.reset-is-not-reboot'],
      11: ['116 guide.ids-take-all-cards'],
      12: ['138 proxmox.ovmf-misspelt'],
      13: ['150 proxmox.secure-boot-by-hand'],
      14: ['145 proxmox.device-by-screenshot'],
      16: ['137 proxmox.guide-cpu-memory'],
      17: ['176 guide.ended-driver'],
      18: ['182 guide.headers-missing'],
      19: [
        '248 guide.apt-key',
        '249 guide.nvidia-docker-repository',
        '251 guide.nvidia-docker2',
        '252 guide.nvidia-docker2',
      ],
      20: ['287 guide.removed-image'],
      21: ['265 guide.docker-default-runtime'],
      22: ['322 guide.manifest-from-branch'],
      23: ['361 guide.visible-devices-all'],
    },
    missed: {
      15: 'that the device goes by its raw address stands in the picture only, which is reported (no. 14)',
      24: 'the guide adds the device before the first start, so no restart is missing',
    },
  },
  'vgpu-manager-on-kvm.rst': { found: { mdev_bus: ['125 guide.mdev-bus-origin'] } },
};

let linters: readonly Linter[] = [];
beforeAll(async () => {
  linters = await loadLinters();
});

function lint(file: SourceFile, files: readonly SourceFile[] = [], version?: string): readonly LintFinding[] {
  return linters
    .filter((linter) => linter.recognises(file))
    .flatMap((linter) => linter.lint(file, { files, ...(version === undefined ? {} : { version }) }));
}

const guides = sharedData('../guides');
describe.skipIf(guides === undefined)('mistakes of the guides', () => {
  it.each(Object.entries(listed))('%s', (name, { found, missed = {} }) => {
    const text = readFileSync(`${guides}/${name}`, 'utf8');
    const places = new Set(lint({ path: name, text }).map(({ where, rule }) => `${where.line} ${rule}`));
    const absent = Object.entries(found).flatMap(([id, wanted]) =>
      wanted.filter((place) => !places.has(place)).map((place) => `${id}: ${place}`),
    );
    const all = Object.keys(found).length + Object.keys(missed).length;
    const why = Object.entries(missed).map(([id, reason]) => `\n    ${id}: ${reason}`);
    process.stdout.write(`${name}: ${Object.keys(found).length} of ${all} found${why.join('')}\n`);
    expect(absent).toEqual([]);
  });
});

/** True of what the intent itself asks for: a CPU type that caps addresses, with UEFI. Not of how it is written. */
const asked = ['proxmox.cpu-address-bits'];

describe('our own files', () => {
  it.each(platformNames)('%s: nothing to complain of', async (platform) => {
    const { translator, snapshot } = worlds[platform];
    const { plan, render } = translator as Translator<unknown, unknown>;
    let looked = 0;
    for (const intent of fc.sample(intentsOn(platform), { numRuns: 60, seed: 11 })) {
      const made = plan(intent, snapshot, { catalog });
      if (made.diagnostics.some(({ kind }) => kind === 'blocked')) continue;
      const files = await Promise.all(
        render(made).map(async (artifact) => ({ path: artifact.path, text: await printArtifact(artifact) })),
      );
      looked += files.length;
      const alarms = files.flatMap((file) =>
        lint(
          file,
          files.filter((other) => other !== file),
          made.platformVersion,
        )
          .filter(({ rule }) => !asked.includes(rule))
          .map(({ rule, where }) => `${file.path}:${where.line} ${rule}`),
      );
      expect(alarms).toEqual([]);
    }
    process.stdout.write(`${platform}: ${looked} files of ours, 0 false alarms\n`);
    expect(looked).toBeGreaterThan(20);
  });
});

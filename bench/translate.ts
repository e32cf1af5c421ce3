import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseGpuVm, type Translator } from '@vmgpu/core';
import { catalog } from '@vmgpu/core/catalog';
import { hostFactsFromText, hostInventory } from '@vmgpu/host-prep/facts';
import * as kubevirt from '@vmgpu/kubevirt/translate';
import * as openstack from '@vmgpu/openstack/translate';
import * as proxmox from '@vmgpu/proxmox/translate';
import { parseYaml } from '../packages/cli/src/yaml-input.ts';

// vm.yaml documents to the plans and native files of three platforms, against a captured host: documents per second of
// processor time, and whether ten times as many take ten times as long. How to run it: bench/README.md.

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const hosts = [hostInventory(hostFactsFromText(read('examples/captures/qemu-amd-after.txt')))];

/** Processor time in milliseconds: what else the machine does counts less than on the clock. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The two examples in many variations, so that no two documents are alike. */
const examples = ['train', 'desk'].map((name) => read(`examples/${name}.yaml`));
const texts = Array.from({ length: 10_000 }, (_, index) =>
  (examples[index % examples.length] ?? '')
    .replace(/name: \w+-1\b/, `name: vm-${index}`)
    .replace(/memory: \d+/, `memory: ${4 + (index % 60)}`)
    .replace(/cores: \d+/, `cores: ${1 + (index % 32)}`),
);
const started = spent();
const documents = texts.map((text) => parseYaml(text, 'vm.yaml').value);
const yaml = spent() - started;

const platforms: Readonly<Record<string, { translator: Translator<never, never>; snapshot: unknown }>> = {
  kubevirt: {
    translator: kubevirt.kubevirtTranslator as never,
    snapshot: kubevirt.offlineSnapshot({ hosts }),
  },
  openstack: {
    translator: openstack.openstackTranslator as never,
    snapshot: openstack.offlineSnapshot({ hosts }),
  },
  proxmox: { translator: proxmox.proxmoxTranslator as never, snapshot: proxmox.offlineSnapshot({ hosts }) },
};

/** Processor time to check, plan and render the first `count` documents on one platform. */
function time(platform: string, count: number): number {
  const { translator, snapshot } = platforms[platform] ?? {};
  const { plan, render } = translator as unknown as Translator<unknown, unknown>;
  const begin = spent();
  for (const document of documents.slice(0, count)) render(plan(parseGpuVm(document), snapshot, { catalog }));
  return spent() - begin;
}

const perSecond = (count: number, ms: number) => Math.round((count / ms) * 1000).toLocaleString('en');
for (const platform of Object.keys(platforms)) time(platform, 1000);
let [small, large] = [0, 0];
for (const platform of Object.keys(platforms)) {
  const [thousand, all] = [time(platform, 1000), time(platform, 10_000)];
  small += thousand;
  large += all;
  console.log(
    `${platform.padEnd(10)} ${perSecond(10_000, all).padStart(7)} documents/s   10,000 take ${(all / thousand).toFixed(1)} × as long as 1,000`,
  );
}
console.log(
  `all three  ${perSecond(30_000, large).padStart(7)} translations/s   10,000 take ${(large / small).toFixed(1)} × as long as 1,000`,
);
console.log(
  `YAML       ${perSecond(10_000, yaml).padStart(7)} documents/s to read, by the library, before all that`,
);

/**
 * Ten mistakes that operators make most often, made on the real Nova; what vmgpu says has to name the cause. Those that Nova
 * swallows without a word, and those with which it does not start, are named by the linter.
 */
import { type GpuRequest, type GpuVm, isVmgpuError } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import { openstackLinters } from '@vmgpu/openstack/lint';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bringUp, gpuHost, openCloud, restartNova, restoreNova, smallVm, sql } from './cloud.ts';
import { cleanCloud } from './rest.ts';

const a10 = '"vendor_id": "10de", "product_id": "2236"';
const spec = `device_spec = {${a10}}`;
const alias = `alias = {"name": "a10", ${a10}, "device_type": "type-PF"}`;
const defaults =
  'ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter';
const filters = `[filter_scheduler]\nenabled_filters = ${defaults},PciPassthroughFilter`;
const vgpu = '[devices]\nenabled_mdev_types = nvidia-63';

const texts = {
  right: `[pci]\n${spec}\n${alias}\n${filters}\n${vgpu}\n`,
  'type-PCI': `[pci]\n${spec}\n${alias.replace('type-PF', 'type-PCI')}\n${filters}\n`,
  'no filter': `[pci]\n${spec}\n${alias}\n[filter_scheduler]\nenabled_filters = ${defaults}\n`,
  'broken device_spec': `[pci]\n${spec.replace('"2236"', '"2236')}\n${alias}\n${filters}\n`,
  'several at once': `[pci]\ndevice_spec = {"vendor_id": "10de", "product": "2236"}\n${alias.replace('}', '')}\n${filters}
[devices]\nenabled_mdev_types = nvidia-63,nvidia-64
[mdev_nvidia-63]\ndevice_addresses = 0000:c1:00.0
[mdev_nvidia-64]\nmdev_class = CUSTOM_P4_2Q\n`,
} as const;

const card = (name: string, count = 1): GpuRequest => ({
  name: 'gpu0',
  mode: 'passthrough',
  device: { name },
  count,
});
const share = (name: string, count = 1): GpuRequest => ({
  name: 'gpu0',
  mode: 'vgpu',
  profile: 'P4-1Q',
  device: { name },
  count,
});

/** What vmgpu says when the plan is applied on a cloud whose operator says that the configuration is done. */
async function told(...vms: readonly GpuVm[]): Promise<string> {
  const { provider } = openCloud({
    hosts: [gpuHost],
    hostWork: { doStep: async () => ({ status: 'unchanged' }) },
  });
  try {
    for (const vm of vms) {
      const snapshot = await provider.snapshot('platform', { vm: { name: vm.metadata.name } });
      await apply(provider.translate.plan(vm, snapshot), provider);
    }
    return 'nothing: it worked';
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause ?? error;
    if (!isVmgpuError(cause)) throw error;
    const { stage, causes = [] } = (cause.details ?? {}) as { stage?: string; causes?: readonly string[] };
    return `[${stage ?? cause.code}] ${cause.message} ${causes.join('; ')}`;
  } finally {
    await provider.close?.();
  }
}

function linted(text: string): string {
  const file = { path: 'nova.conf', text };
  return openstackLinters
    .filter((linter) => linter.recognises(file))
    .flatMap((linter) => linter.lint(file))
    .map(({ rule, message }) => `${rule}: ${message}`)
    .join('; ');
}

interface Mistake {
  readonly what: string;
  readonly config: keyof typeof texts;
  readonly says: () => Promise<string> | string;
  readonly names: RegExp;
}

const mistakes: readonly Mistake[] = [
  {
    what: 'the flavor names an alias that nova-api does not know',
    config: 'right',
    says: () => told(smallVm('m', [card('nope')])),
    names: /no such \[pci\] alias/,
  },
  {
    what: 'more GPUs are asked for than there are',
    config: 'right',
    says: () => told(smallVm('m', [card('a10', 2)]), smallVm('n', [card('a10')])),
    names: /\[filters\].*all such devices are taken/,
  },
  {
    what: 'GPUs of two NUMA nodes for one cell, without NUMATopologyFilter',
    config: 'right',
    says: () =>
      told(
        smallVm('m', [card('a10', 2)], {
          flavor: { extraSpecs: { 'hw:numa_nodes': '1', 'hw:pci_numa_affinity_policy': 'required' } },
        }),
      ),
    names: /NUMATopologyFilter is not enabled/,
  },
  {
    what: 'more vGPUs in one server than a card has',
    config: 'right',
    says: () => told(smallVm('m', [share('VGPU', 9)])),
    names: /no provider has 9 of VGPU/,
  },
  {
    what: 'alias type-PCI for a card with SR-IOV capability',
    config: 'type-PCI',
    says: () => told(smallVm('m', [card('a10')])),
    names: /\[filters\].*device_type is not what the host has.*type-PF/,
  },
  {
    what: 'PciPassthroughFilter is not enabled',
    config: 'no filter',
    says: () => told(smallVm('m', [card('a10', 2)]), smallVm('n', [card('a10')])),
    names: /PciPassthroughFilter is not enabled/,
  },
  {
    what: 'malformed device_spec: Nova does not start',
    config: 'broken device_spec',
    says: () => linted(texts['broken device_spec']),
    names: /device_spec|device-spec/,
  },
  {
    what: 'misspelt key in device_spec: every card of the vendor matches',
    config: 'several at once',
    says: () => linted(texts['several at once']),
    names: /nova\.device-spec-unknown-key/,
  },
  {
    what: 'malformed alias: refused only when a server asks',
    config: 'several at once',
    says: () => told(smallVm('m', [card('a10')])),
    names: /a \[pci\] alias line is wrong/,
  },
  {
    what: 'mdev_class without device_addresses: silently not used',
    config: 'several at once',
    says: () => told(smallVm('m', [share('CUSTOM_P4_2Q')])),
    names: /no free CUSTOM_P4_2Q is reported to Placement/,
  },
];

const table: string[] = [];
let current: keyof typeof texts | undefined;

describe('operators’ mistakes on the real Nova', () => {
  beforeAll(bringUp);
  afterEach(cleanCloudIfUp);
  afterAll(async () => {
    const named = table.filter((line) => line.startsWith('| yes')).length;
    console.log(
      ['| named | mistake | what vmgpu says |', '|---|---|---|', ...table].join('\n'),
      `\nour diagnosis names the cause in ${named} of ${mistakes.length}`,
    );
    await restoreNova();
  });

  for (const { what, config, says, names } of mistakes) {
    it(what, async () => {
      if (current !== config) {
        const { ok, output } = await restartNova({ '50-gpu.conf': texts[config] });
        if (config === 'broken device_spec') expect(output).toMatch(/Invalid \[pci\]device_spec config/);
        else expect({ ok, output }).toMatchObject({ ok: true });
        current = config;
      }
      const said = await says();
      table.push(
        `| ${names.test(said) ? 'yes' : 'NO'} | ${what} | ${said.replace(/\s+/g, ' ').slice(0, 260)} |`,
      );
      expect(said).toMatch(names);
      // Whatever went wrong, no server stays in ERROR.
      expect(
        await sql("select display_name from nova.instances where deleted = 0 and vm_state = 'error'"),
      ).toEqual([]);
    });
  }
});

async function cleanCloudIfUp(): Promise<void> {
  if (current !== 'broken device_spec') await cleanCloud();
}

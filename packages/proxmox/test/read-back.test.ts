import type { Plan } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { parseVmConfig, proxmoxTranslator, type VmStepState } from '../src/translate/index.ts';
import { requestForm } from '../src/translate/option-text.ts';
import { optionsAsText } from '../src/translate/snapshot.ts';
import { type Rules, refusedParameters } from './api-schema.ts';
import { cluster, vm } from './cluster.ts';
import { available, lines, observedHost, text } from './shared.ts';

const { plan, toIntent } = proxmoxTranslator;
const stateOf = (made: Plan) => made.steps.at(-1)?.after as VmStepState;
const identity = /^(meta|vmgenid|smbios1)$/;
const names = [
  'a10-vgpu',
  'gt1030-by-address',
  'gt1030-by-mapping',
  'gvt-g',
  'id-override-romfile',
  'legacy-igd',
  'multi-gpu',
  'sriov-vf',
  'sriov-vf-keep-driver',
  'windows-gaming',
];

describe.skipIf(!available)('observed VMs', () => {
  const host = available ? observedHost() : cluster();

  it.each(names)('%s: read and planned anew it is the same VM', (name) => {
    const { options } = parseVmConfig(text(`examples/${name}.conf`));
    const { intent } = toIntent({ config: text(`examples/${name}.conf`), node: 'pve1' }, host);
    const made = plan(intent, host);
    const planned = stateOf(made).options;
    const expected = Object.entries(options).filter(([key, value]) => value !== '' && !identity.test(key));
    expect(planned).toEqual(
      Object.fromEntries(expected.map(([key, value]) => [key, requestForm(key, value)])),
    );
    expect(made.steps).toHaveLength(1);
    expect(made.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
  });

  it.each(names)('%s: planned onto itself nothing changes', (name) => {
    const { options } = parseVmConfig(text(`examples/${name}.conf`));
    const snapshot = {
      ...host,
      vms: [{ vmid: 101, node: 'pve1', status: 'running' as const, config: options }],
    };
    const { intent } = toIntent({ config: options, node: 'pve1', vmid: 101 }, host);
    const made = plan(intent, snapshot, { vm: '101' });
    const after = stateOf(made);
    expect(after.delete).toEqual([]);
    for (const [key, value] of Object.entries(after.options))
      expect([key, value]).toEqual([key, options[key]]);
    expect(made.steps.at(-1)?.risk).toBe('none');
  });

  it('the requests of the examples fit the API schema, and so does what is planned from their VMs', () => {
    const schema = JSON.parse(text('pve-9.2.6-vm-gpu-schema.json')) as Schema;
    const create = schema.methods['PVE::API2::Qemu:create_vm']?.parameters.properties ?? {};
    const requests = lines<{ params: Record<string, unknown> }>('examples/examples.requests.jsonl');
    for (const { params } of requests) expect(refusedParameters(params, create, schema.formats)).toEqual([]);
    for (const name of names) {
      const made = plan(toIntent({ config: text(`examples/${name}.conf`), node: 'pve1' }, host).intent, host);
      const { options } = stateOf(made);
      expect(refusedParameters({ ...options, vmid: 100, node: 'pve1' }, create, schema.formats)).toEqual([]);
    }
    expect(
      refusedParameters({ machine: 'q35-9.0', hostpci16: 'x', cores: '0' }, create, schema.formats),
    ).toHaveLength(3);
  });
});

interface Schema {
  readonly formats: Readonly<Record<string, Rules>>;
  readonly methods: Readonly<Record<string, { parameters: { properties: Rules } }>>;
}

describe('reading', () => {
  it('keeps what has no neutral word', () => {
    const config =
      'args: -foo\nhostpci0: 0000:30:00.0\nhostpci1: 26:00,pcie=yes,rombar=OFF\nhostpci9: mapping=gpu-x,driver=keep\nmachine: q35,viommu=virtio\nusb0: host=1234:5678\n';
    const { intent, diagnostics } = toIntent({ config, node: 'pve1' }, cluster());
    expect(intent.spec.gpus).toEqual([
      { name: 'gpu0', mode: 'passthrough', device: { id: '10de:1d01' }, companions: 'include' },
      { name: 'gpu1', mode: 'passthrough', device: { name: 'gpu-x' } },
    ]);
    expect(intent.spec.providerOptions?.proxmox).toMatchObject({
      hostpci: { gpu0: { host: '26:00', rombar: false }, gpu1: { index: 9, pcie: false, driver: 'keep' } },
      options: {
        args: '-foo',
        hostpci0: '0000:30:00.0',
        machine: 'q35,viommu=virtio',
        usb0: 'host=1234:5678',
      },
    });
    expect(diagnostics.map(({ path }) => path)).toEqual(expect.arrayContaining(['args', 'usb0']));
  });

  it('tells the next start from what runs', () => {
    const config =
      'machine: q35\nmemory: 2048\nhostpci0: mapping=a10\n\n[PENDING]\ndelete: hostpci0\nmemory: 4096\n';
    expect(toIntent(config).intent.spec).toMatchObject({ memory: '4GiB' });
    expect(toIntent(config).intent.spec.gpus).toBeUndefined();
    const now = toIntent({ config, state: 'current' });
    expect(now.intent.spec).toMatchObject({ memory: '2GiB', gpus: [{ device: { name: 'a10' } }] });
    expect(now.diagnostics.map(({ code }) => code)).toContain('proxmox.pending-changes');
  });

  it('does not lose a hostpci value that it cannot read', () => {
    const { intent, diagnostics } = toIntent('hostpci0: 26:00,future=1\nmachine: q35\n');
    expect(intent.spec.providerOptions?.proxmox).toMatchObject({ options: { hostpci0: '26:00,future=1' } });
    expect(diagnostics).toMatchObject([{ kind: 'blocked', code: 'proxmox.hostpci-unreadable' }]);
  });

  it('reads the answer of the API as well', () => {
    const { intent } = toIntent({
      config: { memory: '4096', cores: 2, balloon: 0, digest: 'x', hostpci0: '26:00.0' },
    });
    expect(intent.spec).toMatchObject({
      memory: '4GiB',
      cpu: { cores: 2 },
      gpus: [{ device: { address: '26:00.0' } }],
    });
    expect(optionsAsText({ onboot: true, cores: 2 })).toEqual({ onboot: '1', cores: '2' });
    expect(plan(vm({}), cluster()).steps).toHaveLength(1);
  });
});

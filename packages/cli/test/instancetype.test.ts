import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { vmgpu } from './harness.ts';

// `kubectl get vm,vmclusterinstancetype -o yaml`, as one file or two.
const vm = `apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: { name: train, namespace: vms }
spec:
  runStrategy: Always
  instancetype: { name: gpu.large }
  template:
    spec:
      domain:
        devices: {}
`;
const type = `apiVersion: instancetype.kubevirt.io/v1beta1
kind: VirtualMachineClusterInstancetype
metadata: { name: gpu.large }
spec:
  cpu: { guest: 4 }
  memory: { guest: 8Gi }
  gpus: [{ name: gpu0, deviceName: nvidia.com/GA102GL_A10 }]
`;
const indented = (text: string) => `- ${text.trimEnd().replaceAll('\n', '\n  ')}\n`;

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'vmgpu-instancetype-'));
  writeFileSync(join(cwd, 'vm.yaml'), vm);
  writeFileSync(join(cwd, 'type.yaml'), type);
  const list = `apiVersion: v1\nkind: List\nitems:\n${indented(vm)}${indented(type)}`;
  writeFileSync(join(cwd, 'list.yaml'), list);
  const twin = vm
    .replace('  instancetype: { name: gpu.large }\n', '')
    .replace('devices: {}', 'devices: {}\n        memory: { guest: 4Gi }');
  writeFileSync(join(cwd, 'expanded.yaml'), twin);
});
afterAll(() => rmSync(cwd, { recursive: true }));

describe('a VM with an instance type, from files', () => {
  const read = async (...files: string[]) => {
    const { out, err, status } = await vmgpu(['read', '--from', 'kubevirt', ...files], { cwd });
    expect(status).toBe(0);
    return { spec: parse(out).spec, err };
  };

  it('is read with what the type gives', async () => {
    const { spec, err } = await read('vm.yaml', 'type.yaml');
    expect(spec).toMatchObject({
      cpu: { cores: 4 },
      memory: '8GiB',
      gpus: [{ name: 'gpu0', device: { id: '10de:2236' } }],
    });
    expect(err).toContain('VirtualMachineClusterInstancetype gpu.large');
    expect((await read('list.yaml')).spec).toEqual(spec);
  });

  it('is read with what virt-api makes of it', async () => {
    expect((await read('vm.yaml', 'expanded.yaml')).spec).toMatchObject({ memory: '4GiB' });
  });

  it('alone is told what is missing', async () => {
    const { spec, err } = await read('vm.yaml');
    expect(spec.memory).toBeUndefined();
    expect(err).toContain('not known here');
  });

  it('goes to other platforms with these values, and without the type', async () => {
    const options = ['--from', 'kubevirt', 'vm.yaml', 'type.yaml', '-o', join(cwd, 'out')];
    for (const to of ['proxmox', 'openstack']) {
      const { out } = await vmgpu(['migrate', ...options, '--to', to, '--json'], { cwd });
      const { plan, report } = JSON.parse(out);
      expect(JSON.stringify(plan)).toContain('8192');
      expect(report.map(({ code }: { code: string }) => code)).toContain('kubevirt.instancetype-expanded');
      const lost = report.filter(({ code }: { code: string }) => code === 'migrate.provider-option');
      expect(lost).toEqual([]);
    }
  });
});

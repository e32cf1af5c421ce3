import type { GpuVm } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import type { KubeOptions, Scenario } from '@vmgpu/simulators/kube';
import { afterEach, describe, expect, it } from 'vitest';
import { quickClock, startCluster, type TestCluster } from './cluster/cluster.ts';
import { a10s, draCluster, vfioClass } from './cluster/scenarios.ts';
import { intentOf, smallCatalog } from './support.ts';

/* GPUs from resource claims, end to end: device class and slices of NVIDIA's driver, our claim template, VM, claim, pod. */

let open: TestCluster | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function start(scenario: Scenario, intent: GpuVm, options: KubeOptions = {}) {
  const cluster = await startCluster({ scenario, ...options });
  open = cluster;
  const provider = await cluster.connect('ops');
  const snapshot = await provider.snapshot('platform', { vm: { name: intent.metadata.name } });
  const plan = provider.translate.plan(intent, snapshot, { catalog: smallCatalog });
  return { cluster, provider, snapshot, plan, operation: apply(plan, provider, { clock: quickClock }) };
}

const h100 = {
  node: 'gpu-3',
  address: '0000:17:00.0',
  deviceID: '0x2331',
  productName: 'GH100 [H100 PCIe]',
} as const;

const wish = (device: object, count = 1) =>
  intentOf({ memory: '8GiB', gpus: [{ name: 'gpu0', mode: 'passthrough', device, count }] });

const claimsOf = ({ kube }: TestCluster) =>
  kube.objects('resourceclaims.resource.k8s.io').map(({ metadata, spec, status }) => ({
    name: metadata.name.replace(/^virt-launcher-train-1-\w+/, 'POD'),
    requests: spec.devices.requests.map(({ name }: { name: string }) => name),
    devices: status?.allocation?.devices.results,
    reserved: status?.reservedFor?.length,
  }));

describe('GPUs from resource claims', () => {
  it('two cards by id: template, claim, allocation, launcher pod, and all of it taken back', async () => {
    const { cluster, provider, snapshot, plan, operation } = await start(
      draCluster([h100, ...a10s]),
      wish({ id: '10de:2236' }, 2),
    );
    expect(snapshot.provider).toBe('dra');
    expect(plan.steps.map(({ id }) => id)).toEqual([
      'resourceclaimtemplate/vms/train-1-gpu0',
      'vm/vms/train-1',
    ]);
    const result = await operation;
    expect(result.steps.map(({ status }) => status)).toEqual(['created', 'created']);

    const [template] = cluster.kube.objects('resourceclaimtemplates.resource.k8s.io');
    expect(template?.spec.spec.devices.requests[0]).toEqual({
      name: 'gpu0-0',
      exactly: {
        deviceClassName: 'vfio.gpu.nvidia.com',
        allocationMode: 'ExactCount',
        count: 1,
        selectors: [{ cel: { expression: 'device.attributes["gpu.nvidia.com"].deviceID.endsWith("2236")' } }],
      },
    });
    const device = { driver: 'gpu.nvidia.com', pool: 'gpu-1' };
    expect(claimsOf(cluster)).toEqual([
      {
        name: 'POD-gpu0',
        requests: ['gpu0-0', 'gpu0-1'],
        devices: [
          { request: 'gpu0-0', ...device, device: 'gpu-vfio-0' },
          { request: 'gpu0-1', ...device, device: 'gpu-vfio-1' },
        ],
        reserved: 1,
      },
    ]);
    const vm = cluster.kube.objects('virtualmachines.kubevirt.io')[0];
    expect(vm?.status.printableStatus).toBe('Running');
    expect(vm?.spec.template.spec.resourceClaims).toEqual([
      { name: 'gpu0', resourceClaimTemplateName: 'train-1-gpu0' },
    ]);
    const pod = cluster.kube
      .objects('pods')
      .find(({ metadata }) => metadata.name.startsWith('virt-launcher-'));
    expect([pod?.spec.nodeName, pod?.status.phase]).toEqual(['gpu-1', 'Running']);
    const compute = pod?.spec.containers.find(({ name }: { name: string }) => name === 'compute');
    expect(compute.resources.claims).toEqual([
      { name: 'gpu0', request: 'gpu0-0' },
      { name: 'gpu0', request: 'gpu0-1' },
    ]);
    expect(Object.keys(compute.resources.limits).filter((name) => name.startsWith('nvidia.com/'))).toEqual(
      [],
    );

    const again = await provider.snapshot('platform', { vm: { name: 'train-1' } });
    const same = provider.translate.plan(wish({ id: '10de:2236' }, 2), again, { catalog: smallCatalog });
    expect((await apply(same, provider, { clock: quickClock })).changed).toBe(false);

    await undo(operation.toJSON(), provider, { clock: quickClock });
    expect(cluster.kube.objects('virtualmachines.kubevirt.io')).toEqual([]);
    expect(cluster.kube.objects('resourceclaimtemplates.resource.k8s.io')).toEqual([]);
    expect(cluster.kube.errors).toEqual([]);
  });

  it('a board that has two ids: either does', async () => {
    const a100 = { ...h100, deviceID: '0x20b1', productName: 'GA100 [A100 PCIe 40GB]' };
    const { cluster, operation } = await start(
      draCluster([...a10s, a100]),
      wish({ board: 'NVIDIA A100 40GB PCIe' }),
    );
    await operation;
    const [template] = cluster.kube.objects('resourceclaimtemplates.resource.k8s.io');
    expect(template?.spec.spec.devices.requests[0].exactly.selectors[0].cel.expression).toBe(
      'device.attributes["gpu.nvidia.com"].deviceID.endsWith("20f1") || device.attributes["gpu.nvidia.com"].deviceID.endsWith("20b1")',
    );
    expect(claimsOf(cluster)[0]?.devices).toMatchObject([{ pool: 'gpu-3' }]);
  });

  it('one certain card, by its address', async () => {
    const device = { id: '10de:2236', address: '0000:b3:00.0' };
    const { cluster, operation } = await start(draCluster(), wish(device));
    await operation;
    expect(claimsOf(cluster)[0]?.devices).toMatchObject([{ device: 'gpu-vfio-1' }]);
  });

  it('with the gate that KubeVirt 1.8 still wants', async () => {
    const kubevirtVersion = 'v1.8.0';
    const { objects = [], ...rest } = draCluster();
    const older = objects.map((object) =>
      object.kind === 'KubeVirt'
        ? { ...object, status: { ...object.status, observedKubeVirtVersion: kubevirtVersion } }
        : object,
    );
    const scenario = { ...rest, objects: older };
    const { cluster, plan, operation } = await start(scenario, wish({ id: '10de:2236' }), {
      kubevirtVersion,
    });
    expect(plan.steps[0]?.id).toBe('config');
    await operation;
    expect(cluster.kube.objects('kubevirts.kubevirt.io')[0]?.spec.configuration).toEqual({
      developerConfiguration: { featureGates: ['GPUsWithDRA'] },
    });
  });

  const failures: readonly (readonly [string, Scenario, GpuVm, object])[] = [
    [
      'more cards than a node has',
      draCluster(),
      wish({ id: '10de:2236' }, 3),
      { code: 'capacity', message: expect.stringContaining('cannot allocate all claims') },
    ],
    [
      'a card that is nowhere',
      draCluster(),
      wish({ id: '10de:2331' }),
      { code: 'capacity', message: expect.stringContaining('cannot allocate all claims') },
    ],
    [
      'a device class whose selector fails',
      draCluster(a10s, vfioClass(["device.attributes['gpu.nvidia.com'].model == 'A10'"])),
      wish({ id: '10de:2236' }),
      {
        code: 'refused',
        message: expect.stringContaining(
          'class vfio.gpu.nvidia.com: selector #0: CEL runtime error: no such key: model',
        ),
        hint: expect.stringContaining('CEL selectors'),
      },
    ],
  ];
  it.each(failures)(
    '%s: said with its cause, and nothing stays',
    async (_name, scenario, intent, failure) => {
      const { cluster, operation } = await start(scenario, intent);
      const error = await operation.then(
        () => undefined,
        (reason) => reason,
      );
      expect(error).toMatchObject({ code: 'apply-failed', details: { failure } });
      for (const kind of ['virtualmachines.kubevirt.io', 'resourceclaimtemplates.resource.k8s.io'])
        expect(cluster.kube.objects(kind)).toEqual([]);
    },
  );
});

import { describe, expect, it } from 'vitest';
import { sampleKubeVirt, sampleNamespace, sampleNode, sampleScenario, startKube } from '../src/kube/index.ts';
import { type Body, clientOf, kubevirt, machine, nodes, vmis, vms, withKube } from './kube-client.ts';

const a10 = 'nvidia.com/GA102GL_A10';
const permitted = {
  permittedHostDevices: {
    pciHostDevices: [{ pciVendorSelector: '10DE:2236', resourceName: a10, externalResourceProvider: true }],
  },
};
const gpuNode = (name: string, count: number) => sampleNode(name, { allocatable: { [a10]: String(count) } });
const scenario = {
  objects: [
    ...['vms', 'kubevirt'].map(sampleNamespace),
    gpuNode('gpu-1', 2),
    gpuNode('gpu-2', 2),
    gpuNode('gpu-3', 2),
    sampleKubeVirt(permitted),
  ],
};
const pods = '/api/v1/namespaces/vms/pods';
const start = '/apis/subresources.kubevirt.io/v1/namespaces/vms/virtualmachines';
const long = 1000;
const conditionOf = (object: Body, type: string) =>
  object.status.conditions.find((condition: Body) => condition.type === type);
const pod = (name: string, count: number) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', resources: { limits: { [a10]: String(count) } } }] },
});

describe('nodes and the scheduler', () => {
  it('binds a pod and says so', () =>
    withKube({ scenario }, async ({ get, post }, simulator) => {
      await post(pods, pod('p1', 2));
      simulator.advance(long);
      expect((await get(`${pods}/p1`)).body).toMatchObject({
        spec: { nodeName: 'gpu-1' },
        status: { phase: 'Running' },
      });
      const { items } = (await get('/api/v1/namespaces/vms/events?fieldSelector=reason=Scheduled')).body;
      expect(items[0].message).toBe('Successfully assigned vms/p1 to gpu-1');
    }));

  const unschedulable = async (
    wanted: number,
    before: number,
    prepare?: (client: ReturnType<typeof clientOf>) => Promise<void>,
  ) => {
    let text = '';
    await withKube({ scenario }, async (client, simulator) => {
      await prepare?.(client);
      for (let index = 0; index < before; index += 1) await client.post(pods, pod(`before-${index}`, 2));
      simulator.advance(long);
      await client.post(pods, pod('p', wanted));
      simulator.advance(long);
      const { body } = await client.get(`${pods}/p`);
      expect(body.status.phase).toBe('Pending');
      text = conditionOf(body, 'PodScheduled').message;
      const events = await client.get('/api/v1/namespaces/vms/events?fieldSelector=reason=FailedScheduling');
      expect(events.body.items[0].message).toBe(text);
    });
    return text;
  };
  const head = '0/3 nodes are available:';

  it('says why a pod has no place, as the real one does', async () => {
    expect(await unschedulable(3, 0)).toBe(
      `${head} 3 Insufficient ${a10}. no new claims to deallocate, preemption: ${head} 3 Preemption is not helpful for scheduling.`,
    );
    expect(await unschedulable(1, 3)).toBe(
      `${head} 3 Insufficient ${a10}. no new claims to deallocate, preemption: ${head} 3 No preemption victims found for incoming pod.`,
    );
    const taint = async ({ merge }: ReturnType<typeof clientOf>) => {
      for (const name of ['gpu-1', 'gpu-2', 'gpu-3']) {
        await merge(`${nodes}/${name}`, { spec: { taints: [{ key: 'x', effect: 'NoSchedule' }] } });
      }
    };
    expect(await unschedulable(1, 0, taint)).toBe(
      `${head} 3 node(s) had untolerated taint(s). no new claims to deallocate, preemption: ${head} 3 Preemption is not helpful for scheduling.`,
    );
  });

  it('binds a waiting pod by itself when a GPU gets free', () =>
    withKube({ scenario }, async ({ get, post, remove }, simulator) => {
      for (let index = 0; index < 4; index += 1) await post(pods, pod(`p${index}`, 2));
      simulator.advance(long);
      expect((await get(`${pods}/p3`)).body.spec.nodeName).toBeUndefined();
      await remove(`${pods}/p0?gracePeriodSeconds=0`);
      simulator.advance(long);
      expect((await get(`${pods}/p3`)).body.spec.nodeName).toBe('gpu-1');
    }));

  it('keeps the status of a node that is posted, and taints it', () =>
    withKube({ scenario }, async ({ get, post, merge }) => {
      await post(nodes, gpuNode('new', 4));
      const { body } = await get(`${nodes}/new`);
      expect(body.status.allocatable[a10]).toBe('4');
      expect(body.spec.taints).toEqual([{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
      expect((await merge(`${nodes}/new`, { spec: { taints: null } })).body.spec.taints).toBeUndefined();
    }));

  it('lets a pod on a lost or unplayed node terminate for ever, unless it is forced', () =>
    withKube({ scenario, controllers: { nodeAgent: false } }, async ({ get, post, remove }, simulator) => {
      await post(pods, pod('p', 1));
      simulator.advance(long);
      await remove(`${pods}/p`);
      simulator.advance(long * 100);
      expect((await get(`${pods}/p`)).body.metadata.deletionTimestamp).toBeTruthy();
      await remove(`${pods}/p?gracePeriodSeconds=0`);
      expect((await get(`${pods}/p`)).status).toBe(404);
    }));

  it('marks a lost node', () =>
    withKube({ scenario }, async ({ get }, simulator) => {
      simulator.loseNode('gpu-1');
      const { body } = await get(`${nodes}/gpu-1`);
      expect(conditionOf(body, 'Ready')).toMatchObject({
        status: 'Unknown',
        message: 'Kubelet stopped posting node status.',
      });
      expect(body.spec.taints[0].key).toBe('node.kubernetes.io/unreachable');
      simulator.returnNode('gpu-1');
      expect((await get(`${nodes}/gpu-1`)).body.spec.taints).toBeUndefined();
    }));

  it('allocates devices of resource claims', () =>
    withKube({ scenario }, async ({ get, post }, simulator) => {
      const dra = '/apis/resource.k8s.io/v1';
      const apiVersion = 'resource.k8s.io/v1';
      const expression =
        "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'vfio'";
      const selectors = [{ cel: { expression } }];
      await post(`${dra}/deviceclasses`, {
        apiVersion,
        kind: 'DeviceClass',
        metadata: { name: 'vfio.gpu.nvidia.com' },
        spec: { selectors },
      });
      const device = (name: string, type: string) => ({ name, attributes: { type: { string: type } } });
      await post(`${dra}/resourceslices`, {
        apiVersion,
        kind: 'ResourceSlice',
        metadata: { name: 'gpu-2-slice' },
        spec: {
          nodeName: 'gpu-2',
          driver: 'gpu.nvidia.com',
          pool: { name: 'gpu-2' },
          devices: [device('gpu-0', 'gpu'), device('vfio-0', 'vfio')],
        },
      });
      const requests = [{ name: 'gpu', exactly: { deviceClassName: 'vfio.gpu.nvidia.com' } }];
      const claim = {
        apiVersion,
        kind: 'ResourceClaim',
        metadata: { name: 'c' },
        spec: { devices: { requests } },
      };
      await post(`${dra}/namespaces/vms/resourceclaims`, claim);
      const spec = { containers: [{ name: 'c' }], resourceClaims: [{ name: 'gpu', resourceClaimName: 'c' }] };
      await post(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec });
      simulator.advance(long);
      expect((await get(`${pods}/p`)).body.spec.nodeName).toBe('gpu-2');
      const { status } = (await get(`${dra}/namespaces/vms/resourceclaims/c`)).body;
      expect(status.allocation.devices.results).toEqual([
        { request: 'gpu', driver: 'gpu.nvidia.com', pool: 'gpu-2', device: 'vfio-0' },
      ]);
      expect(status.reservedFor[0].name).toBe('p');
    }));
});

describe('life of a VM', () => {
  it('goes from creation to Running, and through stop to Stopped', () =>
    withKube({ scenario }, async ({ get, post, put, watch }, simulator) => {
      const made = await post(`${vms}?fieldValidation=Strict`, machine('good', [a10, a10]));
      expect(made.status).toBe(201);
      expect(made.body.spec.template.spec).toMatchObject({
        architecture: 'amd64',
        domain: { machine: { type: 'q35' }, resources: {} },
      });
      expect(made.body.spec.template.spec.domain.firmware.uuid).toBeTruthy();
      const stream = await watch(`${vms}?watch=1`);
      simulator.advance(long);
      const vm = (await get(`${vms}/good`)).body;
      expect(vm.status).toMatchObject({ printableStatus: 'Running', ready: true, created: true });
      const vmi = (await get(`${vmis}/good`)).body;
      expect(vmi.status).toMatchObject({ phase: 'Running', memory: { memoryOverhead: '1300Mi' } });
      expect(vmi.metadata.labels['kubevirt.io/nodeName']).toBe(vmi.status.nodeName);
      expect(conditionOf(vmi, 'LiveMigratable')).toMatchObject({ status: 'False' });
      const launcher = (await get(pods)).body.items[0];
      const { resources } = launcher.spec.containers[0];
      expect(resources.limits).toEqual({
        [a10]: '2',
        'devices.kubevirt.io/kvm': '1',
        'devices.kubevirt.io/tun': '1',
        'devices.kubevirt.io/vhost-net': '1',
      });
      expect(resources.requests).toMatchObject({
        cpu: '200m',
        memory: '3348Mi',
        'ephemeral-storage': '50M',
        [a10]: '2',
      });
      expect(launcher.spec.containers).toHaveLength(3);
      const seen = [...new Set(stream.events.map(({ object }) => object.status?.printableStatus))];
      expect(seen.filter(Boolean)).toEqual(['Starting', 'Running']);
      stream.close();

      const stopped = await put(`${start}/good/stop`, {});
      expect(stopped.status).toBe(202);
      simulator.advance(0);
      expect((await get(`${vms}/good`)).body.status.printableStatus).toBe('Stopping');
      expect((await get(`${vmis}/good`)).body.metadata.finalizers).toHaveLength(2);
      simulator.advance(long);
      expect((await get(`${vms}/good`)).body).toMatchObject({
        spec: { runStrategy: 'Halted' },
        status: { printableStatus: 'Stopped' },
      });
      expect((await get(`${vmis}/good`)).status).toBe(404);
      expect((await get(pods)).body.items).toEqual([]);
      expect((await put(`${start}/good/stop`, {})).body).toMatchObject({ code: 409, reason: 'Conflict' });
      expect((await put(`${start}/good/start`, {})).status).toBe(202);
      simulator.advance(long);
      expect((await get(`${vms}/good`)).body.status.printableStatus).toBe('Running');
    }));

  it('hangs in Starting when a GPU is not permitted, and goes on when it is', () =>
    withKube({ scenario }, async ({ get, post, merge }, simulator) => {
      expect((await post(vms, machine('a', ['nvidia.com/UNKNOWN']))).status).toBe(201);
      simulator.advance(long);
      const vm = (await get(`${vms}/a`)).body;
      expect(vm.status.printableStatus).toBe('Starting');
      const message =
        'failed to render launch manifest: GPU nvidia.com/UNKNOWN is not permitted in permittedHostDevices configuration';
      expect(conditionOf(vm, 'Synchronized')).toMatchObject({
        status: 'False',
        reason: 'FailedCreate',
        message,
      });
      expect(conditionOf(vm, 'Ready')).toMatchObject({
        reason: 'PodNotExists',
        message: 'virt-launcher pod has not yet been scheduled',
      });
      expect((await get(`${vmis}/a`)).body.status.phase).toBe('Pending');
      const entry = { pciVendorSelector: '10DE:1', resourceName: 'nvidia.com/UNKNOWN' };
      const configuration = { permittedHostDevices: { pciHostDevices: [entry] } };
      await merge(kubevirt, { spec: { configuration } });
      simulator.advance(long);
      const after = (await get(`${vms}/a`)).body;
      expect(after.status.printableStatus).toBe('ErrorUnschedulable');
      expect(conditionOf(after, 'PodScheduled')).toMatchObject({ status: 'False', reason: 'Unschedulable' });
    }));

  it('ignores a KubeVirt CR that is not Deployed, and needs an architecture from one that is', () =>
    withKube({ scenario, controllers: { virtOperator: false } }, async ({ get, post, merge }, simulator) => {
      await merge(`${kubevirt}/status`, { status: { phase: null } });
      await post(vms, machine('ignored', ['nvidia.com/UNKNOWN']));
      simulator.advance(long);
      expect((await get(pods)).body.items).toHaveLength(1);
      await merge(`${kubevirt}/status`, { status: { phase: 'Deployed', defaultArchitecture: null } });
      await post(vms, machine('b', [a10]));
      simulator.advance(long);
      expect(conditionOf((await get(`${vms}/b`)).body, 'Failure')).toMatchObject({
        reason: 'FailedCreate',
        message:
          'Failure while starting VMI: admission webhook "virtualmachineinstances-create-validator.kubevirt.io" denied the request: unsupported architecture: ',
      });
    }));

  it('marks a running VM whose GPUs change, and restarts it on request', () =>
    withKube({ scenario }, async ({ get, post, put, json }, simulator) => {
      await post(vms, machine('a', [a10]));
      simulator.advance(long);
      const gpus = '/spec/template/spec/domain/devices/gpus';
      await json(`${vms}/a`, [{ op: 'replace', path: gpus, value: [] }]);
      simulator.advance(long);
      expect(conditionOf((await get(`${vms}/a`)).body, 'RestartRequired')).toMatchObject({ status: 'True' });
      const before = (await get(`${vmis}/a`)).body.metadata.uid;
      expect((await put(`${start}/a/restart`, {})).status).toBe(202);
      simulator.advance(long);
      const { body } = await get(`${vms}/a`);
      expect(conditionOf(body, 'RestartRequired')).toBeUndefined();
      expect(body.status.printableStatus).toBe('Running');
      expect((await get(`${vmis}/a`)).body.metadata.uid).not.toBe(before);
    }));

  it('deletes a VM with all that is its own', () =>
    withKube({ scenario }, async ({ get, post, remove }, simulator) => {
      await post(vms, machine('a', [a10]));
      simulator.advance(long);
      await remove(`${vms}/a`);
      expect((await get(`${vms}/a`)).body.metadata.deletionTimestamp).toBeTruthy();
      simulator.advance(0);
      expect((await get(`${vms}/a`)).body.status.printableStatus).toBe('Terminating');
      simulator.advance(long);
      for (const path of [`${vms}/a`, `${vmis}/a`]) expect((await get(path)).status).toBe(404);
      expect((await get(pods)).body.items).toEqual([]);
    }));

  it('keeps the status of instances for KubeVirt’s accounts, and a handler to its node', () =>
    withKube({ scenario }, async ({ get, post, send, put }, simulator) => {
      await post(vms, machine('a', [a10]));
      simulator.advance(long);
      const { body } = await get(`${vmis}/a`);
      body.status.phase = 'Failed';
      const asAdmin = await put(`${vmis}/a`, body);
      expect(asAdmin.status).toBe(200);
      expect(asAdmin.body.status.phase).toBe('Running');
      const account = {
        'impersonate-user': 'system:serviceaccount:kubevirt:kubevirt-handler',
        'impersonate-group': 'system:masters',
      };
      const node = 'impersonate-extra-authentication.kubernetes.io%2Fnode-name';
      const patch = (headers: Record<string, string>) =>
        send(
          'PATCH',
          `${vmis}/a`,
          { status: { phase: 'Failed' } },
          { type: 'application/merge-patch+json', headers },
        );
      expect((await patch(account)).body.message).toContain(
        'virt-handler service account is missing node name',
      );
      expect((await patch({ ...account, [node]: 'gpu-9' })).body.message).toContain(
        'only allowed to modify VMIs it owns',
      );
      expect((await patch({ ...account, [node]: body.status.nodeName })).body.status.phase).toBe('Failed');
    }));

  it('meets failures on the node and in the domain', () =>
    withKube(
      {
        scenario: {
          ...scenario,
          launcherFailures: [
            {
              vm: 'numa',
              at: 'kubelet',
              reason: 'TopologyAffinityError',
              message: 'Resources cannot be allocated with Topology locality',
            },
          ],
        },
      },
      async ({ get, post }, simulator) => {
        const dotted = machine('dotted', [a10]);
        dotted.spec.template.spec.domain.devices.gpus[0].name = 'gpu.0';
        await post(vms, dotted);
        await post(vms, machine('numa', [a10], { runStrategy: 'Once' }));
        simulator.advance(long);
        expect(conditionOf((await get(`${vmis}/dotted`)).body, 'Synchronized').message).toContain(
          'ua-gpu-gpu.0',
        );
        expect((await get(`${vmis}/numa`)).body.status).toMatchObject({
          phase: 'Failed',
          reason: 'TopologyAffinityError',
        });
      },
    ));

  it('refuses a resource name that Kubernetes does not take when the pod is made', () =>
    withKube(
      { scenario: { ...scenario, objects: [...scenario.objects.slice(0, -1), sampleKubeVirt()] } },
      async ({ get, post }, simulator) => {
        await post(vms, machine('a', ['nvidia.com /GRID_P4-1Q']));
        simulator.advance(long);
        const { items } = (await get('/api/v1/namespaces/vms/events?fieldSelector=reason=FailedCreate')).body;
        expect(items[0].message).toContain('Invalid value: "nvidia.com /GRID_P4-1Q"');
      },
    ));

  it('waits for the DataVolumes of its templates, and for claims that others make', () =>
    withKube(
      { scenario: { ...scenario, products: ['kubevirt', 'cdi'] } },
      async ({ get, post }, simulator) => {
        const storage = { resources: { requests: { storage: '10Gi' } } };
        const dataVolumeTemplates = [
          { metadata: { name: 'disk' }, spec: { storage, source: { blank: {} } } },
        ];
        const filled = machine('filled', [a10], { dataVolumeTemplates });
        filled.spec.template.spec.volumes[0] = { name: 'root', dataVolume: { name: 'disk' } };
        const lacking = machine('lacking', [a10]);
        lacking.spec.template.spec.volumes[0] = {
          name: 'root',
          persistentVolumeClaim: { claimName: 'later' },
        };
        await post(vms, filled);
        await post(vms, lacking);
        simulator.advance(0);
        const status = async (name: string) => (await get(`${vms}/${name}`)).body.status.printableStatus;
        expect([await status('filled'), await status('lacking')]).toEqual([
          'Provisioning',
          'ErrorPvcNotFound',
        ]);
        const claims = '/api/v1/namespaces/vms/persistentvolumeclaims';
        await post(claims, {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'later' },
          spec: {},
        });
        simulator.advance(long);
        expect([await status('filled'), await status('lacking')]).toEqual(['Running', 'Running']);
        expect((await get(`${claims}/disk`)).body.status.phase).toBe('Bound');
      },
    ));

  it('takes GPUs from an instance type, not from both', () =>
    withKube({ scenario }, async ({ get, post }, simulator) => {
      const types = '/apis/instancetype.kubevirt.io/v1beta1/virtualmachineclusterinstancetypes';
      await post(types, {
        apiVersion: 'instancetype.kubevirt.io/v1beta1',
        kind: 'VirtualMachineClusterInstancetype',
        metadata: { name: 'gpu.large' },
        spec: { cpu: { guest: 4 }, memory: { guest: '8Gi' }, gpus: [{ name: 'g', deviceName: a10 }] },
      });
      const instancetype = { name: 'gpu.large' };
      const both = machine('both', [a10], { instancetype });
      delete both.spec.template.spec.domain.cpu;
      delete both.spec.template.spec.domain.memory;
      const refused = await post(vms, both);
      expect(refused.body.details.causes[0].field).toBe('spec.template.spec.domain.devices.gpus');
      delete both.spec.template.spec.domain.devices.gpus;
      expect((await post(vms, both)).status).toBe(201);
      simulator.advance(long);
      const { requests } = (await get(pods)).body.items[0].spec.containers[0].resources;
      expect(requests).toMatchObject({ [a10]: '1', cpu: '400m', memory: '9508Mi' });
      const unknown = await post(vms, machine('x', [], { instancetype: { name: 'none' } }));
      expect(unknown.body.message).toContain(
        'virtualmachineclusterinstancetypes.instancetype.kubevirt.io "none" not found',
      );
    }));

  it('puts a preference onto a VM, and expands it for whoever asks', () =>
    withKube({ scenario }, async ({ get, post, put }, simulator) => {
      const api = '/apis/instancetype.kubevirt.io/v1beta1';
      const object = (kind: string, spec: object) => ({
        apiVersion: 'instancetype.kubevirt.io/v1beta1',
        kind,
        metadata: { name: 'own' },
        spec,
      });
      const type = { cpu: { guest: 4 }, memory: { guest: '8Gi', overcommitPercent: 50 } };
      await post(
        `${api}/namespaces/vms/virtualmachineinstancetypes`,
        object('VirtualMachineInstancetype', type),
      );
      const wishes = {
        annotations: { os: 'linux' },
        cpu: { preferredCPUTopology: 'cores' },
        machine: { preferredMachineType: 'pc-q35-9.0' },
        requirements: { cpu: { guest: 4 }, memory: { guest: '16Gi' } },
      };
      const path = `${api}/namespaces/vms/virtualmachinepreferences`;
      await post(path, object('VirtualMachinePreference', wishes));
      const vm = machine('own', [], {
        instancetype: { kind: 'VirtualMachineInstancetype', name: 'own' },
        preference: { kind: 'virtualmachinepreferences', name: 'own' },
      });
      delete vm.spec.template.spec.domain.cpu;
      delete vm.spec.template.spec.domain.memory;
      expect((await post(vms, vm)).body).toMatchObject({
        message:
          'admission webhook "virtualmachine-validator.kubevirt.io" denied the request: failure checking preference requirements: insufficient Memory resources of 8Gi provided by instance type, preference requires 16Gi',
        details: { causes: [{ field: 'spec.instancetype' }] },
      });
      const stored = (await get(`${path}/own`)).body;
      stored.spec.requirements.memory.guest = '8Gi';
      await put(`${path}/own`, stored);
      const made = (await post(vms, vm)).body;
      expect(made.spec.template.spec.domain.machine).toEqual({ type: 'pc-q35-9.0' });
      expect(made.spec.template.spec.domain.cpu).toBeUndefined();
      const expanded = (await get(`${start}/own/expand-spec`)).body;
      expect(expanded.spec).not.toHaveProperty('instancetype');
      expect(expanded.spec).not.toHaveProperty('preference');
      expect(expanded.spec.template).toMatchObject({
        metadata: { annotations: { os: 'linux' } },
        spec: {
          domain: {
            cpu: { cores: 4, sockets: 1, threads: 1 },
            memory: { guest: '8Gi' },
            resources: { requests: { memory: '4Gi' } },
          },
        },
      });
      expect((await put(`${start}/own/expand-spec`, {})).status).toBe(404);
      expect((await get(`${start}/none/expand-spec`)).status).toBe(404);
      simulator.advance(long);
      expect((await get(`${vms.replace(/s$/, 'instances')}/own`)).body.spec.domain.cpu.cores).toBe(4);
      expect(simulator.errors).toEqual([]);
    }));

  it('refuses matchers that name nothing, the wrong kind, or what cannot be spread', () =>
    withKube({ scenario }, async ({ post }) => {
      const refusal = async (spec: object) => {
        const { body } = await post(vms, machine('x', [], spec));
        return body.message.replace(/^admission webhook "(.*)" denied the request: /, '$1: ');
      };
      expect(await refusal({ preference: {} })).toBe(
        'virtualmachines-mutator.kubevirt.io: Either Name or InferFromVolume should be provided within the preference matcher',
      );
      expect(await refusal({ instancetype: { name: 'x', kind: 'Flavor' } })).toBe(
        'virtualmachine-validator.kubevirt.io: Failure to find instancetype: got unexpected kind in InstancetypeMatcher: Flavor',
      );
      expect(await refusal({ instancetype: { name: 'x', revisionName: 'r' } })).toContain(
        'controllerrevisions.apps "r" not found',
      );
      const apiVersion = 'instancetype.kubevirt.io/v1beta1';
      const metadata = { name: 'x' };
      const kinds = `/apis/${apiVersion}/virtualmachinecluster`;
      const type = { kind: 'VirtualMachineClusterInstancetype', spec: { cpu: { guest: 3 }, memory: {} } };
      await post(`${kinds}instancetypes`, { apiVersion, metadata, ...type });
      const spread = { preferredCPUTopology: 'spread', spreadOptions: { across: 'CoresThreads' } };
      const wishes = { kind: 'VirtualMachineClusterPreference', spec: { cpu: spread } };
      await post(`${kinds}preferences`, { apiVersion, metadata, ...wishes });
      expect(await refusal({ instancetype: metadata, preference: metadata })).toBe(
        'virtualmachine-validator.kubevirt.io: 3 vCPUs provided by the instance type are not divisible by the number of threads per core 2',
      );
    }));

  it('follows run strategies when the guest ends by itself', () =>
    withKube({ scenario }, async ({ get, post, put }, simulator) => {
      const after = async (runStrategy: string, phase: 'Succeeded' | 'Failed') => {
        const name = `${runStrategy}-${phase}`.toLowerCase();
        await post(vms, machine(name, [], { runStrategy }));
        if (runStrategy === 'Manual') expect((await put(`${start}/${name}/start`, {})).status).toBe(202);
        simulator.advance(long);
        const before = (await get(`${vmis}/${name}`)).body;
        expect(before.status.phase).toBe('Running');
        simulator.guestExit('vms', name, phase);
        simulator.advance(long);
        const { status, metadata } = (await get(`${vmis}/${name}`)).body;
        return `${status.phase} ${metadata.uid === before.metadata.uid ? 'same' : 'new'}`;
      };
      expect(await after('Always', 'Succeeded')).toBe('Running new');
      expect(await after('RerunOnFailure', 'Failed')).toBe('Running new');
      expect(await after('RerunOnFailure', 'Succeeded')).toBe('Succeeded same');
      expect(await after('Once', 'Failed')).toBe('Failed same');
      expect(await after('Manual', 'Succeeded')).toBe('Succeeded same');
    }));

  it('runs by the real clock as well: 300 VMs on 150 nodes', async () => {
    const objects = [
      ...['vms', 'kubevirt'].map(sampleNamespace),
      ...Array.from({ length: 150 }, (_, index) => gpuNode(`node-${index}`, 2)),
      sampleKubeVirt(permitted),
    ];
    const simulator = await startKube({ scenario: { objects }, timings: { kubelet: 0, handler: 0 } });
    const { post, watch } = clientOf(simulator);
    const stream = await watch(`${vmis}?watch=1&resourceVersion=0`);
    const running = new Set<string>();
    await Promise.all(Array.from({ length: 300 }, (_, index) => post(vms, machine(`vm-${index}`, [a10]))));
    let seen = 0;
    while (running.size < 300) {
      const events = await stream.until(seen + 1);
      for (const { object } of events.slice(seen))
        if (object.status?.phase === 'Running') running.add(object.metadata.name);
      seen = events.length;
    }
    expect(running.size).toBe(300);
    stream.close();
    await simulator.close();
  });
});

describe('strict validation without schemas', () => {
  it('finds keys on the wrong level', () =>
    withKube({ scenario: sampleScenario() }, async ({ post }) => {
      const wrong = machine('a', []);
      wrong.spec.template.spec.gpus = [];
      wrong.spec.template.spec.domain.gpus = [];
      const strict = await post(`${vms}?fieldValidation=Strict`, wrong);
      expect(strict.body).toMatchObject({ code: 400, reason: 'BadRequest' });
      expect(strict.body.message).toBe(
        'VirtualMachine in version "v1" cannot be handled as a VirtualMachine: strict decoding error: unknown field "spec.template.spec.domain.gpus", unknown field "spec.template.spec.gpus"',
      );
      const warned = await post(vms, wrong);
      expect(warned.status).toBe(201);
      expect(warned.headers.get('warning')).toBe(
        '299 - "unknown field \\"spec.template.spec.domain.gpus\\"", 299 - "unknown field \\"spec.template.spec.gpus\\""',
      );
      expect(warned.body.spec.template.spec.gpus).toBeUndefined();
      const ignored = await post(`${vms}?fieldValidation=Ignore`, { ...wrong, metadata: { name: 'b' } });
      expect(ignored.status).toBe(201);
      expect(ignored.headers.get('warning')).toBeNull();
    }));
});

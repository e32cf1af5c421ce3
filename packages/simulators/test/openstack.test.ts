import { afterEach, describe, expect, it } from 'vitest';
import { defaultScenario, type OpenStackSimOptions } from '../src/openstack/index.ts';
import { type Bench, passwordBody, startBench } from './openstack-client.ts';

let bench: Bench;
afterEach(() => bench.sim.close());

const tiny = '8f6f0c0e-7f0e-4c7a-9a53-0d2f6f8f1c11';
const gpuConf = `[DEFAULT]
allow_resize_to_same_host = true
[pci]
device_spec = {"vendor_id": "10de", "product_id": "2236"}
alias = {"name": "a10", "vendor_id": "10de", "product_id": "2236", "device_type": "type-PF"}
[devices]
enabled_mdev_types = nvidia-63
[filter_scheduler]
enabled_filters = ComputeFilter,PciPassthroughFilter
`;
const onAll = (text: string) =>
  (['nova-compute', 'nova-api', 'nova-scheduler'] as const).map((service) => ({ service, text }));

async function begin(options: OpenStackSimOptions = {}, user = 'admin'): Promise<void> {
  bench = await startBench({
    scenario: { ...defaultScenario(), config: onAll(gpuConf) },
    times: { scheduleMs: 500, buildMs: 3_000, deleteMs: 1_000, resizeMs: 2_000 },
    ...options,
  });
  await bench.logIn(user);
}

async function makeFlavor(name: string, extraSpecs: Record<string, string>): Promise<void> {
  const flavor = { id: name, name, vcpus: 1, ram: 512, disk: 1 };
  expect((await bench.call('POST /compute/v2.1/flavors', { json: { flavor } })).status).toBe(200);
  const json = { extra_specs: extraSpecs };
  const set = await bench.call(`POST /compute/v2.1/flavors/${name}/os-extra_specs`, { json });
  expect([set.status, set.body]).toEqual([200, json]);
}

async function order(flavorRef: string, name = 'vm'): Promise<string> {
  const server = { name, flavorRef, imageRef: tiny, networks: 'none' };
  const answer = await bench.call('POST /compute/v2.1/servers', { version: '2.37', json: { server } });
  expect([answer.status, answer.text]).toEqual([202, expect.stringContaining('adminPass')]);
  expect(answer.headers.get('location')).toContain(answer.body.server.id);
  return answer.body.server.id;
}

async function look(id: string) {
  const { body } = await bench.call(`GET /compute/v2.1/servers/${id}`, { version: '2.47' });
  const { status, fault, flavor } = body.server;
  return {
    status,
    task: body.server['OS-EXT-STS:task_state'],
    fault: fault?.message,
    flavor: flavor.original_name,
  };
}

describe('a server', () => {
  it('is built in its time, holds its GPU, and gives it back', async () => {
    await begin();
    await makeFlavor('gpu', { 'pci_passthrough:alias': 'a10:1', 'resources:VGPU': '2' });
    const id = await order('gpu');
    expect(await look(id)).toMatchObject({ status: 'BUILD', task: 'scheduling' });
    bench.pass(600);
    expect(await look(id)).toMatchObject({ status: 'BUILD', task: 'spawning' });
    bench.pass(3_000);
    expect(await look(id)).toMatchObject({ status: 'ACTIVE', task: null, flavor: 'gpu' });
    expect(bench.sim.state.claims).toEqual({ 'gpu-host-1 0000:41:00.0': id });
    const held = await bench.call(`GET /placement/allocations/${id}`, { version: '1.28' });
    const amounts = Object.values(held.body.allocations).map(
      (one) => (one as { resources: object }).resources,
    );
    expect(amounts).toEqual([{ VCPU: 1, MEMORY_MB: 512, DISK_GB: 1 }, { VGPU: 2 }]);

    expect((await bench.call(`DELETE /compute/v2.1/servers/${id}`)).status).toBe(204);
    expect(await look(id)).toMatchObject({ status: 'ACTIVE', task: 'deleting' });
    expect((await bench.call(`DELETE /compute/v2.1/servers/${id}`)).status).toBe(204);
    bench.pass(1_000);
    expect((await bench.call(`GET /compute/v2.1/servers/${id}`)).status).toBe(404);
    expect(bench.sim.state).toMatchObject({ claims: {}, allocations: {}, servers: [] });
  });

  const failures: readonly (readonly [string, Record<string, string>, string, string])[] = [
    [
      'too many cards',
      { 'pci_passthrough:alias': 'a10:3' },
      gpuConf,
      'No valid host was found. There are not enough hosts available.',
    ],
    ['too many vGPUs', { 'resources:VGPU': '9' }, gpuConf, 'No valid host was found. '],
    [
      'no filter',
      { 'pci_passthrough:alias': 'a10:3' },
      gpuConf.replace(',PciPassthroughFilter', ''),
      'Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ID.',
    ],
    [
      'a device_spec that stops nova-compute',
      { 'resources:VGPU': '1' },
      gpuConf.replace('"2236"}\n', '"nvidia"}\n'),
      'No valid host was found. ',
    ],
  ];
  it.each(failures)('fails in ERROR: %s', async (_name, specs, text, message) => {
    await begin({ scenario: { ...defaultScenario(), config: onAll(text) } });
    await makeFlavor('gpu', specs);
    const id = await order('gpu');
    bench.pass(5_000);
    expect(await look(id)).toMatchObject({ status: 'ERROR', task: null, fault: message.replace('ID', id) });
    expect(bench.sim.state).toMatchObject({ claims: {}, allocations: {} });
  });

  it('is refused at once where nova-api knows the alias not, or cannot take it apart', async () => {
    await begin();
    await makeFlavor('unknown', { 'pci_passthrough:alias': 'a11:1' });
    await makeFlavor('torn', { 'pci_passthrough:alias': 'a10' });
    const refusal = async (flavorRef: string) => {
      const server = { name: 'x', flavorRef, imageRef: tiny, networks: 'none' };
      const answer = await bench.call('POST /compute/v2.1/servers', { version: '2.37', json: { server } });
      return [answer.status, Object.values(answer.body as object)[0].message];
    };
    expect(await refusal('unknown')).toEqual([400, 'PCI alias a11 is not defined']);
    expect(await refusal('torn')).toEqual([500, expect.stringContaining("<class 'ValueError'>")]);
  });

  it('is resized, confirmed once, reverted, or left as it was', async () => {
    await begin();
    await makeFlavor('gpu', { 'pci_passthrough:alias': 'a10:1' });
    await makeFlavor('all', { 'pci_passthrough:alias': 'a10:2' });
    const id = await order('1');
    bench.pass(4_000);
    const act = async (json: object) => {
      const answer = await bench.call(`POST /compute/v2.1/servers/${id}/action`, { json });
      return answer.status < 300 ? answer.status : Object.values(answer.body as object)[0].message;
    };
    expect(await act({ confirmResize: null })).toBe(
      `Cannot 'confirmResize' instance ${id} while it is in vm_state active`,
    );
    expect(await act({ resize: { flavorRef: 'gpu' } })).toBe(202);
    expect(await look(id)).toMatchObject({ status: 'RESIZE', task: 'resize_prep', flavor: 'm1.tiny' });
    bench.pass(2_000);
    expect(await look(id)).toMatchObject({ status: 'VERIFY_RESIZE', task: null, flavor: 'gpu' });
    expect(await act({ confirmResize: null })).toBe(204);
    expect(await act({ confirmResize: null })).toBe('Instance has not been resized.');
    bench.pass(2_000);
    expect(await look(id)).toMatchObject({ status: 'ACTIVE', flavor: 'gpu' });

    // Two more cards are not there while the first is held: Nova takes the resize back, and only the action tells.
    expect(await act({ resize: { flavorRef: 'all' } })).toBe(202);
    bench.pass(2_000);
    expect(await look(id)).toMatchObject({ status: 'ACTIVE', flavor: 'gpu' });
    const actions = await bench.call(`GET /compute/v2.1/servers/${id}/os-instance-actions`);
    const [newest] = actions.body.instanceActions;
    const one = await bench.call(`GET /compute/v2.1/servers/${id}/os-instance-actions/${newest.request_id}`, {
      version: '2.84',
    });
    expect(one.body.instanceAction).toMatchObject({ action: 'resize', events: [{ result: 'Error' }] });

    expect(await act({ resize: { flavorRef: '1' } })).toBe(202);
    bench.pass(2_000);
    expect(await act({ revertResize: null })).toBe(202);
    bench.pass(2_000);
    expect(await look(id)).toMatchObject({ status: 'ACTIVE', flavor: 'gpu' });
    expect(Object.values(bench.sim.state.claims)).toEqual([id]);
  });
});

describe('rights', () => {
  it('each service says 403 in its own words', async () => {
    await begin({}, 'tenant');
    const said = async (call: string, json?: unknown) => {
      const { status, body } = await bench.call(call, json ? { json, version: '1.36' } : {});
      expect(status).toBe(403);
      return body.forbidden?.message ?? body.errors?.[0].detail ?? body.error?.message ?? body.message;
    };
    expect(await said('GET /compute/v2.1/os-hypervisors/detail')).toBe(
      "Policy doesn't allow os_compute_api:os-hypervisors:list-detail to be performed.",
    );
    expect(await said('GET /placement/traits')).toBe(
      'Access was denied to this resource.\n\n Policy does not allow placement:traits:list to be performed.  ',
    );
    expect(await said('GET /identity/v3/services')).toBe(
      'You are not authorized to perform the requested action: identity:list_services.',
    );
  });

  it('a login needs the whole proof', async () => {
    await begin();
    const login = async (json: unknown) =>
      (await bench.call('POST /identity/v3/auth/tokens', { json, token: null })).status;
    const credential = (secret: string, scope?: object) => ({
      auth: {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: '21dced0fd20347869b93710d2b98aae0', secret },
        },
        ...(scope ? { scope } : {}),
      },
    });
    expect(await login(credential('admin-credential-secret'))).toBe(201);
    expect(await login(credential('wrong'))).toBe(401);
    expect(await login(credential('admin-credential-secret', { system: { all: true } }))).toBe(401);
    expect(await login(passwordBody('nobody', 'x'))).toBe(401);
    expect(await login({})).toBe(400);
  });
});

describe('tokens and faults', () => {
  it('a token ends with its time, and when it is taken away', async () => {
    await begin({ tokenMs: 60_000 });
    const status = async () => (await bench.call('GET /compute/v2.1/limits')).status;
    expect(await status()).toBe(200);
    bench.pass(60_000);
    expect(await status()).toBe(401);
    await bench.logIn();
    expect(await status()).toBe(200);
    bench.sim.expireTokens();
    expect(await status()).toBe(401);
  });

  it('come over the wire as they would', async () => {
    await begin();
    const { sim } = bench;
    const limits = () => bench.call('GET /compute/v2.1/limits');
    sim.setFault(() => ({ status: 429, message: 'slow down', retryAfter: '2' }));
    const slow = await limits();
    expect([slow.status, slow.headers.get('retry-after'), slow.body.overLimit.message]).toEqual([
      429,
      '2',
      'slow down',
    ]);
    sim.setFault(() => ({ status: 503, message: 'nobody home', html: true }));
    expect((await limits()).text).toContain('<h1>503 Service Unavailable</h1>');
    sim.setFault(() => ({ garble: true }));
    await expect(limits()).rejects.toThrow(SyntaxError);
    for (const fault of [{ cut: 'before' }, { cut: 'after' }, { truncate: true }] as const) {
      sim.setFault(() => fault);
      await expect(limits(), JSON.stringify(fault)).rejects.toThrow();
    }
    sim.setFault(undefined);
    expect((await limits()).status).toBe(200);
    expect(sim.counts()).toMatchObject({ 'compute GET /limits': 7 });
  });

  it('a state that was kept comes back', async () => {
    await begin();
    const before = bench.sim.snapshotState();
    await makeFlavor('gpu', {});
    bench.sim.restoreState(before);
    expect((await bench.call('GET /compute/v2.1/flavors/gpu')).status).toBe(404);
  });
});

describe('lists of servers', () => {
  const names = async (query: string) => {
    const { body } = await bench.call(`GET /compute/v2.1/servers/detail?${query}`, { version: '2.90' });
    return body.servers.map((server: { name: string }) => server.name).sort();
  };

  // As nova 26.2.2 on MariaDB answers.
  it.each([
    ['vm-a|vm-b', ['vm-a|vm-b']],
    ['^vm-a|vm-b$', ['vm-a|vm-b']],
    ['^vm-a\\|vm-b$', ['vm-a|vm-b', 'vm-b']],
    ['^VM', ['VM-C', 'vm-a', 'vm-a|vm-b', 'vm-b']],
    ['^x\\.y$', ['x.y']],
  ])('take a name as a regular expression in which | is a letter: %s', async (name, found) => {
    await begin();
    for (const one of ['vm-a', 'vm-b', 'vm-a|vm-b', 'VM-C', 'x.y']) await order('1', one);
    expect(await names(`name=${encodeURIComponent(name)}`)).toEqual(found);
  });

  it('have those that are gone among the changes only', async () => {
    await begin();
    const id = await order('1');
    bench.pass(10_000);
    await bench.call(`DELETE /compute/v2.1/servers/${id}`);
    bench.pass(10_000);
    expect(await names('')).toEqual([]);
    expect(await names('changes-since=2025-12-31T00:00:00Z')).toEqual(['vm']);
    expect(await names('changes-since=2026-01-02T00:00:00Z')).toEqual([]);
  });
});

describe('a server that asks for vGPUs of two classes', () => {
  const twoClasses = gpuConf.replace(
    'enabled_mdev_types = nvidia-63',
    `enabled_mdev_types = nvidia-63,nvidia-64
[mdev_nvidia-63]
device_addresses = 0000:c1:00.0
[mdev_nvidia-64]
device_addresses = 0000:c2:00.0
mdev_class = CUSTOM_LARGE`,
  );

  // As nova 26.2.2 does it, and says so in nova-compute's log only.
  it.each([
    [26, ['nvidia-63 on gpu-host-1 0000:c1:00.0']],
    [33, ['nvidia-63 on gpu-host-1 0000:c1:00.0', 'nvidia-64 on gpu-host-1 0000:c2:00.0']],
  ])('holds both, and on Nova %i its guest gets %j', async (release, mdevs) => {
    await begin({ scenario: { ...defaultScenario(), release, config: onAll(twoClasses) } });
    await makeFlavor('both', { 'resources:VGPU': '1', 'resources:CUSTOM_LARGE': '1' });
    const id = await order('both');
    bench.pass(10_000);
    expect(await look(id)).toMatchObject({ status: 'ACTIVE' });
    expect(Object.keys(bench.sim.state.allocations[id] ?? {})).toHaveLength(3);
    expect(bench.sim.state.mdevs[id]).toEqual(mdevs);
    await bench.call(`DELETE /compute/v2.1/servers/${id}`);
    bench.pass(10_000);
    await bench.call('GET /compute/v2.1/servers/detail');
    expect(bench.sim.state.mdevs).toEqual({});
  });
});

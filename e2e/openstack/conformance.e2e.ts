/** The conformance suite on the real services. VMGPU_EXHAUSTIVE=1 kills at every point there is. */
import { describeProvider, type Fixture, type Harness } from '@vmgpu/conformance';
import type { Clock, GpuVm } from '@vmgpu/core';
import { systemClock } from '@vmgpu/core/resilience';
import { createAxiosPort } from '@vmgpu/http';
import {
  createOpenStack,
  type HostWork,
  type OpenStackNative,
  type OpenStackSnapshot,
} from '@vmgpu/openstack';
import { afterAll, assert, beforeAll, describe, it } from 'vitest';
import { faultyPort, isWrite } from '../../packages/openstack/test/faulty-port.ts';
import {
  adminConnection,
  bringUp,
  configOf,
  gpuHost,
  restartNova,
  restoreNova,
  smallVm,
  sql,
} from './cloud.ts';
import { cleanCloud, patchTiny, rest, testUser } from './rest.ts';

/** As an operator writes it for one kind of card and one kind of vGPU. */
const byHand = `[pci]
device_spec = {"vendor_id": "10de", "product_id": "2236"}
alias = {"name": "a10", "vendor_id": "10de", "product_id": "2236", "device_type": "type-PF"}
[devices]
enabled_mdev_types = nvidia-63
`;
/** What is left for the plan to configure. Nova has it from the start, because restarting it for each test would take hours. */
const byPlan = `[filter_scheduler]
enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,PciPassthroughFilter
`;
const config = configOf({ '50-gpu.conf': byHand });

const base = smallVm('train-1', [
  { name: 'gpu0', mode: 'passthrough', device: { name: 'a10' } },
  { name: 'gpu1', mode: 'vgpu', profile: 'P4-1Q', device: { name: 'VGPU' } },
]);
const but = (spec: Partial<GpuVm['spec']>): GpuVm => ({ ...base, spec: { ...base.spec, ...spec } });

/** Waits are eight times as short; the work of the services takes as long as it takes. */
const speed = 8;

function quickClock(): Clock {
  const began = Date.now();
  return {
    now: () => began + (Date.now() - began) * speed,
    sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / speed, signal),
  };
}

let user: Awaited<ReturnType<typeof testUser>>;

async function createFixture(): Promise<Fixture<OpenStackSnapshot, OpenStackNative>> {
  await cleanCloud();
  const clock = quickClock();
  const faulty = faultyPort(createAxiosPort());
  const written = new Set<string>();
  const hostWork: HostWork = {
    async doStep({ id, after }) {
      if (written.has(id)) return { status: 'unchanged' };
      written.add(id);
      return { status: 'updated', before: null, after };
    },
    undoStep: async ({ id }) => void written.delete(id),
  };
  let process = { dead: false };
  const kill = () => {
    process.dead = true;
  };
  const connect = () => {
    const mine = { dead: false };
    process = mine;
    return createOpenStack({
      ...adminConnection(),
      login: user.login,
      // What a dead process still wants to send goes nowhere.
      http: { request: (sent) => (mine.dead ? new Promise(() => {}) : faulty.port.request(sent)) },
      hostWork,
      clock,
      random: () => 0.5,
      hosts: [gpuHost],
      config,
      timeouts: { requestMs: speed * 60_000 },
    });
  };
  return {
    provider: connect(),
    clock,
    get secrets() {
      return [user.password, ...faulty.tokens];
    },
    requests: () => faulty.seen.length,
    writes: () => faulty.seen.filter(isWrite).length,
    orders: () => [...faulty.orders],
    state: async () => ({ ...(await lies()), written: [...written].sort() }),
    inject: faulty.inject,
    async restart() {
      kill();
      faulty.clear();
      return connect();
    },
    close: async () => kill(),
    async addForeign() {
      const specs = { extra_specs: { 'their:key': 'yes' } };
      const { body } = await rest<{ flavors: readonly { id: string }[] }>('compute', 'GET', '/flavors');
      for (const { id } of body.flavors)
        await rest('compute', 'POST', `/flavors/${id}/os-extra_specs`, specs);
      await rest('compute', 'POST', '/flavors', { flavor: { name: 'theirs', ram: 64, vcpus: 1, disk: 0 } });
      await rest('placement', 'PUT', '/traits/CUSTOM_THEIRS');
      await patchTiny([{ op: 'add', path: '/their_key', value: 'yes' }]);
    },
    disturb: () => patchTiny([{ op: 'add', path: '/hw_machine_type', value: 'of-somebody' }]),
  };
}

const queries = {
  flavors: "select name, vcpus, memory_mb, root_gb from nova_api.flavors where name <> 'theirs' order by 1",
  specs:
    'select f.name, s.`key`, s.value from nova_api.flavor_extra_specs s join nova_api.flavors f on f.id = s.flavor_id order by 1, 2',
  image:
    "select p.name, p.value from glance.image_properties p where p.deleted = 0 and p.name rlike '^(hw_|img_|os_|their_)' order by 1",
  servers:
    "select display_name, vm_state, coalesce(task_state, '') from nova.instances where deleted = 0 and vm_state <> 'deleted' order by 1",
  metadata:
    "select i.display_name, m.`key`, m.value from nova.instance_metadata m join nova.instances i on i.uuid = m.instance_uuid where m.deleted = 0 and i.deleted = 0 and m.`key` <> 'vmgpu:claim' order by 1, 2",
  allocations:
    "select coalesce(i.display_name, 'nobody'), c.name, sum(a.used) from placement.allocations a join placement.resource_classes c on c.id = a.resource_class_id left join nova.instances i on i.uuid = a.consumer_id and i.deleted = 0 group by 1, 2 order by 1, 2",
  claims:
    "select i.display_name from nova.pci_devices p left join nova.instances i on i.uuid = p.instance_uuid where p.deleted = 0 and p.status <> 'available' order by 1",
  names:
    "select name from placement.traits where name like 'CUSTOM\\_%' union select name from placement.resource_classes where name like 'CUSTOM\\_%' order by 1",
  ports: 'select name from neutron.ports order by 1',
};

/** What lies in the services' own databases, without times and ids. Servers that Nova is done deleting are no more. */
async function lies(): Promise<object> {
  const entries = Object.entries(queries);
  const found = await Promise.all(entries.map(async ([name, query]) => [name, await sql(query)]));
  return Object.fromEntries(found);
}

const harness: Harness<OpenStackSnapshot, OpenStackNative> = {
  intent: but({ machine: 'q35' }),
  changed: but({ machine: 'pc' }),
  impossible: but({ cpu: { cores: 2, model: 'host' } }),
  create: createFixture,
};
const runner = { describe, it: (name: string, body: () => Promise<void>) => it(name, body), assert };

describe('conformance on the real services', () => {
  beforeAll(async () => {
    await bringUp();
    assert.include(await restartNova({ '50-gpu.conf': byHand + byPlan }), { ok: true });
    user = await testUser('vmgpu-conformance', 'admin', 'vmgpu-conformance');
  });
  afterAll(async () => {
    // Glance's image outlives Nova's new start.
    await cleanCloud();
    await restoreNova();
  });

  describeProvider(runner, harness, {
    ...(process.env.VMGPU_EXHAUSTIVE ? {} : { killPoints: 4 }),
    // On the clock that runs faster.
    stopsWithinMs: speed * 5_000,
  });
});

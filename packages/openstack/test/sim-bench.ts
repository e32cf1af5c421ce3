/** A provider on a simulated cloud of its own: counted requests, faults on the way, and time that costs nothing. */
import { type IdleClock, idleClock } from '@vmgpu/conformance';
import { type GpuVm, Secret, type Step, sameJson } from '@vmgpu/core';
import { createAxiosPort, type HttpPort, type HttpRequest } from '@vmgpu/http';
import {
  type ConfigText,
  createOpenStackSim,
  defaultScenario,
  type OpenStackSim,
  project,
  type Scenario,
} from '@vmgpu/simulators/openstack';
import {
  createOpenStack,
  type OpenStackProvider,
  type OpenStackSettings,
  offlineSnapshot,
  openstackTranslator,
} from '../src/index.ts';
import type { HostWork } from '../src/steps/env.ts';
import type { ConfigState } from '../src/translate/config-steps.ts';
import { printOsloSections } from '../src/translate/oslo-config.ts';
import { orderNames } from './faulty-port.ts';
import { gpu, host } from './support.ts';

/** The GPUs of the simulated host, as a capture of it tells them. */
const p4Types = [
  { typeId: 'nvidia-63', name: 'GRID P4-1Q', available: 8, maxInstances: 8 },
  { typeId: 'nvidia-64', name: 'GRID P4-2Q', available: 4, maxInstances: 4 },
];
export const gpuHost = host(
  'gpu-host-1',
  gpu('0000:41:00.0', '10de:2236', { sriovTotal: 16 }),
  gpu('0000:42:00.0', '10de:2236', { sriovTotal: 16, numaNode: 1 }),
  gpu('0000:c1:00.0', '10de:1bb3', { vgpuFramework: 'mdev', vgpuTypes: p4Types }),
  gpu('0000:c2:00.0', '10de:1bb3', { vgpuFramework: 'mdev', vgpuTypes: p4Types, numaNode: 1 }),
);

/** A VM with a whole card and two kinds of vGPU, in the words in which it reads back. */
export const fullSpec: GpuVm['spec'] = {
  guestOs: 'linux',
  cpu: { cores: 4 },
  memory: '8GiB',
  machine: 'q35',
  firmware: { type: 'uefi' },
  disks: [{ name: 'root', size: '20GiB', image: 'tiny' }],
  networks: [{ name: 'private' }],
  gpus: [
    { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } },
    { name: 'gpu1', mode: 'vgpu', profile: 'P4-1Q', device: { address: '0000:c1:00.0' } },
    { name: 'gpu2', mode: 'vgpu', profile: 'P4-2Q', device: { address: '0000:c2:00.0' } },
  ],
};

/** nova.conf as an operator writes it for one kind of card and one kind of vGPU, all but the filters. */
export const handWritten = `[DEFAULT]
allow_resize_to_same_host = true
[pci]
device_spec = {"vendor_id": "10de", "product_id": "2236"}
alias = {"name": "a10", "vendor_id": "10de", "product_id": "2236", "device_type": "type-PF"}
[devices]
enabled_mdev_types = nvidia-63
`;

/** The same VM by the names that the operator gave: only the scheduler is left to be configured. */
export const namedSpec: GpuVm['spec'] = {
  ...fullSpec,
  gpus: [
    { name: 'gpu0', mode: 'passthrough', device: { name: 'a10' } },
    { name: 'gpu1', mode: 'vgpu', profile: 'P4-1Q', device: { name: 'VGPU' } },
  ],
};

export function onEveryService(text: string): readonly ConfigText[] {
  return (['nova-compute', 'nova-api', 'nova-scheduler', 'nova-conductor'] as const).map((service) => ({
    service,
    text,
  }));
}

/** nova.conf that our translator writes for these VMs: all services of a small cloud read the same texts. */
export function configFor(release: number, ...vms: readonly GpuVm[]): readonly ConfigText[] {
  const texts = vms.flatMap((one) => {
    const snapshot = offlineSnapshot({ version: String(release), hosts: [gpuHost] });
    const plan = openstackTranslator.plan(one, snapshot, { scope: 'platform' });
    return openstackTranslator
      .render(plan)
      .flatMap(({ path, content }) =>
        content.format === 'text' && /nova\.conf/.test(path) ? [content.text] : [],
      );
  });
  return onEveryService(['[DEFAULT]\nallow_resize_to_same_host = true\n', ...new Set(texts)].join('\n'));
}

/** Writes the files of configuration steps on the hosts of the simulated cloud, and restarts its services. */
function hostWorkOn(sim: OpenStackSim): HostWork {
  const textOf = ({ after }: Step): ConfigText => {
    const { service, host, sections } = after as ConfigState;
    if (service === 'placement-api') throw new Error('the simulated cloud has no placement.conf');
    return { service, ...(host === undefined ? {} : { host }), text: printOsloSections(sections) };
  };
  return {
    async doStep(step) {
      const text = textOf(step);
      if (sim.state.config.some((one) => sameJson(one, text))) return { status: 'unchanged' };
      sim.setConfig([...sim.state.config, text]);
      return { status: 'updated', before: null, after: text };
    },
    async undoStep(step) {
      const text = textOf(step);
      sim.setConfig(sim.state.config.filter((one) => !sameJson(one, text)));
    },
  };
}

/** One request as the transport saw it. */
export interface Seen {
  readonly method: string;
  /** With the service before it: `/compute/v2.1/servers`. */
  readonly path: string;
  /** Of a server: `resize`. */
  readonly action?: string;
}

/** What is done to a request on its way; `pass` sends it. */
export type Interceptor = (
  request: HttpRequest,
  seen: Seen,
  pass: () => ReturnType<HttpPort['request']>,
) => ReturnType<HttpPort['request']>;

export interface SimBench {
  readonly sim: OpenStackSim;
  readonly clock: IdleClock;
  readonly provider: OpenStackProvider;
  readonly seen: readonly Seen[];
  /** What the platform was ordered to do, in the order in which it took it. */
  readonly orders: readonly string[];
  intercept(interceptor: Interceptor | undefined): void;
  /** A new provider on the same cloud, as after a kill. */
  connect(more?: Partial<OpenStackSettings>): OpenStackProvider;
  /** What lies on the cloud, without times and without ids that are new in each run. */
  lies(): unknown;
  close(): Promise<void>;
}

export const canaryPassword = 'canary-pw-03be44d1';
export const canaryToken = 'canary-tk-5f2c9d81';
export const canarySecret = 'canary-ac-77aa10c4';

/** The default cloud with our canaries as credentials, configured by hand. */
export function canaryScenario(release = 26, config = onEveryService(handWritten)): Scenario {
  const scenario = defaultScenario();
  return {
    ...scenario,
    release,
    config,
    users: scenario.users.map((user) => ({
      ...user,
      password: canaryPassword,
      ...(user.applicationCredentials
        ? {
            applicationCredentials: user.applicationCredentials.map((one) => ({
              ...one,
              secret: canarySecret,
            })),
          }
        : {}),
    })),
  };
}

/** A login with a password; `role` is the name of a user of the scenario. */
export function passwordLogin(name = 'admin'): OpenStackSettings['login'] {
  return {
    type: 'password',
    user: { name, domain: { id: 'default' } },
    password: new Secret(canaryPassword),
    scope: { project: { id: project } },
  };
}

export interface BenchOptions {
  readonly scenario?: Scenario;
  readonly login?: OpenStackSettings['login'];
  readonly tokenMs?: number;
}

export async function simBench(options: BenchOptions = {}): Promise<SimBench> {
  const { scenario = canaryScenario(), login = passwordLogin(), tokenMs } = options;
  const clock = idleClock();
  const sim = await createOpenStackSim({
    scenario,
    now: clock.now,
    times: { scheduleMs: 500, buildMs: 3_000, deleteMs: 1_000, resizeMs: 2_000 },
    tokenPrefix: canaryToken,
    ...(tokenMs === undefined ? {} : { tokenMs }),
  });
  const wire = createAxiosPort();
  const seen: Seen[] = [];
  const orders: string[] = [];
  const orderOf = orderNames();
  let interceptor: Interceptor | undefined;
  const port: HttpPort = {
    request(request) {
      const path = new URL(request.url).pathname;
      const [action] = path.endsWith('/action') ? Object.keys(request.json as object) : [];
      const what = { method: request.method, path, ...(action === undefined ? {} : { action }) };
      seen.push(what);
      const pass = () =>
        clock.busy(async () => {
          const response = await wire.request(request);
          const order = response.status < 300 ? orderOf(what, request) : undefined;
          if (order) orders.push(order);
          return response;
        });
      return interceptor ? interceptor(request, what, pass) : pass();
    },
  };
  const connect = (more: Partial<OpenStackSettings> = {}) =>
    createOpenStack({
      authUrl: sim.authUrl,
      login,
      http: port,
      clock,
      random: () => 0.5,
      hosts: [gpuHost],
      config: scenario.config,
      hostWork: hostWorkOn(sim),
      ...more,
    });
  return {
    sim,
    clock,
    provider: connect(),
    seen,
    orders,
    intercept(next) {
      interceptor = next;
    },
    connect,
    lies: () => liesOn(sim),
    async close() {
      wire.close?.();
      await sim.close();
    },
  };
}

function liesOn({ state }: OpenStackSim): unknown {
  const nameOf = (id: string) =>
    state.servers.find((server) => id.endsWith(server.id))?.name ?? `nobody (${id})`;
  const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  return JSON.parse(
    JSON.stringify({
      config: state.config,
      flavors: [...state.flavors].sort(byText),
      images: state.images,
      servers: state.servers
        .map(
          ({
            name,
            status,
            task,
            flavor,
            imageId,
            networks,
            metadata: { 'vmgpu:claim': _claim, ...metadata },
          }) => ({
            name,
            status,
            task,
            flavor: flavor.name,
            imageId,
            networks,
            metadata,
          }),
        )
        .sort(byText),
      allocations: Object.entries(state.allocations)
        .map(([id, holds]) => ({ consumer: nameOf(id), holds }))
        .sort(byText),
      // Which of two like cards is no matter.
      claims: Object.values(state.claims).map(nameOf).sort(),
      volumes: state.volumes.length,
      resourceClasses: [...state.resourceClasses].sort(),
      traits: [...state.traits].sort(),
      limits: state.registeredLimits.map(({ resource_name, default_limit }) => ({
        resource_name,
        default_limit,
      })),
    }),
  );
}

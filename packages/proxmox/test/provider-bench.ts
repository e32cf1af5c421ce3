/** A provider on a simulated cluster of its own: counted requests, faults on the way, and time that costs nothing. */
import { type IdleClock, idleClock } from '@vmgpu/conformance';
import type { GpuVm } from '@vmgpu/core';
import { Secret } from '@vmgpu/core';
import { createAxiosPort, type HttpPort, type HttpRequest, jsonResponse } from '@vmgpu/http';
import { defaultScenario, type PveSimulator, type Scenario, startPve } from '@vmgpu/simulators/pve';
import {
  createProxmox,
  type ProxmoxLogin,
  type ProxmoxProvider,
  type ProxmoxSettings,
} from '../src/index.ts';

/** One request as the transport saw it. */
export interface Seen {
  readonly method: string;
  /** Below `/api2/json`, without the query. */
  readonly path: string;
}

/** What is done to a request on its way; `pass` sends it. */
export type Interceptor = (
  request: HttpRequest,
  seen: Seen,
  pass: () => ReturnType<HttpPort['request']>,
) => ReturnType<HttpPort['request']>;

export interface ProviderBench {
  readonly pve: PveSimulator;
  readonly clock: IdleClock;
  readonly provider: ProxmoxProvider;
  readonly seen: readonly Seen[];
  /** What the platform was ordered to do, in the order in which it took it. */
  readonly orders: readonly string[];
  intercept(interceptor: Interceptor | undefined): void;
  /** A new provider on the same cluster, as after a kill. */
  connect(more?: Partial<ProxmoxSettings>): ProxmoxProvider;
  /** What lies on the cluster, without ids that are new in each run. */
  lies(): unknown;
  close(): Promise<void>;
}

export const canary = 'canary-5f2c9d81a7';
export const canaryPassword = 'canary-pw-03be44d1';

/** The default cluster, with our canaries as credentials. */
export function canaryScenario(): Scenario {
  const scenario = defaultScenario();
  return {
    ...scenario,
    users: scenario.users.map((user) => ({
      ...user,
      password: canaryPassword,
      ...(user.tokens ? { tokens: { vmgpu: { secret: canary, privsep: false } } } : {}),
    })),
  };
}

export const adminToken: ProxmoxLogin = {
  token: { user: 'admin@pve', name: 'vmgpu', secret: new Secret(canary) },
};
export const rootTicket: ProxmoxLogin = {
  password: { user: 'root@pam', secret: new Secret(canaryPassword) },
};

export interface BenchOptions {
  readonly scenario?: Scenario;
  readonly auth?: ProxmoxLogin;
  /** How long tasks run, in milliseconds of the bench's time; default 3 s. */
  readonly taskMs?: number;
}

export async function providerBench(options: BenchOptions = {}): Promise<ProviderBench> {
  const { scenario = canaryScenario(), auth = adminToken, taskMs = 3_000 } = options;
  const clock = idleClock();
  const pve = await startPve({ scenario, taskMs, now: clock.now });
  const wire = createAxiosPort();
  const seen: Seen[] = [];
  const orders: string[] = [];
  let interceptor: Interceptor | undefined;
  const port: HttpPort = {
    request(request) {
      const path = new URL(request.url).pathname.replace('/api2/json', '');
      const what = { method: request.method, path };
      seen.push(what);
      const pass = () =>
        clock.busy(async () => {
          const response = await wire.request(request);
          const order = response.status === 200 ? orderOf(what, request) : undefined;
          if (order) orders.push(order);
          return response;
        });
      return interceptor ? interceptor(request, what, pass) : pass();
    },
  };
  const connect = (more: Partial<ProxmoxSettings> = {}) =>
    createProxmox({ url: pve.url, auth, http: port, clock, random: () => 0.5, ...more });
  return {
    pve,
    clock,
    provider: connect(),
    seen,
    orders,
    intercept(next) {
      interceptor = next;
    },
    connect,
    lies: () => liesOn(pve),
    async close() {
      wire.close?.();
      await pve.close();
    },
  };
}

/** Requests that begin work, and would begin it twice: making, starting, stopping and destroying VMs. */
function orderOf({ method, path }: Seen, { body }: HttpRequest): string | undefined {
  const [, action] = /\/status\/(\w+)$/.exec(path) ?? [];
  if (method === 'POST' && path.endsWith('/qemu')) {
    return `create ${new URLSearchParams(String(body)).get('vmid')}`;
  }
  if (method === 'POST' && action) return `${action} ${path.split('/')[4]}`;
  if (method === 'DELETE' && /\/qemu\/\d+$/.test(path)) return `destroy ${path.split('/')[4]}`;
  return undefined;
}

function liesOn({ state }: PveSimulator): unknown {
  const stable = (config: Readonly<Record<string, string | null>>) =>
    Object.fromEntries(
      Object.entries(config)
        .filter(([key]) => key !== 'smbios1' && key !== 'vmgenid')
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  return JSON.parse(
    JSON.stringify({
      mappings: [...state.mappings].sort((a, b) => (a.id < b.id ? -1 : 1)),
      vms: state.vms.map(({ vmid, node, config, pending, running }) => ({
        vmid,
        node,
        config: stable(config),
        pending: stable(pending),
        running: running !== undefined,
      })),
      reservations: state.reservations,
    }),
  );
}

/** An answer of the platform that was never asked. */
export function refusal(request: HttpRequest, status: number, message: string, headers = {}) {
  return jsonResponse(request.url, status, { data: null, message: `${message}\n` }, headers);
}

export function vm(spec: GpuVm['spec'], name = 'train-1'): GpuVm {
  return { apiVersion: 'vmgpu/v1', kind: 'GpuVm', metadata: { name }, spec };
}

/** A VM with a whole card and a vGPU, in the words in which it reads back. */
export const fullSpec: GpuVm['spec'] = {
  guestOs: 'linux',
  cpu: { cores: 4, model: 'host' },
  memory: '8GiB',
  machine: 'q35',
  firmware: { type: 'uefi', secureBoot: false },
  disks: [{ name: 'scsi0', size: '8GiB' }],
  networks: [{ name: 'vmbr0' }],
  gpus: [
    { name: 'gpu0', mode: 'passthrough', device: { id: '10de:1d01', name: 'gt1030' }, companions: 'include' },
    { name: 'gpu1', mode: 'vgpu', profile: 'A10-4Q', device: { id: '10de:2236', name: 'a10' } },
  ],
};

/** The same, started. */
export function started(spec: GpuVm['spec'] = fullSpec): GpuVm['spec'] {
  return { ...spec, providerOptions: { proxmox: { start: true, node: 'pve1' } } };
}

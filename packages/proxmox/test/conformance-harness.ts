/** The provider on the simulator, as the conformance suite wants it. */
import type { Fault, Fixture, Harness } from '@vmgpu/conformance';
import { type GpuVm, type Provider, VmgpuError } from '@vmgpu/core';
import type { HttpRequest } from '@vmgpu/http';
import type { ProxmoxNative, ProxmoxProvider, ProxmoxSnapshot } from '../src/index.ts';
import {
  canary,
  fullSpec,
  type ProviderBench,
  providerBench,
  refusal,
  type Seen,
  vm,
} from './provider-bench.ts';

type PveProvider = Provider<ProxmoxSnapshot, ProxmoxNative>;

/** What the suite's intents, which are neutral, say of Proxmox VE when they are planned. */
export interface HarnessOptions {
  readonly start: boolean;
}

/** The provider, but what it plans for a new VM also starts it: reading back cannot tell who started a VM. */
function starting(provider: ProxmoxProvider, { start }: HarnessOptions): PveProvider {
  if (!start) return provider;
  const { translate } = provider;
  return {
    ...provider,
    translate: {
      ...translate,
      plan: (intent, snapshot, options) =>
        translate.plan(options?.vm === undefined ? withStart(intent) : intent, snapshot, options),
    },
  };
}

function withStart(intent: GpuVm): GpuVm {
  return { ...intent, spec: { ...intent.spec, providerOptions: { proxmox: { start: true } } } };
}

export function proxmoxHarness(options: HarnessOptions): Harness<ProxmoxSnapshot, ProxmoxNative> {
  const [card] = fullSpec.gpus ?? [];
  return {
    intent: vm(fullSpec),
    changed: vm({ ...fullSpec, cpu: { cores: 8, model: 'host' }, gpus: card ? [card] : [] }),
    impossible: vm({ ...fullSpec, cpu: { cores: 4, model: 'host', dedicated: true } }),
    create: async () => createFixture(await providerBench(), options),
  };
}

function createFixture(
  bench: ProviderBench,
  options: HarnessOptions,
): Fixture<ProxmoxSnapshot, ProxmoxNative> {
  const faults: Armed[] = [];
  arm(bench, faults);
  const { state } = bench.pve;
  return {
    provider: starting(bench.provider, options),
    clock: bench.clock,
    secrets: [canary],
    requests: () => bench.seen.length,
    writes: () => bench.seen.filter(({ method }) => method !== 'GET').length,
    orders: () => [...bench.orders],
    state: async () => bench.lies(),
    inject: (fault) =>
      new Promise((struck) => {
        faults.push({ fault, skip: fault.skip ?? 0, left: fault.times ?? 1, struck });
      }),
    async restart() {
      faults.length = 0;
      return starting(bench.connect(), options);
    },
    async addForeign() {
      state.mappings = state.mappings.map((mapping) =>
        mapping.id === 'gt1030' ? { ...mapping, map: [...mapping.map, foreignLine] } : mapping,
      );
      state.mappings.push({ id: 'theirs', map: ['node=pve2,path=0000:42:00.0,id=10de:1eb8'], mdev: 1 });
      for (const { config } of state.vms) Object.assign(config, { description: 'of somebody', onboot: '1' });
    },
    async disturb() {
      for (const { config } of state.vms) config.cores = '3';
    },
    close: bench.close,
  };
}

const foreignLine = 'node=pve3,path=0000:26:00,id=10de:1d01,description=of somebody';

interface Armed {
  readonly fault: Fault;
  skip: number;
  left: number;
  readonly struck: () => void;
}

function meets({ on = 'any' }: Fault, { method, path }: Seen): boolean {
  const order =
    (method === 'POST' && /\/qemu$|\/status\/\w+$/.test(path)) ||
    (method === 'DELETE' && /\/qemu\/\d+$/.test(path));
  return { any: true, read: method === 'GET', write: method !== 'GET', order }[on];
}

function arm(bench: ProviderBench, faults: Armed[]): void {
  bench.intercept(async (request, seen, pass) => {
    const armed = faults.find(({ fault, left }) => left > 0 && meets(fault, seen));
    if (!armed) return pass();
    if (armed.skip > 0) {
      armed.skip -= 1;
      return pass();
    }
    armed.left -= 1;
    const { kind } = armed.fault;
    if (kind === 'lost-answer' || kind === 'hang-after') await pass();
    armed.struck();
    return strike(kind, request);
  });
}

function strike(kind: Fault['kind'], request: HttpRequest) {
  const wait = { 'retry-after': '1' };
  switch (kind) {
    case 'rate-limited':
      return refusal(request, 429, 'too many requests', wait);
    case 'unavailable':
      return refusal(request, 503, 'service unavailable', wait);
    case 'invalid':
      return refusal(request, 400, 'Parameter verification failed.');
    case 'forbidden':
      return refusal(request, 403, `Permission check failed (/vms/100, VM.Allocate) for ${canary}`);
    case 'unauthenticated':
      return refusal(request, 401, `invalid token value! ${canary}`);
    case 'connection':
    case 'lost-answer':
      throw new VmgpuError('unreachable', 'the connection broke', {
        details: {
          method: request.method,
          retryable: kind === 'connection' || request.method === 'GET' || request.method === 'PUT',
          ...(kind === 'connection' ? { sent: false } : {}),
        },
      });
    case 'hang':
    case 'hang-after':
      return new Promise<never>((_, reject) => {
        request.signal?.addEventListener('abort', () => reject(request.signal?.reason), { once: true });
      });
  }
}

/** The conformance suite on the simulated cloud. */
import { describeProvider, type Fault, type Fixture, type Harness } from '@vmgpu/conformance';
import { Secret, VmgpuError } from '@vmgpu/core';
import { type HttpRequest, jsonResponse } from '@vmgpu/http';
import { assert, describe, it } from 'vitest';
import type { OpenStackNative, OpenStackSnapshot } from '../src/index.ts';
import {
  canaryPassword,
  canaryToken,
  isWrite,
  namedSpec,
  type Seen,
  type SimBench,
  simBench,
} from './sim-bench.ts';
import { vm } from './support.ts';

function harness(): Harness<OpenStackSnapshot, OpenStackNative> {
  return {
    intent: vm(namedSpec),
    // Another flavor would be another thing that is made, and a resize: sim-journeys.ts has those.
    changed: vm({ ...namedSpec, machine: 'pc' }),
    impossible: vm({ ...namedSpec, cpu: { cores: 4, model: 'host' } }),
    create: async () => createFixture(await simBench()),
  };
}

function createFixture(bench: SimBench): Fixture<OpenStackSnapshot, OpenStackNative> {
  const faults: Armed[] = [];
  arm(bench, faults);
  const { sim } = bench;
  return {
    provider: bench.provider,
    clock: bench.clock,
    secrets: [canaryPassword, canaryToken],
    requests: () => bench.seen.length,
    writes: () => bench.seen.filter(isWrite).length,
    orders: () => [...bench.orders],
    state: async () => bench.lies(),
    inject: (fault) =>
      new Promise((struck) => {
        faults.push({ fault, skip: fault.skip ?? 0, left: fault.times ?? 1, struck });
      }),
    async restart() {
      faults.length = 0;
      return bench.connect();
    },
    async addForeign() {
      const { state } = sim;
      const theirs = { ...state.flavors[0], id: 'theirs', name: 'theirs', extraSpecs: { 'their:key': '1' } };
      state.flavors = [
        ...state.flavors.map((flavor) => ({
          ...flavor,
          extraSpecs: { ...flavor.extraSpecs, 'their:key': 'yes' },
        })),
        theirs as (typeof state.flavors)[number],
      ];
      state.images = state.images.map((image) => ({
        ...image,
        properties: { ...image.properties, their_key: 'yes' },
      }));
      state.traits = [...state.traits, 'CUSTOM_THEIRS'];
    },
    async disturb() {
      sim.state.images = sim.state.images.map((image) => ({
        ...image,
        properties: { ...image.properties, hw_machine_type: 'of-somebody' },
      }));
    },
    close: bench.close,
  };
}

interface Armed {
  readonly fault: Fault;
  skip: number;
  left: number;
  readonly struck: () => void;
}

function meets({ on = 'any' }: Fault, seen: Seen): boolean {
  const { method, path } = seen;
  const order = method !== 'GET' && /\/servers(\/|$)/.test(path);
  return { any: true, read: method === 'GET', write: isWrite(seen), order }[on];
}

function arm(bench: SimBench, faults: Armed[]): void {
  let revoked = false;
  bench.intercept(async (request, seen, pass) => {
    const isLogin = seen.path.endsWith('/auth/tokens');
    if (isLogin && revoked) return refusal(request, 401, `wrong password ${canaryPassword}`);
    const armed = isLogin ? undefined : faults.find(({ fault, left }) => left > 0 && meets(fault, seen));
    if (!armed) return pass();
    if (armed.skip > 0) {
      armed.skip -= 1;
      return pass();
    }
    armed.left -= 1;
    const { kind } = armed.fault;
    if (kind === 'lost-answer' || kind === 'hang-after') await pass();
    armed.struck();
    // Credentials that are wrong stay so: the login that follows a 401 is refused, too.
    if (kind === 'unauthenticated') revoked = true;
    return strike(kind, request);
  });
}

function refusal({ url }: HttpRequest, status: number, message: string, headers = {}) {
  return jsonResponse(url, status, { error: { code: status, message } }, headers);
}

/** As it goes onto the wire: services may echo it. */
function tokenOf({ headers }: HttpRequest): string {
  const token = headers?.['x-auth-token'];
  return token instanceof Secret ? token.reveal() : String(token);
}

function strike(kind: Fault['kind'], request: HttpRequest) {
  const wait = { 'retry-after': '1' };
  switch (kind) {
    case 'rate-limited':
      return refusal(request, 429, 'too many requests', wait);
    case 'unavailable':
      return refusal(request, 503, 'service unavailable', wait);
    case 'invalid':
      return refusal(request, 400, 'Invalid input');
    case 'forbidden':
      return refusal(request, 403, `Policy doesn't allow it for ${tokenOf(request)}`);
    case 'unauthenticated':
      return refusal(request, 401, `The request you have made requires authentication. ${tokenOf(request)}`);
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

const runner = { describe, it: (name: string, body: () => Promise<void>) => it(name, body), assert };

/** sim-kill.test.ts kills at every point there is; VMGPU_EXHAUSTIVE=1 lets this suite do so, too. */
const limits = process.env.VMGPU_EXHAUSTIVE ? {} : { killPoints: 6 };

describe('conformance on the simulated cloud', () => {
  describeProvider(runner, harness(), limits);
});

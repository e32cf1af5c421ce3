/** The conformance suite on the simulated cloud. */
import { describeProvider, type Fixture, type Harness } from '@vmgpu/conformance';
import { assert, describe, it } from 'vitest';
import type { OpenStackNative, OpenStackSnapshot } from '../src/index.ts';
import { type Armed, isWrite, meets, refusal, strike } from './faulty-port.ts';
import { canaryPassword, canaryToken, namedSpec, type SimBench, simBench } from './sim-bench.ts';
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

const runner = { describe, it: (name: string, body: () => Promise<void>) => it(name, body), assert };

/** sim-kill.test.ts kills at every point there is; VMGPU_EXHAUSTIVE=1 lets this suite do so, too. */
const limits = process.env.VMGPU_EXHAUSTIVE ? {} : { killPoints: 6 };

describe('conformance on the simulated cloud', () => {
  describeProvider(runner, harness(), limits);
});

/** Passwords, secrets and tokens in use are in nothing that somebody may print or keep. */
import { inspect } from 'node:util';
import { Secret } from '@vmgpu/core';
import { apply, type Operation, undo } from '@vmgpu/core/engine';
import { jsonResponse } from '@vmgpu/http';
import { afterEach, describe, expect, it } from 'vitest';
import type { OpenStackSettings } from '../src/index.ts';
import {
  canaryPassword,
  canarySecret,
  canaryToken,
  namedSpec,
  passwordLogin,
  type SimBench,
  simBench,
} from './sim-bench.ts';
import { vm } from './support.ts';

const canaries = [canaryPassword, canarySecret, canaryToken];
const logins: Readonly<Record<string, OpenStackSettings['login']>> = {
  password: passwordLogin(),
  'application credential': {
    type: 'application-credential',
    id: '21dced0fd20347869b93710d2b98aae0',
    secret: new Secret(canarySecret),
  },
};

let bench: SimBench;
afterEach(() => bench.close());

/** Everything that can be made of a value by printing it. */
function printed(value: unknown): string {
  const texts = [inspect(value, { depth: 20, showHidden: true }), String(value), JSON.stringify(value)];
  if (value instanceof Error) texts.push(value.stack ?? '', printed(value.cause ?? ''));
  return texts.join('\n');
}

function expectClean(what: string, value: unknown): void {
  const text = printed(value);
  for (const canary of canaries) expect(text.includes(canary), `${what} has ${canary}`).toBe(false);
}

async function endOf(operation: Operation): Promise<unknown> {
  return operation.then(
    (result) => result,
    (error: unknown) => error,
  );
}

describe.each(Object.entries(logins))('logged in with a %s', (_name, login) => {
  const options = () => ({ clock: bench.clock, random: () => 0.5 });

  it('plan, events, journal, result, snapshot and provider are clean', async () => {
    bench = await simBench({ login });
    const { provider } = bench;
    const told: unknown[] = [];
    const snapshot = await provider.snapshot('platform', { vm: { name: 'train-1' } });
    const plan = provider.translate.plan(vm(namedSpec), snapshot);
    const operation = apply(plan, provider, {
      ...options(),
      onEvent: (event) => told.push(event),
      journal: { save: async (state) => void told.push(state) },
    });
    const result = await operation;
    expect(result.changed).toBe(true);
    const native = await provider.describe({ name: 'train-1' });
    const taken = undo(operation.toJSON(), provider, options());
    const parts = {
      snapshot,
      plan,
      files: provider.translate.render(plan),
      told,
      result,
      native,
      provider,
      operation,
    };
    for (const [what, part] of Object.entries(parts)) expectClean(what, part);
    expectClean('the undo', await endOf(taken));
    // The tokens were there to be found.
    expect(Object.keys(bench.sim.state.tokens).every((id) => id.startsWith(canaryToken))).toBe(true);
    expect(bench.sim.requests.length).toBeGreaterThan(15);
    expectClean('the log of requests', bench.sim.requests);
  });

  it('errors are clean, also when the service echoes what it was sent', async () => {
    bench = await simBench({ login });
    const { provider } = bench;
    const snapshot = await provider.snapshot('platform', { vm: { name: 'train-1' } });
    const plan = provider.translate.plan(vm(namedSpec), snapshot);
    for (const status of [400, 401, 403, 404, 409, 413, 500, 503]) {
      const told: unknown[] = [];
      bench.intercept(({ url, headers, json }, { method, path }, pass) => {
        if (method === 'GET') return pass();
        const token = headers?.['x-auth-token'];
        const echo = `${token instanceof Secret ? token.reveal() : token} ${revealed(json)}`;
        if (path.endsWith('/auth/tokens') && status !== 401) return pass();
        return Promise.resolve(jsonResponse(url, status, { error: { code: status, message: echo } }));
      });
      const operation = apply(plan, bench.connect(), { ...options(), onEvent: (event) => told.push(event) });
      const error = await endOf(operation);
      expect(error, String(status)).toBeInstanceOf(Error);
      expectClean(`the error of ${status}`, error);
      expectClean(`the events of ${status}`, told);
      expectClean(`the operation of ${status}`, operation);
    }
  });
});

/** JSON with secrets as they go onto the wire. */
function revealed(value: unknown): string {
  const visit = (item: unknown): unknown => {
    if (item instanceof Secret) return item.reveal();
    if (Array.isArray(item)) return item.map(visit);
    if (typeof item !== 'object' || item === null) return item;
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, visit(inner)]));
  };
  return JSON.stringify(visit(value)) ?? '';
}

/** Points of the contract that no journey meets: logins of all kinds, resizes to and from GPUs, Cyborg. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type GpuVm, Secret, type VmgpuError } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import { afterEach, describe, expect, it } from 'vitest';
import { listAccelerators, listDeviceProfiles, openServices } from '../src/index.ts';
import { canaryPassword, namedSpec, passwordLogin, type SimBench, simBench } from './sim-bench.ts';
import { vm } from './support.ts';

let bench: SimBench;
afterEach(() => bench.close());
const options = () => ({ clock: bench.clock, random: () => 0.5 });

/** As another service, or a federated login in the browser, would hand it over. */
async function tokenOf(name: string): Promise<string> {
  const user = { name, domain: { id: 'default' }, password: canaryPassword };
  const project = { name: 'research', domain: { id: 'default' } };
  const auth = { identity: { methods: ['password'], password: { user } }, scope: { project } };
  const response = await fetch(`${bench.sim.authUrl}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth }),
  });
  expect(response.status).toBe(201);
  return response.headers.get('x-subject-token') ?? '';
}

describe('a token from elsewhere', () => {
  it('is passed on, with the rights that it has', async () => {
    bench = await simBench();
    const token = new Secret(await tokenOf('tenant'));
    const scope = (passwordLogin('tenant') as { scope: object }).scope as never;
    const provider = bench.connect({ login: { type: 'token', token, scope } });
    const { flavors = [], gaps = [] } = await provider.snapshot('platform');
    expect(flavors.length).toBeGreaterThan(0);
    expect(gaps.map(({ path }) => path)).toContain('providers');
    await provider.close?.();
  });

  it('that is none is refused without a word of it', async () => {
    bench = await simBench();
    const login = { type: 'token', token: new Secret('canary-token-of-nobody') } as const;
    const error = await bench
      .connect({ login })
      .snapshot('vm')
      .then(
        () => undefined,
        (reason: VmgpuError) => reason,
      );
    expect(error?.code).toBe('auth-failed');
    expect(`${error} ${JSON.stringify(error)}`).not.toContain('canary-token');
  });
});

describe('a resize', () => {
  const none: GpuVm['spec'] = { ...namedSpec, gpus: [] };

  it('gives a server without GPUs some, and takes them away again', async () => {
    bench = await simBench();
    const change = async (intent: GpuVm, ref?: string) => {
      const snapshot = await bench.provider.snapshot('platform', { vm: { name: 'train-1' } });
      const plan = bench.provider.translate.plan(intent, snapshot, ref === undefined ? {} : { vm: ref });
      const operation = apply(plan, bench.provider, options());
      await operation;
      return operation.toJSON();
    };
    const claims = () => Object.keys(bench.sim.state.claims);
    await change(vm(none));
    expect(claims()).toEqual([]);
    await change(vm({ gpus: namedSpec.gpus ?? [] }), 'train-1');
    expect(claims()).toHaveLength(1);
    expect(Object.values(bench.sim.state.mdevs).flat()).toHaveLength(1);
    const taken = await change(vm({ gpus: [] }), 'train-1');
    expect(claims()).toEqual([]);
    await undo(taken, bench.provider, options());
    expect(claims()).toHaveLength(1);
    expect((await bench.provider.describe({ name: 'train-1' })).server.status).toBe('ACTIVE');
  });
});

describe('Cyborg', () => {
  const profiles = [{ name: 'a10', uuid: 'u1', groups: [{ 'resources:PGPU': '1' }] }];
  let cyborg: Server | undefined;
  afterEach(() => cyborg?.close());

  it('is looked at, and said to be missing where it is not', async () => {
    bench = await simBench();
    const asked: string[] = [];
    cyborg = createServer((request, answer) => {
      asked.push(`${request.method} ${request.url} ${request.headers['x-auth-token'] ? 'with token' : ''}`);
      answer.setHeader('content-type', 'application/json');
      answer.end(
        JSON.stringify(request.url?.includes('profiles') ? { device_profiles: profiles } : { devices: [] }),
      );
    });
    await new Promise<void>((resolve) => cyborg?.listen(0, '127.0.0.1', resolve));
    const accelerator = `http://127.0.0.1:${(cyborg.address() as AddressInfo).port}`;
    const settings = { authUrl: bench.sim.authUrl, login: passwordLogin() };
    const os = openServices({ ...settings, endpoints: { accelerator } });
    expect(await listDeviceProfiles(os, {})).toEqual(profiles);
    expect(await listAccelerators(os, {})).toEqual([]);
    expect(asked).toEqual(['GET /v2/device_profiles with token', 'GET /v2/devices with token']);
    os.close();
    const without = openServices(settings);
    await expect(listDeviceProfiles(without, {})).rejects.toMatchObject({
      code: expect.stringMatching(/not-found|unsupported/),
    });
    without.close();
  });
});

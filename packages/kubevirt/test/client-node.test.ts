import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type KubeSimulator, sampleScenario, startKube } from '@vmgpu/simulators/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectKube, type Kubeconfig } from '../src/client-node/index.ts';
import { kubeResources } from '../src/index.ts';

let kube: KubeSimulator;
const folder = mkdtempSync(join(tmpdir(), 'vmgpu-client-node-'));
const masters = ['system:masters'];

beforeAll(async () => {
  kube = await startKube({
    tls: true,
    scenario: {
      ...sampleScenario(),
      users: [
        { name: 'certified', groups: masters },
        { name: 'plugin', token: 'canary-plugin-1', groups: masters },
        { name: 'renewed', token: 'canary-plugin-2', groups: masters },
      ],
    },
  });
});
afterAll(async () => {
  await kube.close();
  rmSync(folder, { recursive: true });
});

const read = async (kubeconfig: Kubeconfig) => {
  const port = connectKube(kubeconfig);
  try {
    return (await port.get(kubeResources.nodes, { name: 'gpu-1' })).metadata?.name;
  } finally {
    port.close();
  }
};

const failure = (kubeconfig: Kubeconfig) =>
  read(kubeconfig).then(
    () => expect.fail('it was read'),
    (error) => error,
  );

describe('a kubeconfig', () => {
  it('with a client certificate, over TLS that is verified', async () => {
    expect(await read({ content: JSON.stringify(kube.kubeconfig('certified')) })).toBe('gpu-1');
  });

  it('with a plugin whose token expires: it runs again, once', async () => {
    const log = join(folder, 'runs');
    const plugin = join(folder, 'plugin.mjs');
    const code = `import { appendFileSync, readFileSync } from 'node:fs';
appendFileSync(${JSON.stringify(log)}, 'x');
const run = readFileSync(${JSON.stringify(log)}).length;
const status = { token: 'canary-plugin-' + Math.min(run, 2), expirationTimestamp: '2999-01-01T00:00:00Z' };
console.log(JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status }));`;
    writeFileSync(plugin, code);
    const config = kube.kubeconfig('plugin');
    config.users[0].user = {
      exec: { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args: [plugin] },
    };
    const port = connectKube({ content: JSON.stringify(config) });
    const get = () => port.get(kubeResources.nodes, { name: 'gpu-1' });
    await get();
    kube.expireToken('canary-plugin-1');
    await Promise.all([get(), get(), get()]);
    port.close();
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(log, 'utf8')).toBe('xx');
  });

  it('of another authority is not believed', async () => {
    const config = kube.kubeconfig('plugin');
    delete config.clusters[0].cluster['certificate-authority-data'];
    expect(await failure({ content: JSON.stringify(config) })).toMatchObject({
      code: 'unreachable',
      details: { retryable: false, sent: false },
    });
  });

  it('that sends a token over plain HTTP to another machine is refused', async () => {
    const config = kube.kubeconfig('plugin');
    config.clusters[0].cluster = { server: 'http://10.0.0.1:8080' };
    expect(await failure({ content: JSON.stringify(config) })).toMatchObject({ code: 'bad-input' });
  });

  it('that is none says so, and nothing of what is in it', async () => {
    const damaged = await failure({ content: 'users:\n  - token: canary-secret\n :' });
    expect(damaged.code).toBe('bad-input');
    expect(inspect(damaged, { depth: 9 })).not.toContain('canary-secret');
    expect(await failure({ path: join(folder, 'absent') })).toMatchObject({ code: 'bad-input' });
    expect(
      await failure({ content: JSON.stringify(kube.kubeconfig('plugin')), context: 'nope' }),
    ).toMatchObject({
      code: 'bad-input',
      found: 'nope',
      expected: 'simulator',
    });
  });

  it('with a plugin that fails is auth-failed', async () => {
    const config = kube.kubeconfig('plugin');
    const args = ['-e', 'console.error("no login"); process.exit(1)'];
    config.users[0].user = {
      exec: { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath, args },
    };
    expect(await failure({ content: JSON.stringify(config) })).toMatchObject({
      code: 'auth-failed',
      message: expect.stringContaining('no login'),
    });
  });
});

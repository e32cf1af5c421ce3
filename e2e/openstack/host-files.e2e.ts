/** vmgpu writes Nova's configuration itself: over a real sshd, into the running cloud, with its services restarted and watched. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GpuRequest, type Plan, Secret, type Step, type VmgpuError } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import { managedFilesOn } from '@vmgpu/host-prep/exec';
import { createSshPort } from '@vmgpu/host-prep/ssh';
import { filesOnHosts, type HostFiles } from '@vmgpu/openstack';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { vmgpu } from '../../packages/cli/test/harness.ts';
import {
  adminConnection,
  bringUp,
  claimedDevices,
  leftovers,
  novaRelease,
  openCloud,
  restoreNova,
  smallVm,
  sql,
  stateDirectory,
} from './cloud.ts';
import { type Sshd, startSshd } from './sshd.ts';

const run = promisify(execFile);
const host = 'gpu-host-1';
const folder = mkdtempSync(join(tmpdir(), 'vmgpu-host-files-'));
/** What the cloud's services read last. */
const confDirectory = join(folder, 'nova.conf.d');
/** Somebody else's, which must stay as it is. */
const foreign = '# by hand\n[libvirt]\nimages_type = raw\n';
const restartNova = join(import.meta.dirname, 'openstack-restart-nova');

/** The harness restarts all of Nova at once; whether one service runs is told by its own process. */
const commandsOf = (unit: string) => ({
  restart: ['env', `GPU_OPENSTACK_STATE=${stateDirectory}`, restartNova],
  status: [
    'sh',
    '-c',
    'read -r pid start <"$1" && kill -0 "$pid" && echo "$pid"',
    'sh',
    join(stateDirectory, 'pid', `${unit}.pid`),
  ],
  log: ['tail', '-n', '20', join(stateDirectory, 'log', `${unit}.log`)],
});
const services = {
  'nova-compute': commandsOf(`nova-compute-${host}`),
  'nova-api': commandsOf('nova-api'),
  'nova-scheduler': commandsOf('nova-scheduler'),
  'nova-conductor': commandsOf('nova-conductor'),
};

const resetNova = () =>
  run(restartNova, ['--reset'], { env: { ...process.env, NOVA_CONF_DIR: confDirectory } });

let sshd: Sshd;
beforeAll(async () => {
  mkdirSync(confDirectory);
  sshd = await startSshd(folder);
  // A Nova that reported devices once does not start without; what is reset below does not need it.
  await bringUp().catch((error) => {
    if (!inPlacement) throw error;
  });
  writeFileSync(join(confDirectory, '10-theirs.conf'), foreign);
  await resetNova();
});
afterAll(async () => {
  sshd?.stop();
  await restoreNova();
  rmSync(folder, { recursive: true, force: true });
});

const files = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(confDirectory)
      .sort()
      .map((name) => {
        const path = join(confDirectory, name);
        return [name, `${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path, 'utf8')}`];
      }),
  );
const untouched = { '10-theirs.conf': `644 ${foreign}` };
const pids = () =>
  Object.fromEntries(
    readdirSync(join(stateDirectory, 'pid'))
      .filter((name) => name.startsWith('nova-'))
      .map((name) => [name, readFileSync(join(stateDirectory, 'pid', name), 'utf8')]),
  );
const inventories = (resource: string) =>
  sql(
    `select p.name, i.total from placement.inventories i join placement.resource_classes c on c.id = i.resource_class_id join placement.resource_providers p on p.id = i.resource_provider_id where c.name = '${resource}' order by 1`,
  );
/** Whole GPUs are scheduled through Placement. */
const inPlacement = Number.parseInt(novaRelease, 10) >= 29;

const card: GpuRequest = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } };
const share: GpuRequest = { name: 'gpu1', mode: 'vgpu', profile: 'nvidia-63' };
// On Nova 34's fake libvirt a server with a card and a share was refused by the host.
const vm = smallVm('train-1', inPlacement ? [card] : [card, share], {
  gpus: { gpu0: { deviceType: 'type-PF' } },
});

describe('by the command', () => {
  const env = {
    VMGPU_CONFIG: join(folder, 'config.yaml'),
    OS_CLIENT_CONFIG_FILE: join(stateDirectory, 'clouds.yaml'),
  };
  const cli = (...words: string[]) => vmgpu(words, { env, cwd: folder });
  const at = ['--connection', 'lab'];

  it('the files are written, the services restarted, Placement and the server follow; and back', async () => {
    const write = (name: string, document: unknown) =>
      writeFileSync(join(folder, name), JSON.stringify(document));
    write('hosts.yaml', {
      hosts: {
        [host]: {
          address: '127.0.0.1',
          port: sshd.port,
          user: 'root',
          identity: sshd.identity,
          fingerprint: sshd.fingerprint,
        },
      },
    });
    write('config.yaml', {
      connections: {
        lab: {
          platform: 'openstack',
          cloud: 'gpu-openstack',
          release: novaRelease,
          hostFiles: {
            hosts: 'hosts.yaml',
            compute: [host],
            control: [host],
            directory: confDirectory,
            services,
            settleSeconds: 3,
            stateDirectory: join(folder, 'state'),
          },
        },
      },
    });
    write('vm.yaml', vm);
    expect(await inventories('VGPU')).toEqual([]);

    const journal = ['--journal', 'journal.json'];
    const applyIt = () => cli('apply', '-f', 'vm.yaml', '--to', 'openstack', ...at, ...journal);
    const began = Date.now();
    const applied = await applyIt();
    expect(applied.status, applied.err).toBe(0);
    console.log(`apply: ${Math.round((Date.now() - began) / 1000)} s\n${applied.err}`);
    const control = inPlacement ? ['api', 'compute', 'conductor', 'scheduler'] : ['compute', 'scheduler'];
    expect(Object.keys(files())).toEqual([
      '10-theirs.conf',
      ...['alias', ...control].map((name) => `50-vmgpu-${name}.conf`).sort(),
    ]);
    expect(files()).toMatchObject(untouched);
    expect(await inventories('VGPU')).toHaveLength(inPlacement ? 0 : 2);
    expect(await inventories('CUSTOM_PCI_10DE_2236')).toHaveLength(inPlacement ? 2 : 0);
    expect(Object.keys(await claimedDevices())).toEqual([expect.stringMatching(/^0000:4[12]:00\.0$/)]);
    expect(await sql('select display_name, vm_state from nova.instances where deleted = 0')).toEqual([
      ['train-1', 'active'],
    ]);

    const [before, running] = [files(), pids()];
    const again = await applyIt();
    expect(again.err).toContain('everything was as wanted already');
    expect(files()).toEqual(before);
    expect(pids()).toEqual(running);

    const undone = await cli('apply', '--undo', ...at, ...journal);
    if (inPlacement) {
      // Nova does not stop reporting devices, so the plan calls this irreversible and its files stay.
      expect(undone.err).toContain('config/nova-compute');
      expect(Object.keys(files())).toEqual([
        '10-theirs.conf',
        '50-vmgpu-alias.conf',
        '50-vmgpu-compute.conf',
      ]);
    } else {
      expect(undone.status, undone.err).toBe(0);
      expect(files()).toEqual(untouched);
    }
    expect(await leftovers()).toEqual([]);
  });
});

describe.skipIf(inPlacement)('by the library', () => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
  });

  function cloud(change: Partial<HostFiles> = {}) {
    const key = new Secret(readFileSync(sshd.identity, 'utf8'));
    const port = createSshPort({
      host: '127.0.0.1',
      port: sshd.port,
      user: 'root',
      keys: [{ text: key }],
      fingerprint: sshd.fingerprint,
    });
    open.push(port);
    const onHost = managedFilesOn(
      { ...port, name: host },
      { settleSeconds: 3, stateDirectory: join(folder, 'state') },
    );
    const hostWork = filesOnHosts({
      compute: [onHost],
      control: [onHost],
      directory: confDirectory,
      services,
      ...change,
    });
    return openCloud({ ...adminConnection(), release: novaRelease, hostWork, timeouts: { reportMs: 20_000 } })
      .provider;
  }
  const failureOf = (work: PromiseLike<unknown>): Promise<VmgpuError> =>
    Promise.resolve(work).then(
      () => {
        throw new Error('it succeeded');
      },
      (error: VmgpuError) => error,
    );
  const planOf = async (provider: ReturnType<typeof cloud>, intent = vm): Promise<Plan> =>
    provider.translate.plan(intent, await provider.snapshot('platform'), { scope: 'platform' });

  it('a fragment that Nova cannot read is taken back byte by byte, Nova runs again, and the cause is named', async () => {
    const provider = cloud();
    const plan = await planOf(provider);
    const broken = (step: Step): Step => {
      if (step.id !== 'config/nova-compute') return step;
      return JSON.parse(JSON.stringify(step).replace('\\"product_id\\":\\"2236\\"}', '\\"product_id\\":'));
    };
    const before = files();
    const error = await failureOf(apply({ ...plan, steps: plan.steps.map(broken) }, provider));
    console.log(JSON.stringify(error, null, 1));
    const cause = error.cause as VmgpuError;
    expect(cause).toMatchObject({ code: 'refused', details: { running: true, service: 'nova-compute' } });
    expect(cause.message).toMatch(/PciConfigInvalidSpec.*Invalid entry/);
    expect(files()).toEqual(before);
    expect((await provider.snapshot('platform')).hypervisors).toMatchObject([{ state: 'up' }]);
    expect(await leftovers()).toEqual([]);
  });

  it('a vGPU type that the host does not make is missed in Placement, and taken back', async () => {
    // An inventory of before stays in Placement when the type goes away (Nova 26); so: a host that never had one.
    await resetNova();
    const provider = cloud();
    const plan = await planOf(
      provider,
      smallVm('share-1', [{ name: 'gpu0', mode: 'vgpu', profile: 'nvidia-999' }]),
    );
    const error = await failureOf(apply(plan, provider));
    console.log(JSON.stringify(error, null, 1));
    expect(error.cause).toMatchObject({ code: 'host-not-ready', details: { missing: ['VGPU'] } });
    expect(files()).toEqual(untouched);
    expect(await leftovers()).toEqual([]);
  });

  it('nothing is written when the host is not reached', async () => {
    const port = createSshPort({
      host: '127.0.0.1',
      port: 1,
      user: 'root',
      password: new Secret('x'),
      fingerprint: sshd.fingerprint,
    });
    open.push(port);
    const provider = cloud({ compute: [managedFilesOn({ ...port, name: host })] });
    const error = await failureOf(apply(await planOf(provider), provider));
    expect(error.cause).toMatchObject({ code: 'unreachable' });
    expect(files()).toEqual(untouched);
  });
});

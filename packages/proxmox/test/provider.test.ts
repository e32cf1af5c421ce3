import { inspect } from 'node:util';
import { type OperationEvent, Secret, type VmgpuError } from '@vmgpu/core';
import { apply, type OperationState, undo } from '@vmgpu/core/engine';
import type { Scenario } from '@vmgpu/simulators/pve';
import { afterEach, describe, expect, it } from 'vitest';
import { createProxmox, type ProxmoxGrant, type ProxmoxLogin, platformRole, vmRole } from '../src/index.ts';
import {
  adminToken,
  type BenchOptions,
  canary,
  canaryPassword,
  canaryScenario,
  fullSpec,
  type ProviderBench,
  providerBench,
  rootTicket,
  started,
  vm,
} from './provider-bench.ts';

const open: ProviderBench[] = [];
async function onBench(options?: BenchOptions): Promise<ProviderBench> {
  const bench = await providerBench(options);
  open.push(bench);
  return bench;
}
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close();
});

const named = { name: 'train-1' };
async function planOn(bench: ProviderBench, intent = vm(started()), provider = bench.provider) {
  return provider.translate.plan(intent, await provider.snapshot('platform', { vm: named }));
}
function options({ clock }: ProviderBench) {
  return { clock, random: () => 0.5 };
}
async function failureOf(work: PromiseLike<unknown>): Promise<VmgpuError> {
  return work.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: VmgpuError) => error,
  );
}
function logins({ pve }: ProviderBench): number {
  return pve.requests.filter(({ path }) => path === '/access/ticket').length;
}

describe('rights', () => {
  function userWith(role: readonly ProxmoxGrant[]): Scenario['users'][number] {
    const acl = Object.fromEntries(role.map(({ path, privileges }) => [path, privileges]));
    return { id: 'least@pve', acl, tokens: { vmgpu: { secret: canary, privsep: false } } };
  }
  const least: ProxmoxLogin = { token: { user: 'least@pve', name: 'vmgpu', secret: new Secret(canary) } };
  const oneCard = vm({
    ...started(),
    gpus: [
      {
        name: 'gpu0',
        mode: 'passthrough',
        device: { id: '10de:1d01', name: 'gt1030' },
        companions: 'include',
      },
    ],
  });

  it('the platform half works with exactly its role, and the VM half with exactly its own', async () => {
    const scenario = canaryScenario();
    const bench = await onBench({ scenario: { ...scenario, users: [userWith(platformRole)] }, auth: least });
    const plan = bench.provider.translate.plan(oneCard, await bench.provider.snapshot('platform'), {
      scope: 'platform',
    });
    expect(plan.steps.map(({ kind }) => kind)).toEqual(['proxmox.mapping']);
    expect(plan.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
    const done = apply(plan, bench.provider, options(bench));
    expect((await done).changed).toBe(true);
    await undo(done.toJSON(), bench.provider, options(bench));
    expect(bench.pve.state.mappings).toEqual([]);
    await apply(plan, bench.provider, options(bench));

    bench.pve.state.users = [userWith(vmRole)];
    const tenant = bench.connect();
    const from = bench.seen.length;
    const byName = vm({
      ...started(),
      gpus: [{ name: 'gpu0', mode: 'passthrough', device: { name: 'gt1030' } }],
    });
    const snapshot = await tenant.snapshot('vm', { vm: named });
    expect(snapshot.gaps).toContainEqual(expect.objectContaining({ path: 'nodes', needs: 'Sys.Audit on /' }));
    expect(bench.seen.slice(from).filter(({ path }) => path.includes('hardware'))).toEqual([]);
    const own = tenant.translate.plan(byName, snapshot, { scope: 'vm' });
    expect(own.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
    expect(own.diagnostics).toContainEqual(expect.objectContaining({ code: 'proxmox.not-read' }));
    const made = apply(own, tenant, options(bench));
    await made;
    expect(bench.pve.state.vms[0]?.running).toBeDefined();
    await undo(made.toJSON(), tenant, options(bench));
    expect(bench.pve.state.vms).toEqual([]);
  });

  it.each([...platformRole, ...vmRole].filter(({ path }) => path !== '/'))(
    'every privilege on $path is needed',
    async ({ path, privileges }) => {
      // Rights that only another shape of VM needs.
      const elsewhere = ['VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Config.Disk'];
      for (const missing of privileges.filter((privilege) => !elsewhere.includes(privilege))) {
        const role = [...platformRole, ...vmRole].map((grant) =>
          grant.path === path
            ? { ...grant, privileges: grant.privileges.filter((one) => one !== missing) }
            : grant,
        );
        const merged = role.reduce<ProxmoxGrant[]>((all, grant) => {
          const same = all.find((one) => one.path === grant.path);
          const rest = all.filter((one) => one !== same);
          return [...rest, { ...grant, privileges: [...(same?.privileges ?? []), ...grant.privileges] }];
        }, []);
        const bench = await onBench({
          scenario: { ...canaryScenario(), users: [userWith(merged)] },
          auth: least,
        });
        const plan = await planOn(bench, oneCard).catch(() => undefined);
        if (plan?.diagnostics.some(({ kind }) => kind === 'blocked')) continue;
        const refused =
          plan && (await failureOf(apply({ ...plan, diagnostics: [] }, bench.provider, options(bench))));
        if (missing === 'VM.Audit' && !refused) continue;
        expect(refused?.code ?? 'no plan', `without ${missing}`).toMatch(/apply-failed|no plan/);
      }
    },
  );
});

describe('log-in', () => {
  it('by ticket: once for many, renewed before it ends, with the CSRF token for writes', async () => {
    const bench = await onBench({ auth: rootTicket });
    await Promise.all([1, 2, 3, 4].map(() => bench.provider.snapshot('vm', { vm: named })));
    expect(logins(bench)).toBe(1);
    await apply(await planOn(bench), bench.provider, options(bench));
    await bench.clock.sleep(91 * 60_000);
    await bench.provider.snapshot('vm', { vm: named });
    expect(logins(bench)).toBe(2);
    bench.pve.state.users = bench.pve.state.users.map((user) => ({ ...user, password: 'changed meanwhile' }));
    await bench.clock.sleep(91 * 60_000);
    await bench.provider.snapshot('vm', { vm: named });
    expect(bench.pve.requests.filter(({ status }) => status === 401)).toEqual([]);
  });

  it('again by password when the cluster no longer takes the ticket', async () => {
    const bench = await onBench({ auth: rootTicket });
    await bench.provider.snapshot('vm', { vm: named });
    for (const ticket of Object.keys(bench.pve.state.tickets)) delete bench.pve.state.tickets[ticket];
    await Promise.all([1, 2, 3].map(() => bench.provider.snapshot('vm', { vm: named })));
    expect(bench.pve.requests.at(-1)?.status).toBe(200);
  });

  it('with a second factor, in two steps', async () => {
    const password = { user: 'tenant@pve', secret: new Secret(canaryPassword) };
    const bench = await onBench({ auth: { password: { ...password, totp: () => '123456' } } });
    await bench.provider.snapshot('vm', { vm: named });
    expect(logins(bench)).toBe(2);
    const without = bench.connect({ auth: { password } });
    expect(await failureOf(without.snapshot('vm'))).toMatchObject({
      code: 'auth-failed',
      hint: expect.stringMatching(/totp/),
    });
  });

  it('refuses settings that cannot be, before anything is sent', () => {
    const url = 'https://pve1:8006';
    const secret = new Secret(canary);
    expect(() => createProxmox({ url, auth: {} as never })).toThrow(/either token or password/);
    expect(() => createProxmox({ url, auth: { password: { user: 'root', secret } } })).toThrow(/root@pam/);
    expect(() => createProxmox({ url, auth: { token: { user: 'a@pve', name: 'a@pve!b', secret } } })).toThrow(
      /not the name of an API token/,
    );
  });
});

describe('snapshot', () => {
  it('is refused below 8.0, and says so above what is known', async () => {
    const old = await onBench({ scenario: { ...canaryScenario(), version: '7.4' } });
    expect((await failureOf(old.provider.snapshot('vm'))).code).toBe('unsupported');
    for (const version of ['8.0', '9.2']) {
      const bench = await onBench({ scenario: { ...canaryScenario(), version } });
      expect((await bench.provider.snapshot('platform')).gaps).toBeUndefined();
    }
    const newer = await onBench({ scenario: { ...canaryScenario(), version: '10.1' } });
    expect((await newer.provider.snapshot('platform')).gaps?.[0]?.path).toBe('version');
  });

  it('reads one VM’s configuration when one is named, and one list of types for each card', async () => {
    const bench = await onBench();
    const pathsOf = async () => {
      const from = bench.seen.length;
      await bench.provider.snapshot('platform', { vm: named });
      return bench.seen.slice(from).map(({ path }) => path);
    };
    // Four cards on two nodes offer types, most of them on four virtual functions each.
    const cards = bench.pve.state.nodes.flatMap(({ name, devices }) =>
      devices.filter(({ mdev }) => mdev).map(({ id, physfn }) => `${name} ${physfn ?? id}`),
    );
    expect((await pathsOf()).filter((path) => path.endsWith('/mdev')).length).toBe(new Set(cards).size);
    await apply(await planOn(bench), bench.provider, options(bench));
    await apply(await planOn(bench, vm({ machine: 'q35' }, 'other')), bench.provider, options(bench));
    expect((await pathsOf()).filter((path) => path.endsWith('/config'))).toEqual([
      '/nodes/pve1/qemu/100/config',
    ]);
  });

  it('tells of a node what readiness asks for', async () => {
    const bench = await onBench();
    const facts = await bench.provider.hostFactsOfNode('pve1');
    expect(facts.report.cmdline).toBeTypeOf('string');
    expect(facts.pci.length).toBeGreaterThan(10);
    expect(facts.status['boot-info']).toBeDefined();
  });
});

describe('steps', () => {
  it('say which changes wait for a restart', async () => {
    const bench = await onBench();
    await apply(await planOn(bench), bench.provider, options(bench));
    const told: OperationEvent[] = [];
    const plan = await planOn(bench, vm({ ...started(), cpu: { cores: 8, model: 'host' } }));
    const changed = apply(plan, bench.provider, { ...options(bench), onEvent: (event) => told.push(event) });
    await changed;
    const record = changed.toJSON().steps['vm/train-1'];
    expect(record?.state === 'done' && record.outcome.after).toMatchObject({ pendingRestart: ['cores'] });
    expect(JSON.stringify(told)).toMatch(/cores of VM 100 take effect when it is stopped and started/);
  });

  it.each([
    [
      'device-busy or an empty pool',
      'capacity',
      ({ pve: { state } }: ProviderBench) => {
        Object.assign(state.reservations, { 'pve1/0000:26:00.0': 999 });
      },
    ],
    [
      'a mapping that no longer fits',
      'host-not-ready',
      ({ pve: { state } }: ProviderBench) => {
        state.mappings = state.mappings.map((mapping) => ({
          ...mapping,
          map: mapping.map.map((line) => line.replace(/iommugroup=\d+/, 'iommugroup=99')),
        }));
      },
    ],
    [
      'a node without IOMMU',
      'host-not-ready',
      ({ pve: { state } }: ProviderBench) => {
        state.nodes = state.nodes.map((node) => ({ ...node, iommu: false }));
      },
    ],
  ] as const)('a start that fails says why: %s', async (_what, code, spoil) => {
    const bench = await onBench();
    const plan = await planOn(bench);
    const spoiled = {
      ...bench.provider,
      doStep: (...[step, context]: Parameters<typeof bench.provider.doStep>) => {
        if (step.kind === 'proxmox.vm-start') spoil(bench);
        return bench.provider.doStep(step, context);
      },
    };
    const { details } = await failureOf(apply(plan, spoiled, { ...options(bench), onFailure: 'keep' }));
    expect(details?.failure).toMatchObject({
      code,
      step: 'vm-start/train-1',
      message: expect.stringMatching(/Unable to start VM train-1 \(100\): /),
      hint: expect.any(String),
    });
  });

  it('ids that others take in between cost another try, never a second VM', async () => {
    const bench = await onBench();
    const plan = await planOn(bench);
    bench.intercept(async (_request, { method, path }, pass) => {
      if (method === 'POST' && path.endsWith('/qemu') && bench.pve.state.vms.length < 2) {
        const vmid = 100 + bench.pve.state.vms.length;
        bench.pve.state.vms.push({
          vmid,
          node: 'pve2',
          config: { name: 'theirs' },
          pending: {},
          running: undefined,
        });
      }
      return pass();
    });
    await apply(plan, bench.provider, options(bench));
    expect(bench.pve.state.vms.map(({ vmid, config }) => [vmid, config.name])).toEqual([
      [100, 'theirs'],
      [101, 'theirs'],
      [102, 'train-1'],
    ]);
  });

  it('an undo stops where somebody else has been at work', async () => {
    const bench = await onBench();
    const made = apply(await planOn(bench, vm(fullSpec)), bench.provider, options(bench));
    await made;
    const [first] = bench.pve.state.vms;
    if (first) first.config.scsi1 = 'local-lvm:vm-100-disk-9,size=100G';
    const error = await failureOf(undo(made.toJSON(), bench.provider, options(bench)));
    expect(error.code).toBe('apply-failed');
    expect(error.message).toMatch(/changed by somebody else since; it is not destroyed: scsi1 was added/);
    expect(bench.pve.state.vms.length).toBe(1);
    expect(bench.pve.state.mappings.length).toBe(2);
  });

  it('an undo keeps lines that others have added to a mapping of ours', async () => {
    const bench = await onBench();
    const plan = bench.provider.translate.plan(vm(fullSpec), await bench.provider.snapshot('platform'), {
      scope: 'platform',
    });
    const made = apply(plan, bench.provider, options(bench));
    await made;
    const line = 'id=10de:1d01,node=pve3,path=0000:26:00';
    bench.pve.state.mappings = bench.pve.state.mappings.map((mapping) =>
      mapping.id === 'gt1030' ? { ...mapping, map: [...mapping.map, line] } : mapping,
    );
    await undo(made.toJSON(), bench.provider, options(bench));
    expect(bench.pve.state.mappings.map(({ id, map }) => [id, map])).toEqual([['gt1030', [line]]]);
  });

  it('an undo keeps a mapping that another VM uses by then', async () => {
    const bench = await onBench();
    const scope = { scope: 'platform' } as const;
    const plan = bench.provider.translate.plan(
      vm(fullSpec),
      await bench.provider.snapshot('platform'),
      scope,
    );
    const made = apply(plan, bench.provider, options(bench));
    await made;
    const theirs = { ...vm(fullSpec), metadata: { name: 'other' } };
    const snapshot = await bench.provider.snapshot('vm');
    const others = bench.provider.translate.plan(theirs, snapshot, { scope: 'vm' });
    await apply(others, bench.provider, options(bench));
    const error = await failureOf(undo(made.toJSON(), bench.provider, options(bench)));
    expect(error.message).toMatch(/is used by VM 100 by now/);
    expect(bench.pve.state.mappings.length).toBe(2);
  });

  it('user data that lies nowhere is said before anything is made', async () => {
    const bench = await onBench({ auth: rootTicket });
    const plan = await planOn(bench, vm({ ...fullSpec, userData: '#cloud-config\n' }));
    const { details, message } = await failureOf(apply(plan, bench.provider, options(bench)));
    expect(details?.failure, message).toMatchObject({ code: 'host-not-ready' });
    expect(message).toMatch(/vmgpu-train-1-user\.yaml is not there, and the API cannot upload it/);
    expect([bench.pve.state.vms, bench.pve.state.mappings]).toEqual([[], []]);
  });
});

describe('no secret leaves', () => {
  const totp = '123456';
  const cases: readonly (readonly [string, ProxmoxLogin])[] = [
    ['token', adminToken],
    ['password', rootTicket],
    [
      'second factor',
      { password: { user: 'tenant@pve', secret: new Secret(canaryPassword), totp: () => totp } },
    ],
  ];
  it.each(cases)(
    'by %s: not in events, errors, plans, journals, inspect() or crashes',
    async (_name, auth) => {
      const bench = await onBench({ auth });
      const told: unknown[] = [];
      const journal: OperationState[] = [];
      const snapshot = await bench.provider.snapshot('platform', { vm: named });
      const plan = { ...bench.provider.translate.plan(vm(started()), snapshot), diagnostics: [] };
      const all = {
        ...options(bench),
        onEvent: (event: OperationEvent) => told.push(event),
        journal: { save: async (state: OperationState) => void journal.push(state) },
      };
      await apply(plan, bench.provider, all).then(undefined, (error) => told.push(error));
      // The server echoes what it was sent: at the log-in the password, at every other call the token or ticket.
      for (const atLogIn of [true, false]) {
        for (const status of [400, 401, 403, 500, 595]) {
          bench.pve.setFault(({ path }) => {
            if ((path === '/access/ticket') !== atLogIn) return undefined;
            const sent = atLogIn ? canaryPassword : Object.keys(bench.pve.state.tickets).at(-1);
            return { status, message: `echo ${auth.token ? canary : sent}\n` };
          });
          const fresh = bench.connect();
          const reading = fresh.snapshot('platform').then(
            () => 'read',
            (error) => error,
          );
          told.push(
            await reading,
            await apply(plan, fresh, all).then(
              () => 'applied',
              (error) => error,
            ),
          );
        }
      }
      expect(told.filter((one) => one instanceof Error).length).toBeGreaterThan(8);
      const tickets = Object.entries(bench.pve.state.tickets).flatMap(([ticket, { csrf }]) => [ticket, csrf]);
      const parts = [told, journal, snapshot, plan, bench.provider, bench.provider.translate.render(plan)];
      const texts = parts.flatMap((part) => [
        JSON.stringify(part),
        inspect(part, { depth: 20, showHidden: true }),
      ]);
      for (const error of told)
        if (error instanceof Error) texts.push(String(error.stack), inspect(error.cause, { depth: 20 }));
      for (const secret of [
        canary,
        canaryPassword,
        `totp:${totp}`,
        ...tickets.filter((one) => !one.startsWith('PVE:!tfa')),
      ]) {
        expect(
          texts.filter((text) => text.includes(secret) || text.includes(encodeURIComponent(secret))),
        ).toEqual([]);
      }
    },
  );
});

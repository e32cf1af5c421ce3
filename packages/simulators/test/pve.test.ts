import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import {
  defaultScenario,
  type PveOptions,
  type PveSimulator,
  type Scenario,
  startPve,
} from '../src/pve/index.ts';

const admin = { authorization: 'PVEAPIToken=admin@pve!vmgpu=admin-token-secret' };
const tenant = { authorization: 'PVEAPIToken=tenant@pve!vmgpu=tenant-token-secret' };

let pve: PveSimulator;
afterEach(() => pve.close());

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by the tests
  readonly data?: any;
  readonly message?: string;
  readonly errors?: Record<string, string>;
}

async function call(
  method: string,
  path: string,
  body?: Record<string, unknown>,
  headers: Record<string, string> = admin,
): Promise<Answer> {
  const response = await fetch(`${pve.url}/api2/json${path}`, {
    method,
    headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { ...((await response.json()) as object), status: response.status };
}

async function begin(options: PveOptions = {}): Promise<void> {
  pve = await startPve(options);
}

async function rootHeaders(): Promise<Record<string, string>> {
  const { data } = await call(
    'POST',
    '/access/ticket',
    { username: 'root@pam', password: 'root-password' },
    {},
  );
  return {
    cookie: `PVEAuthCookie=${encodeURIComponent(data.ticket)}`,
    csrfpreventiontoken: data.CSRFPreventionToken,
  };
}

const exit = () => pve.state.tasks.at(-1)?.exitstatus;
const qemu = '/nodes/pve1/qemu';
const vf = (fn: number) =>
  `node=pve1,path=0000:41:00.${fn},id=10de:2236,subsystem-id=10de:1482,iommugroup=${57 + fn}`;
const a10Map = { id: 'a10', mdev: 1, map: [4, 5, 6, 7].map(vf) };

describe('HTTP', () => {
  it('refuses what the real server refuses', async () => {
    await begin();
    const raw = (method: string, headers: Record<string, string>, body: string) =>
      new Promise<number>((resolve, reject) => {
        const request = httpRequest(`${pve.url}/api2/json/version`, {
          method,
          headers: { ...admin, ...headers },
        });
        request.on('response', (response) => resolve(response.statusCode ?? 0)).on('error', reject);
        request.end(body);
      });
    expect(await raw('DELETE', { 'content-length': '3' }, 'a=b')).toBe(501);
    expect(await raw('POST', { 'content-type': 'text/plain', 'content-length': '3' }, 'a=b')).toBe(506);
    expect(await raw('POST', { 'transfer-encoding': 'chunked' }, 'a=b')).toBe(501);
    const long = 'x'.repeat(600 * 1024);
    expect(await raw('POST', { 'content-length': String(long.length) }, long)).toBe(501);
    expect((await call('GET', '/no/such')).status).toBe(501);
    expect((await call('GET', '/nodes/%zz/status')).status).toBe(400);
  });

  it('loses the text of forms that are not encoded', async () => {
    await begin();
    const headers = { ...(await rootHeaders()), 'content-type': 'application/x-www-form-urlencoded' };
    await call('POST', qemu, { vmid: 100, machine: 'q35' });
    const put = (body: string) =>
      fetch(`${pve.url}/api2/json${qemu}/100/config`, { method: 'PUT', headers, body });
    await put('hostpci0=mapping=gpu,pcie=1');
    expect(pve.state.vms[0]?.config.hostpci0).toBeUndefined();
    await put('hostpci0=01:00.0;01:00.1');
    expect(pve.state.vms[0]?.config.hostpci0).toBeUndefined();
    await put(new URLSearchParams({ hostpci0: '01:00.0;01:00.1,pcie=1' }).toString());
    expect(pve.state.vms[0]?.config.hostpci0).toBe('01:00.0;01:00.1,pcie=1');
  });

  it('refuses parameters it does not know, by name', async () => {
    await begin();
    const { status, errors } = await call('GET', '/nodes/pve1/hardware/pci?blacklist=');
    expect(status).toBe(400);
    expect(errors?.blacklist).toMatch(/not defined in schema/);
    expect((await call('POST', qemu, { vmid: 5 })).errors?.vmid).toMatch(/valid VM ID/);
    expect((await call('POST', qemu, { vmid: 100, net0: 'virtio,brigde=vmbr0' })).errors?.net0).toMatch(
      /brigde/,
    );
  });
});

describe('who calls', () => {
  it('tickets need the CSRF token to write, live two hours and renew', async () => {
    let now = Date.UTC(2026, 0, 1);
    await begin({ now: () => now });
    const { cookie = '', csrfpreventiontoken = '' } = await rootHeaders();
    expect((await call('POST', qemu, { vmid: 100 }, { cookie })).message).toMatch(/csrf/);
    expect((await call('POST', qemu, { vmid: 100 }, { cookie, csrfpreventiontoken })).status).toBe(200);
    const ticket = decodeURIComponent(cookie.slice('PVEAuthCookie='.length));
    now += 7_000_000;
    const renewed = await call('POST', '/access/ticket', { username: 'root@pam', password: ticket }, {});
    expect(renewed.data.ticket).not.toBe(ticket);
    now += 300_000;
    expect((await call('GET', '/version', undefined, { cookie })).status).toBe(401);
  });

  it('a second factor is asked for and its challenge is no ticket', async () => {
    await begin();
    const login = { username: 'tenant@pve', password: 'tenant-password' };
    const { data } = await call('POST', '/access/ticket', login, {});
    expect(data.NeedTFA).toBe(1);
    const cookie = `PVEAuthCookie=${encodeURIComponent(data.ticket)}`;
    expect((await call('GET', '/version', undefined, { cookie })).status).toBe(401);
    const answer = { username: 'tenant@pve', password: 'totp:123456', 'tfa-challenge': data.ticket };
    expect((await call('POST', '/access/ticket', answer, {})).data.CSRFPreventionToken).toBeTypeOf('string');
  });

  it('entries further down replace what is inherited, and privsep tokens get the intersection', async () => {
    const scenario: Scenario = {
      ...defaultScenario(),
      users: [
        {
          id: 'u@pve',
          acl: {
            '/vms': ['VM.Audit', 'VM.Allocate'],
            '/vms/101': ['VM.Audit'],
            '/mapping': { privileges: ['Mapping.Use'], propagate: false },
          },
          tokenAcl: { t: { '/': ['VM.Allocate', 'Sys.Audit'] } },
          tokens: { t: { secret: 's' }, full: { secret: 's', privsep: false } },
        },
      ],
    };
    await begin({ scenario });
    const full = { authorization: 'PVEAPIToken=u@pve!full=s' };
    expect((await call('POST', qemu, { vmid: 100 }, full)).status).toBe(200);
    const refused = await call('POST', qemu, { vmid: 101 }, full);
    expect([refused.status, refused.message]).toEqual([
      403,
      'Permission check failed (/vms/101, VM.Allocate)\n',
    ]);
    const narrow = { authorization: 'PVEAPIToken=u@pve!t=s' };
    expect((await call('GET', `${qemu}/100/config`, undefined, narrow)).status).toBe(403);
    expect((await call('GET', '/nodes/pve1/hardware/pci', undefined, narrow)).status).toBe(403);
    const { data } = await call('GET', '/access/permissions?path=/vms/100', undefined, full);
    expect(data).toEqual({ '/vms/100': { 'VM.Audit': 1, 'VM.Allocate': 1 } });
  });

  it('tasks are their owner’s and the auditor’s', async () => {
    await begin();
    const { data: upid } = await call('POST', qemu, { vmid: 100 }, await rootHeaders());
    const path = `/nodes/pve1/tasks/${encodeURIComponent(upid)}/status`;
    expect((await call('GET', path)).data.exitstatus).toBe('OK');
    pve.state.users = pve.state.users.map((user) => ({ ...user, acl: { '/vms': ['VM.Audit'] } }));
    expect((await call('GET', path, undefined, tenant)).message).toMatch(/Sys\.Audit/);
    expect((await call('GET', path.replace('UPID', 'UPIX'))).errors?.upid).toBe(
      'unable to parse worker upid',
    );
  });

  it('raw devices are root’s: PUT says it, POST lets the task say it', async () => {
    await begin();
    await call('POST', qemu, { vmid: 100 });
    const text = "only root can set 'hostpci0' config for non-mapped devices";
    const change = { hostpci0: '26:00,pcie=1' };
    expect((await call('PUT', `${qemu}/100/config`, change)).message).toBe(`${text}\n`);
    const { status, data } = await call('POST', `${qemu}/100/config`, change);
    expect([status, exit()]).toEqual([200, text]);
    expect(data).toMatch(/^UPID:pve1:.*:qmconfig:100:admin@pve!vmgpu:$/);
  });
});

describe('VMs', () => {
  it('a change waits while the VM runs, and is there after a reboot', async () => {
    await begin();
    const root = await rootHeaders();
    await call('POST', qemu, { vmid: 100, machine: 'q35', hostpci0: '26:00,pcie=1', start: 1 }, root);
    await call('PUT', `${qemu}/100/config`, { delete: 'hostpci0', hostpci1: '42:00.0', tags: 'b;a' }, root);
    const current = await call('GET', `${qemu}/100/config?current=1`);
    expect(current.data).toMatchObject({ hostpci0: '26:00,pcie=1', tags: 'a;b' });
    const { data } = await call('GET', `${qemu}/100/pending`);
    expect(data).toContainEqual({ key: 'hostpci0', value: '26:00,pcie=1', delete: 1 });
    expect(data).toContainEqual({ key: 'hostpci1', pending: '42:00.0' });
    await call('POST', `${qemu}/100/status/reboot`, {}, root);
    expect(Object.keys(pve.state.reservations)).toEqual(['pve1/0000:42:00.0']);
    await call('PUT', `${qemu}/100/config`, { hostpci2: '41:00.0' }, root);
    await call('PUT', `${qemu}/100/config`, { revert: 'hostpci2' }, root);
    expect(pve.state.vms[0]?.pending).toEqual({});
  });

  it('somebody else’s change is told by the digest', async () => {
    await begin();
    await call('POST', qemu, { vmid: 100 });
    const { digest } = (await call('GET', `${qemu}/100/config`)).data;
    expect((await call('PUT', `${qemu}/100/config`, { cores: 2, digest })).status).toBe(200);
    const late = await call('PUT', `${qemu}/100/config`, { cores: 4, digest });
    expect(late.message).toBe('checksum mismatch (file change by other user?)\n');
  });

  it('one device runs in one VM', async () => {
    await begin();
    const root = await rootHeaders();
    for (const vmid of [100, 101])
      await call('POST', qemu, { vmid, machine: 'q35', hostpci0: '26:00,pcie=1', start: 1 }, root);
    expect(exit()).toBe("PCI device '0000:26:00.0' already in use by VMID '100'");
    await call('POST', `${qemu}/100/status/stop`, {}, root);
    await call('POST', `${qemu}/101/status/start`, {}, root);
    expect(exit()).toBe('OK');
    expect((await call('GET', '/nodes/pve1/report')).data).toMatch(
      /26:00\.0 .*\n.*\n\tKernel driver in use: vfio-pci/,
    );
  });

  it('a card carries as many vGPUs as fit, of one size', async () => {
    await begin();
    await call('POST', '/cluster/mapping/pci', a10Map);
    const start = async (vmid: number, type: string) => {
      await call('POST', qemu, { vmid, machine: 'q35', hostpci0: `mapping=a10,mdev=${type}`, start: 1 });
      return exit();
    };
    expect(await start(100, 'nvidia-596')).toBe('OK');
    const types = async () => (await call('GET', '/nodes/pve1/hardware/pci/a10/mdev')).data;
    expect((await types()).map((one: { type: string }) => one.type)).toEqual(['nvidia-596']);
    expect(await start(101, 'nvidia-593')).toBe('could not create mediated device');
    expect(pve.state.tasks.at(-1)?.log[0]).toBe("vgpu type '593' not available for '0000:41:00.4'");
    expect(await start(102, 'nvidia-596')).toBe('OK');
    expect(await start(103, 'nvidia-596')).toBe('could not create mediated device');
    expect(await types()).toEqual([]);
    await call('POST', `${qemu}/100/status/stop`, {});
    expect((await types()).length).toBe(1);
  });

  it('mappings are checked against a node', async () => {
    await begin();
    await call('POST', '/cluster/mapping/pci', { id: 'gpu', map: 'node=pve1,path=0000:26:00,id=10de:1d01' });
    const checks = async (node: string) =>
      (await call('GET', `/cluster/mapping/pci?check-node=${node}`)).data[0].checks;
    expect(await checks('pve2')).toEqual([{ severity: 'warning', message: 'No mapping for node pve2.' }]);
    expect(await checks('pve1')).toMatchObject([{ severity: 'error' }]);
  });

  it('is locked while it is being made', async () => {
    let now = 0;
    await begin({ taskMs: 1000, now: () => now });
    await call('POST', qemu, { vmid: 100 });
    expect((await call('GET', `${qemu}/100/status/current`)).data.lock).toBe('create');
    expect((await call('PUT', `${qemu}/100/config`, { cores: 2 })).message).toBe('VM is locked (create)\n');
    expect((await call('GET', '/nodes/pve1/tasks?source=active')).data.length).toBe(1);
    now = 1000;
    expect((await call('PUT', `${qemu}/100/config`, { cores: 2 })).status).toBe(200);
    expect((await call('GET', '/nodes/pve1/tasks')).data[0]).toMatchObject({ status: 'OK', endtime: 1 });
  });

  it('a disk that is taken off stays as unused', async () => {
    await begin();
    await call('POST', qemu, { vmid: 100, scsi0: 'local-lvm:8', scsi1: 'local-lvm:4' });
    await call('PUT', `${qemu}/100/config`, { delete: 'scsi0' });
    expect(pve.state.vms[0]?.config).toMatchObject({ unused0: 'local-lvm:vm-100-disk-0' });
  });
});

describe('releases', () => {
  it.each([
    ['8.3', 'GET', '/nodes/nope/status', undefined, { message: undefined }],
    ['9.0', 'POST', qemu, { vmid: 100, hostpci0: 'mapping=gpu,driver=keep' }, { status: 400 }],
    ['9.1', 'POST', qemu, { vmid: 100, hostpci0: 'mapping=gpu,romfile=a.rom' }, { status: 200 }],
    ['9.2', 'POST', qemu, { vmid: 100, hostpci0: 'mapping=gpu,romfile=a.rom' }, { status: 400 }],
    ['8.1', 'POST', qemu, { vmid: 100, machine: 'q35,viommu=intel' }, { status: 400 }],
  ])('%s: %s %s', async (version, method, path, body, wanted) => {
    await begin({ scenario: { ...defaultScenario(), version } });
    expect({ message: undefined, ...(await call(method, path, body)) }).toMatchObject(wanted);
  });
});

describe('faults', () => {
  it('answers, cuts, truncates and lets tasks fail as it is told', async () => {
    await begin();
    pve.setFault(({ number }) => (number === 1 ? { status: 429, retryAfter: '2' } : undefined));
    expect((await call('GET', '/version')).status).toBe(429);
    expect((await call('GET', '/version')).status).toBe(200);
    pve.setFault(() => ({ cut: 'before' }));
    await expect(call('POST', qemu, { vmid: 100 })).rejects.toThrow();
    expect(pve.state.vms).toEqual([]);
    pve.setFault(() => ({ cut: 'after' }));
    await expect(call('POST', qemu, { vmid: 100 })).rejects.toThrow();
    expect(pve.state.vms.length).toBe(1);
    pve.setFault(() => ({ truncate: true }));
    await expect(call('GET', '/version')).rejects.toThrow();
    pve.setFault(() => ({ failTask: 'no space left' }));
    const first = await call('POST', qemu, { vmid: 101 });
    const second = await call('POST', qemu, { vmid: 101 });
    expect(exit()).toBe('no space left');
    expect(second.data).not.toBe(first.data);
    expect(pve.state.vms.length).toBe(1);
  });

  it('a node that is down answers 595', async () => {
    await begin();
    pve.setNodeOnline('pve2', false);
    expect((await call('GET', '/nodes/pve2/status')).status).toBe(595);
    expect((await call('GET', '/nodes')).data[1]).toMatchObject({ node: 'pve2', status: 'offline' });
    pve.setNodeOnline('pve2', true);
    expect((await call('GET', '/nodes/pve2/status')).status).toBe(200);
  });

  it('goes back to a state that was kept, and logs requests without secrets', async () => {
    await begin();
    const kept = pve.snapshotState();
    await call('POST', qemu, { vmid: 100, cipassword: 'hunter2' });
    expect(pve.counts()).toEqual({ 'POST /nodes/{node}/qemu': 1 });
    expect(pve.requests[0]).toMatchObject({ user: 'admin@pve!vmgpu', status: 200 });
    expect(JSON.stringify(pve.requests)).not.toMatch(/hunter2|token-secret/);
    pve.restoreState(kept);
    expect((await call('GET', '/cluster/nextid')).data).toBe('100');
  });
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printCapture } from '@vmgpu/host-prep/capture';
import { planHost } from '@vmgpu/host-prep/plan';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ModelHost } from '../../host-prep/test/plan-model-host.ts';
import { knownHostsLine, type SshHost, startSshHost, userKey } from '../../host-prep/test/ssh-host.ts';
import { vmgpu } from './harness.ts';

// The commands against hosts on loopback ports: SSH is real, the script runs in a real sh below a folder.

const mode = ['--mode', 'vm-passthrough'];
const captureOf = (model: ModelHost) => printCapture(model.sections());
const made: SshHost[] = [];
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vmgpu-hosts-'));
  writeFileSync(join(directory, 'key'), userKey.private);
});
afterEach(async () => {
  for (const host of made.splice(0)) await host.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A host that is not ready, and is ready once the script has run there. */
async function unprepared(): Promise<SshHost> {
  const model = new ModelHost({ iommuByDefault: true });
  const name = model.facts().host;
  const host = await startSshHost({ files: model.foreign(), name });
  made.push(host);
  const before = captureOf(model);
  model.apply(planHost(model.facts(), { mode: 'vm-passthrough' }));
  const after = captureOf(model);
  Object.defineProperty(host, 'capture', {
    get: () => (host.commands.some((line) => line.includes('VMGPU_EVENTS')) ? after : before),
  });
  return host;
}

function hostsFile(hosts: Readonly<Record<string, SshHost>>, extra = '') {
  const lines = Object.entries(hosts).map(
    ([name, { port }]) => `  ${name}: { address: 127.0.0.1, port: ${port} }`,
  );
  writeFileSync(
    join(directory, 'hosts.yaml'),
    `defaults: { identity: key${extra} }\nhosts:\n${lines.join('\n')}\n`,
  );
  writeFileSync(
    join(directory, 'known_hosts'),
    Object.values(hosts)
      .map(({ port }) => knownHostsLine(port))
      .join(''),
  );
}
const run = (...words: string[]) =>
  vmgpu([...words, '--hosts', 'hosts.yaml', '--known-hosts', 'known_hosts'], {
    cwd: directory,
    env: { HOME: directory },
  });

describe('hosts over SSH', () => {
  it('are planned, prepared, found prepared, and never written to before --apply', async () => {
    const host = await unprepared();
    const untouched = host.files();
    hostsFile({ gpu01: host });
    expect((await run('doctor', ...mode)).status).toBe(1);
    const plan = await run('prepare', ...mode);
    expect(plan.out).toContain('+++ b/etc/vmgpu/devices');
    expect(plan.err).toContain('the same with --apply');
    expect(host.files()).toEqual(untouched);

    const applied = await run('prepare', ...mode, '--apply', '--reboot');
    expect(applied.err).toContain('write /etc/vmgpu/devices');
    expect(applied).toMatchObject({ status: 0 });
    expect(host.file('/etc/vmgpu/devices')).toContain('0000:65:00.0');

    expect((await run('prepare', ...mode, '--apply')).err).toContain('unchanged');
    expect((await run('doctor', ...mode)).status).toBe(0);
    expect((await run('prepare', '--resume')).err).toContain('nothing was stopped there');
  });

  it('are read in one connection and one command each', async () => {
    const host = await unprepared();
    hostsFile({ gpu01: host });
    expect((await run('collect')).out).toMatch(/^#vmgpu-capture 1\n/);
    expect(host.commands).toEqual(['sh -s']);
    expect(host.connections()).toBe(1);
  });

  it('go on without the one that fails, and say so', async () => {
    const [good, gone] = [await unprepared(), await startSshHost()];
    hostsFile({ gone, good });
    await gone.close();
    const { status, out, err } = await run('prepare', ...mode, '--apply', '--json');
    expect(status).toBe(3);
    const { kind, hosts } = JSON.parse(out);
    expect(kind).toBe('HostPreparation');
    expect(hosts).toMatchObject([
      { host: 'gone', error: { code: 'unreachable' } },
      { host: 'good', outcome: { status: 'done' } },
    ]);
    const events = err.split('\n').filter((line) => line.startsWith('{'));
    expect(events.map((line) => JSON.parse(line).type)).toContain('step-end');
  });

  it('are resumed from what they keep themselves, after vmgpu is gone', async () => {
    const host = await unprepared();
    hostsFile({ gpu01: host });
    const whole = await unprepared();
    hostsFile({ gpu01: whole });
    await run('prepare', ...mode, '--apply');
    hostsFile({ gpu01: host });
    // The line breaks at the third command: plan and reading are through, the script is at work.
    const breaking = setInterval(() => {
      if (host.file('/etc/vmgpu/devices') !== undefined) {
        host.drop();
        clearInterval(breaking);
      }
    }, 1);
    const broken = await run('prepare', ...mode, '--apply');
    clearInterval(breaking);
    expect(broken.status).toBe(3);
    expect(broken.err).toContain('broke while a program ran');
    expect(broken.err).toMatch(
      /(done and kept: |no step was finished).*stopped in .*next: vmgpu prepare --hosts hosts.yaml --ssh gpu01 --resume/s,
    );
    // The host's own copy of the plan is damaged as well: the one kept here is enough. Without either one nobody guesses.
    const copies = [
      join(host.root, 'var/lib/vmgpu/plan.json'),
      join(directory, '.local/state/vmgpu/hosts/gpu01.json'),
    ];
    const [there = '', here = ''] = copies;
    const kept = readFileSync(here);
    for (const copy of copies) writeFileSync(copy, kept.subarray(0, 200));
    const guessed = await run('prepare', '--resume');
    expect(guessed.status).toBe(3);
    expect(guessed.err).toMatch(/plan\.json on gpu01 is no plan.*remove it and prepare the host anew/s);
    writeFileSync(here, kept);
    expect(readFileSync(there)).toHaveLength(200);
    const resumed = await run('prepare', '--resume');
    expect(resumed.err).toContain('the host keeps no plan; going on with');
    expect(resumed.status).toBe(0);
    expect((await run('prepare', '--resume')).err).toContain('nothing was stopped there');
    expect(host.files()).toEqual(whole.files());
  });

  it('must be known, and a hosts file must make sense', async () => {
    const host = await unprepared();
    hostsFile({ gpu01: host });
    writeFileSync(join(directory, 'known_hosts'), '');
    const unknown = await run('doctor', ...mode);
    expect(unknown.status).toBe(3);
    expect(unknown.err).toMatch(/not known.*SHA256:/s);
    hostsFile({ gpu01: host }, ', sudo: true');
    expect((await run('doctor', ...mode)).err).toContain('hosts.yaml:1:');
    hostsFile({ gpu01: host });
    expect((await run('doctor', ...mode, '--ssh', 'gpu02')).err).toContain('did you mean gpu01?');
  });

  it('that lead to others are no targets themselves, unless they are named', async () => {
    const [bastion, host] = [await unprepared(), await unprepared()];
    hostsFile({ bastion, gpu01: host });
    const text = `defaults: { identity: key }
hosts:
  bastion: { address: 127.0.0.1, port: ${bastion.port} }
  gpu01: { address: 127.0.0.1, port: ${host.port}, jump: bastion }
`;
    writeFileSync(join(directory, 'hosts.yaml'), text);
    const judged = async (...words: string[]) => {
      const { out } = await run('doctor', ...mode, '--json', ...words);
      const { kind, items } = JSON.parse(out) as { kind: string; items?: readonly unknown[] };
      return { kind, count: items?.length };
    };
    expect(await judged()).toEqual({ kind: 'HostReadiness', count: undefined });
    expect(await judged('--ssh', 'bastion', '--ssh', 'gpu01')).toEqual({
      kind: 'HostReadinessList',
      count: 2,
    });
  });
});

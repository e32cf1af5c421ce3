import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isUnknown } from '@vmgpu/core';
import { afterEach, describe, expect, it } from 'vitest';
import { applyHostPlan, type HostPort, readHost } from '../src/exec/index.ts';
import { scriptFailure } from '../src/exec/script-failure.ts';
import { createLocalPort } from '../src/local/index.ts';
import { planHostRemoval } from '../src/plan/index.ts';
import { installCommand } from '../src/render/shell-step.ts';
import { below, planForSandbox, sandbox } from './exec-sandbox.ts';
import { ModelHost } from './plan-model-host.ts';

// Hosts that lack what one would like to find there, or on which somebody else is at work.

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'vmgpu-obstacle-'));
  folders.push(made);
  return made;
}

/** This machine with the programs of busybox and no others. */
function busyboxOnly(...without: readonly string[]): HostPort {
  const bin = folder();
  const busybox = execFileSync('which', ['busybox'], { encoding: 'utf8' }).trim();
  execFileSync(busybox, ['--install', '-s', bin]);
  for (const name of without) rmSync(join(bin, name), { force: true });
  const port = createLocalPort();
  return { ...port, run: (argv, options) => port.run([busybox, 'env', `PATH=${bin}`, ...argv], options) };
}

describe.skipIf(!has('busybox'))('a host with busybox alone', () => {
  it.each([
    ['with its lspci, which takes no options of pciutils', []],
    ['without lspci', ['lspci']],
    ['without lspci, lsmod, modinfo and blkid', ['lspci', 'lsmod', 'modinfo', 'blkid']],
  ])('%s: shows the same PCI devices and the same kernel', async (_, without) => {
    const [whole, bare] = await Promise.all([readHost(createLocalPort()), readHost(busyboxOnly(...without))]);
    const known = ({ pci }: typeof whole) =>
      isUnknown(pci)
        ? pci
        : pci.map(({ address, id, class: kind, driver }) => ({ address, id, kind, driver }));
    expect(known(bare)).toEqual(known(whole));
    expect(bare.system.kernelRelease).toEqual(whole.system.kernelRelease);
    expect(bare.boot.cmdline).toEqual(whole.boot.cmdline);
    expect(bare.system.cpu).toEqual(whole.system.cpu);
  });

  it('is prepared, needs nothing the second time, and comes back byte for byte', async () => {
    const { root, files } = sandbox();
    folders.push(root);
    const untouched = files();
    const port = below(root, busyboxOnly('flock'));
    const plan = planForSandbox();
    expect(await applyHostPlan(port, plan)).toMatchObject({ status: 'done' });
    for (const step of plan.steps)
      if (step.kind === 'write-file')
        expect(files()[step.path]).toMatch(new RegExp(`^${step.mode.toString(8)} `));
    expect(await applyHostPlan(port, plan)).toMatchObject({ status: 'unchanged', changed: [] });
    const model = new ModelHost();
    model.apply(plan);
    const removal = planHostRemoval(model.facts());
    const steps = removal.steps.filter(({ kind }) => kind !== 'verify' && kind !== 'reboot');
    await applyHostPlan(port, { ...removal, host: plan.host, steps });
    expect(files()).toEqual(untouched);
  });
});

/** Takes the lock that dpkg takes (fcntl, which Node cannot), says so, and holds it until its input ends. */
const holdLock = `use Fcntl; open(F, '>', $ARGV[0]) or die;
my $lock = pack('s s x4 l! l! i', F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLK, $lock) or die "lock: $!"; $| = 1; print "held"; <STDIN>;`;

describe.skipIf(!has('apt-get') || !has('perl'))('a package manager that is at work', () => {
  it('is waited for, then named, with what to do', async () => {
    const place = folder();
    mkdirSync(join(place, 'lists/partial'), { recursive: true });
    writeFileSync(join(place, 'status'), '');
    const holder = spawn('perl', ['-e', holdLock, join(place, 'lock-frontend')]);
    await once(holder.stdout, 'data');
    const [env = '', ...words] = installCommand({ manager: 'apt', names: ['dpkg'] } as never);
    const command = words.flatMap((word) =>
      word === 'DPkg::Lock::Timeout=300'
        ? ['DPkg::Lock::Timeout=1', '-o', `Dir::State=${place}`, '-o', `Dir::State::status=${place}/status`]
        : [word],
    );
    const result = spawnSync(env, ['LC_ALL=C', ...command], { encoding: 'utf8' });
    holder.stdin.end();
    expect(result.status).not.toBe(0);
    const error = scriptFailure('gpu01', 'package/x', { status: 100, stdout: '', stderr: result.stderr });
    expect(error).toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/gpu01: step package\/x: E: .*lock-frontend/),
      hint: expect.stringContaining('package manager is busy'),
    });
  });
});

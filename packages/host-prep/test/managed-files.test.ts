import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { VmgpuError } from '@vmgpu/core';
import { afterEach, describe, expect, it } from 'vitest';
import { applyManagedFiles, type HostPort, managedFilesOn, undoManagedFiles } from '../src/exec/index.ts';
import { createLocalPort } from '../src/local/index.ts';
import { managedService } from './managed-service.ts';

// Real files and a real daemon, on this machine.

const port = createLocalPort();
const made: ReturnType<typeof managedService>[] = [];
function host() {
  const service = managedService();
  made.push(service);
  return service;
}
afterEach(() => {
  for (const service of made.splice(0)) service.end();
});
const failureOf = (work: Promise<unknown>): Promise<VmgpuError> =>
  work.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: VmgpuError) => error,
  );
const good = 'mode = well\n';
const better = 'mode = better\n';

describe('files and their service', () => {
  it('are put in place, read by the service, and left alone the second time', async () => {
    const { set, options, files, running, restarts } = host();
    const wanted = set({ '50-a.conf': good, 'sub/50-b.conf': 'no newline at the end' });
    const heard: string[] = [];
    const first = await applyManagedFiles(port, wanted, {
      ...options,
      onProgress: (line) => heard.push(line),
    });
    expect(first).toEqual({
      status: 'changed',
      files: wanted.files.map(({ path }) => path),
      restarted: ['nova-compute'],
    });
    expect(heard).toContain('restart nova-compute');
    expect(files()).toEqual({ '50-a.conf': `644 ${good}`, 'sub/50-b.conf': '644 no newline at the end' });
    expect(running()).toContain(good);

    expect(await applyManagedFiles(port, wanted, options)).toEqual({
      status: 'unchanged',
      files: [],
      restarted: [],
    });
    expect(restarts()).toBe(1);
  });

  it('keep mode and links, and come back byte by byte', async () => {
    const { set, options, files, write, path, root, running } = host();
    write('real', 'mode = old\nwithout end');
    chmodSync(path('real'), 0o640);
    symlinkSync(path('real'), path('50-a.conf'));
    utimesSync(path('real'), 1_000_000, 1_000_000);
    const before = files();
    const wanted = set({ '50-a.conf': good, 'new/50-b.conf': good });
    await applyManagedFiles(port, wanted, options);
    expect(files()).toMatchObject({ real: `640 ${good}` });
    expect(lstatSync(path('50-a.conf')).isSymbolicLink()).toBe(true);

    const undone = await undoManagedFiles(port, wanted, options);
    expect(undone.files).toHaveLength(2);
    expect(files()).toEqual(before);
    expect(statSync(path('real')).mtimeMs).toBe(1_000_000_000);
    expect(readdirSync(join(root, 'etc'))).not.toContain('new');
    expect(running()).toContain('mode = old');
    expect(await undoManagedFiles(port, wanted, options)).toMatchObject({ status: 'unchanged' });
  });

  it('are put into operation when they lay there already, and when they were touched since', async () => {
    const { set, options, write, path, restarts } = host();
    write('50-a.conf', good);
    const wanted = set({ '50-a.conf': good });
    expect(await applyManagedFiles(port, wanted, options)).toMatchObject({
      files: [],
      restarted: ['nova-compute'],
    });
    expect(restarts()).toBe(1);
    const later = Date.now() / 1000 + 5;
    utimesSync(path('50-a.conf'), later, later);
    await applyManagedFiles(port, wanted, options);
    expect(restarts()).toBe(2);
  });

  it('have their service started again when it has died', async () => {
    const { set, options, root, running } = host();
    const wanted = set({ '50-a.conf': good });
    await applyManagedFiles(port, wanted, options);
    await port.run(['sh', '-c', `kill -9 -$(cat ${root}/pid)`]);
    expect(running()).toBeUndefined();
    expect(await applyManagedFiles(port, wanted, options)).toMatchObject({
      files: [],
      restarted: ['nova-compute'],
    });
    expect(running()).toContain(good);
    // The way back is still the one of the first time.
    expect(await undoManagedFiles(port, wanted, options)).toMatchObject({ files: [wanted.files[0]?.path] });
  });

  it('change after change are taken back in the opposite order, and in no other', async () => {
    const { set, options, files } = host();
    const [one, two] = [set({ '50-a.conf': good }), set({ '50-a.conf': better })];
    await applyManagedFiles(port, one, options);
    await applyManagedFiles(port, two, options);
    expect(await failureOf(undoManagedFiles(port, one, options))).toMatchObject({ code: 'conflict' });
    expect(files()).toEqual({ '50-a.conf': `644 ${better}` });
    await undoManagedFiles(port, two, options);
    expect(files()).toEqual({ '50-a.conf': `644 ${good}` });
    await undoManagedFiles(port, one, options);
    expect(files()).toEqual({});
  });

  it('that somebody else changed since are not taken back', async () => {
    const { set, options, files, write } = host();
    const wanted = set({ '50-a.conf': good });
    await applyManagedFiles(port, wanted, options);
    write('50-a.conf', 'mode = theirs\n');
    expect((await failureOf(undoManagedFiles(port, wanted, options))).message).toContain('left alone');
    expect(files()['50-a.conf']).toContain('theirs');
  });
});

describe('a file that several sets are merged into', () => {
  it('is put into operation once by each, read, and given back by one after the other', async () => {
    const { service, options, path, files, write, restarts } = host();
    write('nova.conf', 'mode = well\n');
    const merged = async (name: string) => {
      const on = managedFilesOn(port, options);
      const now = (await on.read(path('nova.conf'))) ?? '';
      const content = now.includes(`# ${name}\n`) ? now : `${now}# ${name}\n`;
      return {
        on,
        set: { name, version: name, files: [{ path: path('nova.conf'), content }], services: [service] },
      };
    };
    for (const name of ['api', 'scheduler']) {
      const { on, set } = await merged(name);
      expect(await on.apply(set)).toMatchObject({ status: 'changed' });
    }
    for (const name of ['api', 'scheduler']) {
      const { on, set } = await merged(name);
      expect(await on.apply(set)).toMatchObject({ status: 'unchanged' });
    }
    expect(restarts()).toBe(2);
    // A hand that was there since may have restarted the service in between, or not.
    const later = Date.now() / 1000 + 5;
    utimesSync(path('nova.conf'), later, later);
    for (const name of ['api', 'scheduler']) {
      const { on, set } = await merged(name);
      expect(await on.apply(set)).toMatchObject({ status: 'changed', files: [] });
    }
    for (const name of ['scheduler', 'api']) {
      const { on, set } = await merged(name);
      expect(await on.undo(set)).toMatchObject({ status: 'changed' });
    }
    expect(files()).toEqual({ 'nova.conf': '644 mode = well\n' });
    const { on } = await merged('api');
    expect(await on.read(path('not-there'))).toBeUndefined();
  });
});

describe('a service that does not run with the new files', () => {
  it.each([
    ['stops at once', 'crash', 'ConfigInvalid'],
    ['stops after a second', 'later', 'RuntimeError: gave up after a while'],
  ])('because it %s gets the earlier ones back, and the error says why', async (_, mode, cause) => {
    const { set, options, files, write, running, start } = host();
    write('50-a.conf', good);
    chmodSync(made[0]?.path('50-a.conf') ?? '', 0o600);
    start();
    const before = files();
    const bad = set({ '50-a.conf': `mode = ${mode}\n`, '60-b.conf': '# new\n' });
    const error = await failureOf(
      applyManagedFiles(port, bad, { ...options, settleSeconds: mode === 'later' ? 2 : 0 }),
    );
    expect(error).toMatchObject({ code: 'refused', details: { service: 'nova-compute', running: true } });
    expect(error.message).toContain(cause);
    expect(error.hint).toContain('the earlier files are back');
    expect(files()).toEqual(before);
    expect(running()).toBe(good);
    // Nothing is left to be gone on with.
    expect(await undoManagedFiles(port, bad, options)).toMatchObject({ status: 'unchanged' });
  });

  it('because it is started again and again is not taken for a running one', async () => {
    const { set, options, files, flag } = host();
    flag('loop');
    const error = await failureOf(
      applyManagedFiles(port, set({ '50-a.conf': 'mode = later\n' }), { ...options, settleSeconds: 2 }),
    );
    expect(error.code).toBe('refused');
    expect(error.found).toMatch(/started again|still starting/);
    expect(files()).toEqual({});
  });

  it('may take its time to start', async () => {
    const { set, options, running, flag, files } = host();
    const slow = set({ '50-a.conf': 'mode = slow\n' });
    const error = await failureOf(applyManagedFiles(port, slow, { ...options, startSeconds: 0 }));
    expect(error.found).toContain('still starting');
    expect(files()).toEqual({});
    const onProgress = (line: string) => {
      if (line === 'restart nova-compute') setTimeout(() => flag('go'), 200);
    };
    await applyManagedFiles(port, slow, { ...options, onProgress });
    expect(running()).toContain('slow');
  });

  it('neither with the earlier ones is said to be down', async () => {
    const { set, options, files, flag, write } = host();
    write('50-a.conf', good);
    flag('refuse');
    const wanted = set({ '50-a.conf': better });
    const error = await failureOf(applyManagedFiles(port, wanted, options));
    expect(error).toMatchObject({ details: { running: false } });
    expect(error.message).toContain('Unit is masked');
    expect(error.hint).toContain('does not run with them either');
    expect(files()).toEqual({ '50-a.conf': `644 ${good}` });
    flag('refuse', false);
    expect(await applyManagedFiles(port, wanted, options)).toMatchObject({ status: 'changed' });
    flag('refuse');
    expect((await failureOf(undoManagedFiles(port, wanted, options))).message).toContain(
      'with the earlier files',
    );
    flag('refuse', false);
    await undoManagedFiles(port, wanted, options);
    expect(files()).toEqual({ '50-a.conf': `644 ${good}` });
  });
});

describe('a unit of systemd', () => {
  /** A port on which `systemctl` and `journalctl` answer as systemd 252 does: a state and an invocation for each look. */
  function systemd(root: string, looks: readonly (readonly [state: string, invocation: string])[]): HostPort {
    const bin = join(root, 'bin');
    mkdirSync(bin);
    const program = (name: string, text: string) =>
      writeFileSync(join(bin, name), `#!/bin/sh\n${text}`, { mode: 0o755 });
    for (const [index, [state, invocation]] of looks.entries())
      writeFileSync(join(root, `look-${index}`), `${state} ${invocation}\n`);
    program(
      'systemctl',
      `echo "$*" >>${root}/asked
n=$(cat ${root}/n 2>/dev/null || echo 0)
case $* in
  'restart -- nova-compute') ;;
  'show -p InvocationID -- nova-compute') cut -d' ' -f2 ${root}/look-$n ;;
  'show -p ActiveState --value -- nova-compute') cut -d' ' -f1 ${root}/look-$n; [ ! -e ${root}/look-$((n + 1)) ] || echo $((n + 1)) >${root}/n ;;
  *) exit 9 ;;
esac
`,
    );
    program('journalctl', `echo "nova.exception.Broken: by $*"\n`);
    return {
      ...port,
      run: (argv, options) => port.run(['env', `PATH=${bin}:${process.env.PATH}`, ...argv], options),
    };
  }
  const apply = async (looks: Parameters<typeof systemd>[1]) => {
    const { root, options, set } = host();
    const files = { ...set({ '50-a.conf': good }), services: [{ name: 'nova-compute' }] };
    return applyManagedFiles(systemd(root, looks), files, { ...options, settleSeconds: 1 });
  };

  it('runs when it is active, and stays the same invocation', async () => {
    expect(
      await apply([
        ['activating', 'a'],
        ['active', 'a'],
      ]),
    ).toMatchObject({ restarted: ['nova-compute'] });
  });

  it.each([
    [
      'was started again',
      [
        ['active', 'a'],
        ['active', 'b'],
        ['active', 'b'],
      ],
      'started again',
    ],
    [
      'waits to be started again',
      [
        ['active', 'a'],
        ['activating', 'b'],
        ['active', 'b'],
      ],
      'started again',
    ],
    [
      'failed',
      [
        ['active', 'a'],
        ['failed', 'a'],
        ['active', 'c'],
      ],
      'it stopped',
    ],
  ] as const)('does not when it %s, and its journal says why', async (_, looks, found) => {
    const error = await failureOf(apply(looks));
    expect(error.found).toContain(found);
    expect(error.message).toContain('nova.exception.Broken: by -u nova-compute -n 20 -o cat --no-pager');
  });
});

describe('a place that cannot be written', () => {
  it('stops the work before anything is changed', async () => {
    const { set, options, files, root, restarts, path } = host();
    mkdirSync(path('60-b.conf'));
    const directory = await failureOf(
      applyManagedFiles(port, set({ '50-a.conf': good, '60-b.conf': good }), options),
    );
    expect(directory.message).toContain('60-b.conf is not a file');
    const below = set({ '50-a.conf': good, '60-b.conf': good });
    renameSync(path('60-b.conf'), path('40.conf'));
    const nested = { ...below, files: [...below.files, { path: `${root}/daemon/x.conf`, content: good }] };
    expect((await failureOf(applyManagedFiles(port, nested, options))).code).toBe('refused');
    expect(files()).toEqual({});
    expect(restarts()).toBe(0);
  });

  it('is told before the host is asked', async () => {
    const { options, service } = host();
    const one = (path: string) =>
      applyManagedFiles(port, { name: 'x', files: [{ path, content: '' }], services: [service] }, options);
    for (const path of ['etc/x', '/etc/../x', '/etc//x', '/etc/x/', '/etc/x\n', '/', ''])
      expect((await failureOf(one(path))).code, path).toBe('bad-input');
  });
});

describe('work that is stopped', () => {
  /** Kills the script's process group at the n-th line of standard error; traced, these are all its commands. */
  function killedAt(
    point: number,
    signal: NodeJS.Signals,
    traced = false,
  ): { port: HostPort; lines: string[] } {
    const lines: string[] = [];
    let group = 0;
    const run: HostPort['run'] = ([shell = '', ...words], options = {}) =>
      port.run(
        ['sh', '-c', 'echo group $$ >&2; exec "$@"', 'sh', shell, ...(traced ? ['-x'] : []), ...words],
        {
          ...options,
          onLine: (line) => {
            options.onLine?.(line);
            group ||= Number(/^group (\d+)$/.exec(line)?.[1] ?? 0);
            if (/^group |^\+ (?:PATH|LC_ALL|export|umask|trap|state|set|key|\w+_seconds)\b/.test(line))
              return;
            lines.push(line);
            if (lines.length === point) process.kill(-group, signal);
          },
        },
      );
    return { port: { ...port, run }, lines };
  }

  const cases = [
    ['applied', 'SIGKILL', 'apply'],
    ['applied', 'SIGTERM', 'apply'],
    ['taken back', 'SIGKILL', 'undo'],
    ['brought back after a crash', 'SIGKILL', 'fail'],
  ] as const;
  // VMGPU_EXHAUSTIVE=1 stops at every command of the script, which takes minutes.
  const every = process.env.VMGPU_EXHAUSTIVE ? 1 : 59;
  it.each(cases)('while files are %s (%s) ends right the next time', async (_, signal, goal) => {
    let [kills, ended] = [0, false];
    for (
      let point = every > 1 ? 20 + cases.findIndex((one) => one[1] === signal && one[2] === goal) * 7 : 1;
      !ended;
      point += every
    ) {
      const { set, options, files, write, running, start, end } = host();
      write('50-a.conf', good);
      start();
      const before = files();
      const wanted = set({ '50-a.conf': goal === 'fail' ? 'mode = crash\n' : better, '60-b.conf': '# b\n' });
      if (goal === 'undo') await applyManagedFiles(port, wanted, options);
      const work = goal === 'undo' ? undoManagedFiles : applyManagedFiles;
      const killed = killedAt(point, signal, true);
      const first = await work(killed.port, wanted, options).then(
        () => undefined,
        (error: VmgpuError) => error,
      );
      if (/status (137|143)/.test(first?.found ?? '')) kills += 1;
      ended = killed.lines.length < point;
      const where = `${goal} killed at ${point}: ${killed.lines.at(-1)}`;
      const whole = [...Object.values(before), ...wanted.files.map(({ content }) => `644 ${content}`)];
      for (const [name, text] of Object.entries(files()))
        if (!name.endsWith('.vmgpu-new')) expect(whole, where).toContain(text);

      if (goal === 'fail') await failureOf(applyManagedFiles(port, wanted, options));
      else await work(port, wanted, options);
      const after = goal === 'apply' ? { '50-a.conf': `644 ${better}`, '60-b.conf': '644 # b\n' } : before;
      expect(files(), where).toEqual(after);
      expect(running(), where).toBe(goal === 'apply' ? `${better}# b\n` : good);
      if (goal === 'apply') {
        await undoManagedFiles(port, wanted, options);
        expect(files(), where).toEqual(before);
      }
      end();
    }
    expect(kills).toBeGreaterThanOrEqual(1);
    process.stdout.write(`${goal}, ${signal}: ${kills} points, 0 failures\n`);
  });

  it('is taken back when something else is wanted then', async () => {
    const { set, options, files } = host();
    const killed = killedAt(3, 'SIGKILL');
    await failureOf(applyManagedFiles(killed.port, set({ '50-a.conf': good, '60-b.conf': good }), options));
    const other = set({ '60-b.conf': better });
    await applyManagedFiles(port, other, options);
    expect(files()).toEqual({ '60-b.conf': `644 ${better}` });
    await undoManagedFiles(port, other, options);
    expect(files()).toEqual({});
  });

  it('and changed by hand meanwhile is left alone', async () => {
    const { set, options, write } = host();
    const wanted = set({ '50-a.conf': good, '60-b.conf': good });
    await failureOf(applyManagedFiles(killedAt(3, 'SIGKILL').port, wanted, options));
    write('50-a.conf', 'mode = theirs\n');
    expect((await failureOf(applyManagedFiles(port, wanted, options))).message).toMatch(
      /neither what it was before/,
    );
  });

  it('leaves nobody waiting: a second vmgpu is told at once', async () => {
    const { set, options, root, files } = host();
    mkdirSync(join(root, 'state'));
    const other = spawn('flock', [join(root, 'state/lock'), 'sh', '-c', 'echo held; cat']);
    await once(other.stdout, 'data');
    try {
      const error = await failureOf(applyManagedFiles(port, set({ '50-a.conf': good }), options));
      expect(error).toMatchObject({ code: 'conflict', hint: 'wait until it has ended' });
      expect(files()).toEqual({});
    } finally {
      other.stdin.end();
      await once(other, 'close');
    }
  });
});

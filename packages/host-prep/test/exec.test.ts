import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VmgpuError } from '@vmgpu/core';
import { afterEach, describe, expect, it } from 'vitest';
import {
  applyHostPlan,
  bootIdOf,
  type HostEvent,
  type HostPort,
  onHosts,
  readHost,
  rebootHost,
} from '../src/exec/index.ts';
import { lineReader } from '../src/exec/lines.ts';
import { scriptFailure } from '../src/exec/script-failure.ts';
import { createLocalPort } from '../src/local/index.ts';
import type { HostPlan } from '../src/plan/index.ts';
import { below, planForSandbox, sandbox } from './exec-sandbox.ts';

const roots: string[] = [];
function host() {
  const made = sandbox();
  roots.push(made.root);
  return { ...made, port: below(made.root) };
}
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});
const failureOf = (work: Promise<unknown>): Promise<VmgpuError> =>
  work.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: VmgpuError) => error,
  );

/** The port, with somebody who hears every line of standard error. */
const listened = (port: HostPort, onLine: (line: string) => void): HostPort => ({
  ...port,
  run: (argv, options = {}) =>
    port.run(argv, {
      ...options,
      onLine: (line) => {
        options.onLine?.(line);
        onLine(line);
      },
    }),
});

describe('a plan on a host', () => {
  const plan = planForSandbox();
  const writes = plan.steps.filter(({ kind }) => kind === 'write-file');

  it('does each step once, tells of it in order, and changes nothing the second time', async () => {
    const { port, files } = host();
    const events: HostEvent[] = [];
    const first = await applyHostPlan(port, plan, { onEvent: (event) => events.push(event) });
    expect(first).toMatchObject({ status: 'done', rebooted: false });
    expect(first.changed).toEqual(expect.arrayContaining(writes.map(({ id }) => id)));
    expect(events[0]).toMatchObject({ type: 'host-start', steps: plan.steps.length });
    expect(events.at(-1)).toMatchObject({ type: 'host-end', status: 'done' });
    const started = events.flatMap((event) => (event.type === 'step-start' ? [event.step] : []));
    expect(started).toEqual(plan.steps.map(({ id }) => id));
    expect(events.filter(({ type }) => type === 'step-end')).toHaveLength(plan.steps.length);

    const after = files();
    for (const step of writes) {
      if (step.kind === 'write-file') expect(after[step.path]).toBe(`${step.mode.toString(8)} ${step.after}`);
    }
    expect(await applyHostPlan(port, plan)).toMatchObject({ status: 'unchanged', changed: [] });
    expect(files()).toEqual(after);
  });

  it.each([
    ['vmgpu is stopped', 'SIGTERM'],
    ['the power is cut', 'SIGKILL'],
  ] as const)('goes on after %s at any line, to the same files', async (_, signal) => {
    const whole = host();
    const lines: string[] = [];
    await applyHostPlan(
      listened(whole.port, (line) => lines.push(line)),
      plan,
    );
    const wanted = whole.files();
    expect(lines.length).toBeGreaterThan(plan.steps.length);
    let kills = 0;
    for (let at = 1; at <= lines.length; at += 1) {
      const { port, files } = host();
      let [seen, group] = [0, 0];
      const killed = listened(port, (line) => {
        group ||= Number(/^group (\d+)$/.exec(line)?.[1] ?? 0);
        seen += 1;
        // The first line is the group's number.
        if (seen === at + 1) process.kill(-group, signal);
      });
      const inGroup: HostPort = {
        ...killed,
        run: (argv, options) =>
          killed.run(['sh', '-c', 'echo group $$ >&2; exec "$@"', 'sh', ...argv], options),
      };
      // The script may have ended before the signal comes: that is a point as well.
      await applyHostPlan(inGroup, plan).catch((error: VmgpuError) => {
        kills += 1;
        expect(error.found, `line ${at}`).toMatch(/exit status (137|143)/);
      });
      await applyHostPlan(port, plan);
      expect(files(), `killed at line ${at}: ${lines[at - 1]}`).toEqual(wanted);
    }
    expect(kills).toBeGreaterThan(lines.length / 2);
    process.stdout.write(`${signal}: ${lines.length} points, 0 failures\n`);
  });

  it('stops at somebody else’s file, names the step, and says what to do', async () => {
    const { port, root } = host();
    const path = '/etc/modules-load.d/vmgpu.conf';
    mkdirSync(join(root, '/etc/modules-load.d'), { recursive: true });
    writeFileSync(join(root, path), '# mine\nnvidia\n');
    const events: HostEvent[] = [];
    const error = await failureOf(applyHostPlan(port, plan, { onEvent: (event) => events.push(event) }));
    expect(error).toMatchObject({
      code: 'conflict',
      details: { step: expect.stringContaining('modules-load') },
    });
    expect(error.message).toContain(`${path} is not a file of vmgpu, left alone`);
    expect(error.hint).toContain('make a new plan');
    expect(events.at(-1)).toMatchObject({ type: 'host-end', status: 'failed', error: { code: 'conflict' } });
  });

  it('does not touch a host of another name', async () => {
    const { port, files } = host();
    const before = files();
    const error = await failureOf(applyHostPlan(port, { ...plan, host: 'gpu99' }));
    expect(error.message).toMatch(/the plan was made for gpu99/);
    expect(files()).toEqual(before);
  });

  it('waits for nobody: a second vmgpu is told so', async () => {
    const { port, root, files } = host();
    const before = files();
    mkdirSync(join(root, 'var/lib/vmgpu/script'), { recursive: true });
    const other = spawn('flock', [join(root, 'var/lib/vmgpu/script/lock'), 'sh', '-c', 'echo held; cat']);
    await once(other.stdout, 'data');
    try {
      const error = await failureOf(applyHostPlan(port, plan));
      expect(error).toMatchObject({ code: 'conflict', hint: 'wait until it has ended' });
      expect(files()).toEqual(before);
    } finally {
      other.stdin.end();
      await once(other, 'close');
    }
    expect((await applyHostPlan(port, plan)).status).toBe('done');
  });

  it('refuses a blocked plan, and a system that only its own tools may write', async () => {
    const { port, files } = host();
    const before = files();
    const blocked = {
      ...plan,
      diagnostics: [
        { kind: 'blocked', code: 'host.x', path: 'goal', message: 'no way', remedy: 'take another' },
      ],
    } as unknown as HostPlan;
    expect(await failureOf(applyHostPlan(port, blocked))).toMatchObject({
      code: 'bad-input',
      hint: 'take another',
    });
    const foreign = { ...plan, family: { ...plan.family, name: 'talos', writable: false } } as HostPlan;
    expect(await failureOf(applyHostPlan(port, foreign))).toMatchObject({ code: 'unsupported' });
    expect(files()).toEqual(before);
  });
});

describe('a reboot', () => {
  const answers = (...texts: (string | Error)[]): HostPort & { readonly asked: string[] } => {
    const asked: string[] = [];
    return {
      name: 'gpu01',
      asked,
      close: async () => undefined,
      run: async (argv) => {
        asked.push(argv.join(' '));
        if (argv[0] === 'sh') return { status: 0, stdout: '', stderr: '' };
        const next = texts.length > 1 ? texts.shift() : texts[0];
        if (next instanceof Error) throw next;
        return { status: 0, stdout: `${next}\n`, stderr: '' };
      },
    };
  };
  let now = 0;
  const sleep = async (milliseconds: number) => {
    now += milliseconds;
  };
  const clock = { now: () => now, sleep };
  const down = new VmgpuError('unreachable', 'down', { details: { retryable: true } });

  it('is over when another boot id answers, however often nothing or the old one did', async () => {
    const port = answers('one', 'one', down, down, 'two');
    await rebootHost(port, { clock, rebootMs: 60_000 });
    expect(port.asked.filter((line) => line.startsWith('cat'))).toHaveLength(5);
    expect(port.asked[1]).toContain('systemctl reboot');
  });

  it('has a limit, and says what was last seen', async () => {
    const error = await failureOf(rebootHost(answers('one', down), { clock, rebootMs: 60_000 }));
    expect(error).toMatchObject({ code: 'timeout', found: 'no answer' });
  });

  it('is told from the kernel’s own file', async () => {
    expect(await bootIdOf(createLocalPort())).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('many hosts', () => {
  const ports = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name }) as HostPort);
  const failing = async ({ name }: HostPort) => {
    if (name === 'b') throw new VmgpuError('unreachable', 'down');
    return name;
  };

  it('each have their own result, and one that fails stops nobody', async () => {
    const results = await onHosts(ports, failing, { concurrency: 2 });
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true, true, true]);
  });

  it('are not begun any more when as many failed as may be unavailable', async () => {
    const events: HostEvent[] = [];
    const onEvent = (event: HostEvent) => events.push(event);
    const results = await onHosts(ports, failing, { maxUnavailable: 1, onEvent });
    expect(results.map(({ ok }) => ok)).toEqual([true, false, undefined, undefined, undefined]);
    expect(events).toEqual(
      ['c', 'd', 'e'].map((name) => ({ host: name, type: 'host-end', status: 'skipped' })),
    );
  });

  it('are at work no more at once than was allowed', async () => {
    let [busy, most] = [0, 0];
    await onHosts(
      ports,
      async () => {
        busy += 1;
        most = Math.max(most, busy);
        await new Promise((resolve) => setImmediate(resolve));
        busy -= 1;
      },
      { concurrency: 3 },
    );
    expect(most).toBe(3);
  });
});

describe('this machine', () => {
  const port = createLocalPort();

  it('is read in one run', async () => {
    expect((await readHost(port)).gaps).toBeDefined();
  });

  it('takes arguments as they are, gives statuses as a shell does, and every line once', async () => {
    const nasty = '$(touch /tmp/x) `id` "q" \'s\' ; | & \\ * ?\n two';
    expect((await port.run(['printf', '%s', nasty])).stdout).toBe(nasty);
    expect((await port.run(['sh', '-c', 'exit 7'])).status).toBe(7);
    expect((await port.run(['sh', '-c', 'kill -9 $$'])).status).toBe(137);
    const lines: string[] = [];
    await port.run(['sh', '-c', 'printf "a\\nb" >&2'], { onLine: (line) => lines.push(line) });
    expect(lines).toEqual(['a', 'b']);
  });

  it('ends what it runs at a time limit', async () => {
    const error = await failureOf(port.run(['sh', '-c', 'sleep 60 & wait'], { timeoutMs: 50 }));
    expect(error.code).toBe('timeout');
    expect(await failureOf(port.run(['/nowhere/at/all']))).toMatchObject({ code: 'refused' });
  });
});

describe('what a host says', () => {
  it.each([
    ['cat: write error: No space left on device', 'capacity'],
    ["cp: cannot create regular file '/etc/x': Read-only file system", 'refused'],
    ['E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (apt)', 'conflict'],
    ['vmgpu: the boot entry lacks intel_iommu=on; not rebooting', 'host-not-ready'],
    ['vmgpu: root is needed', 'permission-denied'],
    ['something new', 'refused'],
  ])('%s', (line, code) => {
    const error = scriptFailure('gpu01', 'boot', {
      status: 1,
      stdout: '',
      stderr: `vmgpu-step boot\n${line}\n`,
    });
    expect(error).toMatchObject({ code, details: { step: 'boot' } });
    expect(error.message).toContain(line.replace('vmgpu: ', ''));
    expect(error.hint).toBeTruthy();
  });

  it('is cut into lines wherever its bytes are split', () => {
    const lines: string[] = [];
    const reader = lineReader((line) => lines.push(line));
    for (const byte of new TextEncoder().encode('zwölf\r\n\nende')) reader.push(Uint8Array.of(byte));
    reader.end();
    expect(lines).toEqual(['zwölf', '', 'ende']);
  });
});

import { badInput, isVmgpuError, nearest, redact } from '@vmgpu/core';
import { type Command, commandHelp, parseCommandLine } from './command.ts';
import { type ExitStatus, exitStatus, type Io } from './io.ts';
import { printable } from './style.ts';
import { version } from './version.ts';

/** Commands are loaded when they are used: `vmgpu inspect` must not pay for `vmgpu lint`. */
export const commands: Readonly<Record<string, () => Promise<Command>>> = {
  collect: async () => (await import('./commands/collect.ts')).collect,
  inspect: async () => (await import('./commands/inspect.ts')).inspect,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  catalog: async () => (await import('./commands/catalog.ts')).catalogCommand,
  prepare: async () => (await import('./commands/prepare.ts')).prepare,
  render: async () => (await import('./commands/render.ts')).render,
  inventory: async () => (await import('./commands/inventory.ts')).inventory,
  plan: async () => (await import('./commands/plan.ts')).plan,
  apply: async () => (await import('./commands/apply.ts')).apply,
  read: async () => (await import('./commands/read.ts')).read,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  lint: async () => (await import('./commands/lint.ts')).lint,
};

/** Runs one command line. Never throws; errors become words on `err` and an exit status. */
export async function run(words: readonly string[], io: Io): Promise<ExitStatus> {
  const json = words.includes('--json');
  try {
    return await dispatch(words, io);
  } catch (error) {
    return report(error, json, io);
  }
}

async function dispatch(words: readonly string[], io: Io): Promise<ExitStatus> {
  const [name, ...rest] = words;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const load = commands[rest[0] ?? ''];
    io.out(name === 'help' && load ? commandHelp(await load()) : await overview());
    return name === undefined ? exitStatus.badInput : exitStatus.done;
  }
  if (name === '--version' || name === '-V') {
    io.out(`${version}\n`);
    return exitStatus.done;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!load) {
    const [guess] = nearest(name, Object.keys(commands), 1);
    throw badInput('no such command', {
      found: name,
      expected: Object.keys(commands).join(', '),
      hint: guess ? `did you mean ${guess}?` : 'see: vmgpu --help',
    });
  }
  const command = await load();
  const input = parseCommandLine(command, rest);
  if (input.help) {
    io.out(commandHelp(command));
    return exitStatus.done;
  }
  return command.run(input, io);
}

async function overview(): Promise<string> {
  const loaded = await Promise.all(Object.values(commands).map((load) => load()));
  const width = Math.max(...loaded.map((command) => command.name.length));
  return `vmgpu ${version}: GPUs in virtual machines, on KubeVirt, OpenStack and Proxmox VE

Usage: vmgpu COMMAND [options]

Commands:
${loaded.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`).join('\n')}

vmgpu COMMAND --help shows the options of a command, with examples. --json prints one JSON document.
Exit status: 0 done or ready, 1 findings that block (or losses under --strict), 2 usage or bad input,
3 the platform or host refused or failed, 130 cancelled.
`;
}

const statusOf: Readonly<Record<string, ExitStatus>> = {
  'bad-input': exitStatus.badInput,
  'bad-capture': exitStatus.badInput,
  'unknown-name': exitStatus.badInput,
  'missing-dependency': exitStatus.badInput,
  unsupported: exitStatus.findings,
  aborted: exitStatus.cancelled,
};

function report(error: unknown, json: boolean, io: Io): ExitStatus {
  if (!isVmgpuError(error)) {
    const text = redact(error instanceof Error ? (error.stack ?? error.message) : String(error));
    if (json)
      io.out(
        `${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'Error', code: 'internal', message: text })}\n`,
      );
    io.err(`vmgpu: a bug in vmgpu, please report it:\n${text}\n`);
    return exitStatus.refused;
  }
  if (json) io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'Error', ...error.toJSON() })}\n`);
  io.err(`vmgpu: ${printable(error.message)}\n${error.hint ? `  ${printable(error.hint)}\n` : ''}`);
  return statusOf[error.code] ?? exitStatus.refused;
}

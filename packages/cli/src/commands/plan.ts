import {
  isLoss,
  type Plan,
  type PlatformName,
  type Provider,
  platformNames,
  type Scope,
  stableJson,
} from '@vmgpu/core';
import type { Command, CommandInput, OptionSpec } from '../command.ts';
import { findConnection } from '../connections.ts';
import { readText, writeText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';
import { openProvider } from '../providers.ts';
import { type Palette, palette, printable } from '../style.ts';
import { parseVmYaml } from '../yaml-input.ts';
import { describeDiagnostics, describeRequirements, required, withDiagnostics } from './render.ts';

/** Options of every command that plans against a live platform. */
export const planOptions: Readonly<Record<string, OptionSpec>> = {
  file: { type: 'string', short: 'f', value: 'FILE', help: 'the intent (vm.yaml; - for standard input)' },
  to: { type: 'string', choices: platformNames, value: 'P', help: platformNames.join(' | ') },
  connection: { type: 'string', value: 'NAME', help: 'a connection of the configuration file' },
  scope: {
    type: 'string',
    choices: ['platform', 'vm'],
    value: 'S',
    help: "only the administrator's or the tenant's part",
  },
  vm: { type: 'string', value: 'REF', help: 'change the GPUs of this VM instead of making one' },
};

export const plan: Command = {
  name: 'plan',
  summary: 'what would be done on a live platform, step by step, and what would be lost',
  usage: '-f vm.yaml --to P [--connection NAME] [-o plan.json]',
  operands: { min: 0, max: 0 },
  options: {
    ...planOptions,
    output: { type: 'string', short: 'o', value: 'FILE', help: 'write the plan for vmgpu apply' },
    strict: { type: 'boolean', help: 'exit with 1 when anything is lost' },
  },
  examples: [
    {
      line: 'vmgpu plan -f vm.yaml --to proxmox --connection lab -o plan.json',
      what: 'look first, then: vmgpu apply plan.json',
    },
    { line: 'vmgpu plan -f gpus.yaml --to proxmox --vm 101', what: 'change the GPUs of a VM that exists' },
  ],
  async run(input, io) {
    const platform = required(input.value('to'), '--to PLATFORM') as PlatformName;
    const provider = await connect(platform, input, io);
    try {
      const planned = await planAgainst(provider, input, io);
      const target = input.value('output');
      const paint = palette(io);
      if (input.json) io.out(`${JSON.stringify(planned, null, 2)}\n`);
      else io.out(describePlan(planned, paint));
      if (target !== undefined) await writeText(target, `${stableJson(planned, 2)}\n`, io, 0o600);
      io.err(
        `${[
          ...describeDiagnostics(planned.diagnostics, paint, io.width),
          ...describeRequirements(planned.requirements, paint, io.width),
          ...(target === undefined ? [] : [`wrote ${target}; next: vmgpu apply ${target}`]),
        ].join('\n')}\n`,
      );
      const blocked = planned.diagnostics.some(({ kind }) => kind === 'blocked');
      return blocked || (input.flag('strict') && planned.diagnostics.some(isLoss))
        ? exitStatus.findings
        : exitStatus.done;
    } finally {
      await provider.close?.();
    }
  },
};

/** Opens the connection that an option of the command line names. */
export async function connect(
  platform: PlatformName | undefined,
  input: CommandInput,
  io: Io,
  option = 'connection',
): Promise<Provider> {
  return openProvider(await findConnection(io, platform, input.value(option)), io);
}

/** Reads the intent, asks the platform what it has, and plans. */
export async function planAgainst(provider: Provider, input: CommandInput, io: Io): Promise<Plan> {
  const file = required(input.value('file'), '-f FILE');
  const intent = parseVmYaml(await readText(file, io), file);
  const { catalog, checkIntent } = await import('@vmgpu/core/catalog');
  const scope = input.value('scope') as Scope | undefined;
  const vm = input.value('vm');
  const snapshot = await provider.snapshot(scope ?? 'vm', {
    signal: io.signal,
    ...(vm === undefined ? {} : { vm: { name: vm } }),
  });
  const planned = provider.translate.plan(intent, snapshot, {
    catalog,
    ...(scope === undefined ? {} : { scope }),
    ...(vm === undefined ? {} : { vm }),
  });
  return withDiagnostics(checkIntent(intent, catalog), planned);
}

/** The steps of a plan, a line each, with what they disturb. */
export function describePlan(planned: Plan, paint: Palette): string {
  const risk = {
    none: '',
    'service-restart': 'restarts a service',
    'vm-restart': 'restarts the VM',
    'host-reboot': 'reboots a host',
  };
  const steps = planned.steps.map((step, index) => {
    const notes = [risk[step.risk], step.reversible ? '' : 'cannot be undone'].filter(Boolean).join(', ');
    return `  ${String(index + 1).padStart(2)} ${step.scope.padEnd(8)} ${printable(step.summary)}${notes ? paint.yellow(` (${notes})`) : ''}`;
  });
  return `${paint.bold(`${planned.vm} on ${planned.platform} ${planned.platformVersion}`)}: ${planned.steps.length} steps\n${steps.join('\n')}\n`;
}

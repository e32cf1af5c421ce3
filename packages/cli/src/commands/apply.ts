import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { badInput, type Plan, type PlatformName, type Provider, VmgpuError } from '@vmgpu/core';
import type { Operation, OperationState } from '@vmgpu/core/engine';
import type { Command, CommandInput, OptionSpec } from '../command.ts';
import { readText } from '../files.ts';
import { type ExitStatus, exitStatus, type Io } from '../io.ts';
import { journalFile, readJournal } from '../journal-file.ts';
import { progressPrinter } from '../progress.ts';
import { connect, planAgainst, planOptions } from './plan.ts';
import { required } from './render.ts';

/** Options of every command that carries out a plan. */
export const applyOptions: Readonly<Record<string, OptionSpec>> = {
  journal: {
    type: 'string',
    value: 'FILE',
    help: 'where progress is written down (next to the plan or intent if not given)',
  },
  keep: { type: 'boolean', help: 'on a failure, keep what was done (for --resume) instead of undoing it' },
};

export const apply: Command = {
  name: 'apply',
  summary: 'carry out a plan; safe to stop, resume, repeat and undo',
  usage: 'plan.json | -f vm.yaml --to P [--connection NAME] | --resume|--undo --journal FILE',
  operands: { min: 0, max: 1 },
  options: {
    ...planOptions,
    ...applyOptions,
    resume: { type: 'boolean', help: 'go on where an apply was stopped' },
    undo: { type: 'boolean', help: 'take back what an apply has changed' },
  },
  examples: [
    { line: 'vmgpu apply plan.json --connection lab', what: 'carry out a plan made by vmgpu plan' },
    { line: 'vmgpu apply -f vm.yaml --to proxmox', what: 'plan and apply in one go' },
    { line: 'vmgpu apply plan.json --resume', what: 'after ^C, a crash or a failure with --keep' },
    { line: 'vmgpu apply plan.json --undo', what: 'take everything back' },
  ],
  async run(input, io) {
    const source = input.operands[0] ?? input.value('file');
    const goesOn = input.flag('resume') || input.flag('undo');
    const named = input.value('journal');
    if (
      (source === undefined && !(goesOn && named)) ||
      (input.operands.length > 0 && input.value('file') !== undefined)
    ) {
      throw badInput('vmgpu apply: say what to apply', {
        found: source === undefined ? 'nothing' : 'a plan and -f',
        expected: 'plan.json, or -f vm.yaml --to PLATFORM',
      });
    }
    const journal = named ?? `${source === '-' ? 'vmgpu' : source}.journal.json`;
    const [planFile] = input.operands;
    const continued = goesOn ? await readJournal(journal, io) : undefined;
    const planned = planFile === undefined || continued ? undefined : await readPlan(planFile, io);
    const platform = (continued?.plan.platform ??
      planned?.platform ??
      required(input.value('to'), '--to PLATFORM')) as PlatformName;
    // Before anything is asked of the platform: an apply that did not end stands in the way.
    const earlier = continued ? undefined : await setAside(journal, io);
    const provider = await connect(platform, input, io);
    try {
      if (!continued)
        return await carryOut(
          planned ?? (await planAgainst(provider, input, io)),
          provider,
          { path: journal, earlier },
          input,
          io,
        );
      const engine = await import('@vmgpu/core/engine');
      const options = operationOptions(journal, input, io);
      const operation = input.flag('undo')
        ? engine.undo(continued, provider, options)
        : engine.resume(continued, provider, options);
      return await report(operation, journal, undefined, input, io);
    } finally {
      await provider.close?.();
    }
  },
};

/** Where progress is written down, and what an ended apply had left there; see `setAside`. */
export interface OpenedJournal {
  readonly path: string;
  readonly earlier: OperationState | undefined;
}

/** Carries out a plan with progress and a journal, and says how to go on. Throws what the engine throws. */
export async function carryOut(
  planned: Plan,
  provider: Provider,
  { path, earlier }: OpenedJournal,
  input: CommandInput,
  io: Io,
): Promise<ExitStatus> {
  const engine = await import('@vmgpu/core/engine');
  const operation = engine.apply(planned, provider, {
    ...operationOptions(path, input, io),
    onFailure: input.flag('keep') ? 'keep' : 'undo',
  });
  return report(operation, path, earlier, input, io);
}

function operationOptions(journal: string, input: CommandInput, io: Io) {
  const onEvent = input.json ? (event: unknown) => io.err(`${JSON.stringify(event)}\n`) : progressPrinter(io);
  return { signal: io.signal, journal: journalFile(journal, io), onEvent };
}

async function report(
  operation: Operation,
  journal: string,
  earlier: OperationState | undefined,
  input: CommandInput,
  io: Io,
) {
  try {
    const result = await operation;
    // A run that found everything done must not make the changes of the run before it unknown to --undo.
    if (!result.changed && earlier) await journalFile(journal, io).save(earlier);
    if (input.json)
      io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'OperationResult', ...result }, null, 2)}\n`);
    else if (input.flag('undo')) io.err(result.changed ? 'taken back\n' : 'there was nothing to take back\n');
    else if (result.changed) io.err(`next: vmgpu apply --undo --journal ${journal} takes it back\n`);
    else io.err('everything was as wanted already\n');
    for (const warning of result.warnings) io.err(`warning: ${warning}\n`);
    return exitStatus.done;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === 'aborted' || code === 'apply-failed')
      io.err(`next: vmgpu apply --resume --journal ${journal}, or --undo\n`);
    throw error;
  }
}

async function readPlan(file: string, io: Io): Promise<Plan> {
  let document: unknown;
  try {
    document = JSON.parse(await readText(file, io));
  } catch (error) {
    if (error instanceof VmgpuError) throw error;
    throw badInput('not a plan', {
      where: { file },
      found: (error as Error).message,
      expected: 'JSON made by vmgpu plan',
    });
  }
  const { apiVersion, kind, steps } = (document ?? {}) as Partial<Plan>;
  if (apiVersion !== 'vmgpu/v1' || kind !== 'Plan' || !Array.isArray(steps)) {
    throw badInput('not a plan', {
      where: { file },
      found: String(kind),
      expected: 'apiVersion vmgpu/v1, kind Plan',
    });
  }
  return document as Plan;
}

/**
 * The journal of an earlier apply, which `--undo` may still need. Throws `bad-input` when that one did not end: a second
 * apply beside it would lose what it had written down.
 */
export async function setAside(path: string, io: Io): Promise<OperationState | undefined> {
  const exists = await stat(resolve(io.cwd, path)).then(
    () => true,
    () => false,
  );
  if (!exists) return undefined;
  const state = await readJournal(path, io);
  if (state.status === 'succeeded') return state;
  throw badInput('an apply that did not end stands in the journal', {
    where: { file: path },
    found: `status ${state.status}`,
    expected: '--resume or --undo',
    hint: 'or begin anew with another --journal',
  });
}

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { badInput, type Plan, type PlatformName, VmgpuError } from '@vmgpu/core';
import type { Operation, OperationState } from '@vmgpu/core/engine';
import type { Command, CommandInput } from '../command.ts';
import { readText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';
import { journalFile, readJournal } from '../journal-file.ts';
import { progressPrinter } from '../progress.ts';
import { connect, planAgainst, planOptions } from './plan.ts';
import { required } from './render.ts';

export const apply: Command = {
  name: 'apply',
  summary: 'carry out a plan; safe to stop, resume, repeat and undo',
  usage: 'plan.json | -f vm.yaml --to P [--connection NAME]',
  operands: { min: 0, max: 1 },
  options: {
    ...planOptions,
    journal: {
      type: 'string',
      value: 'FILE',
      help: 'where progress is written down (next to the plan or intent if not given)',
    },
    resume: { type: 'boolean', help: 'go on where an apply was stopped' },
    undo: { type: 'boolean', help: 'take back what an apply has changed' },
    keep: { type: 'boolean', help: 'on a failure, keep what was done (for --resume) instead of undoing it' },
  },
  examples: [
    { line: 'vmgpu apply plan.json --connection lab', what: 'carry out a plan made by vmgpu plan' },
    { line: 'vmgpu apply -f vm.yaml --to proxmox', what: 'plan and apply in one go' },
    { line: 'vmgpu apply plan.json --resume', what: 'after ^C, a crash or a failure with --keep' },
    { line: 'vmgpu apply plan.json --undo', what: 'take everything back' },
  ],
  async run(input, io) {
    const source = input.operands[0] ?? input.value('file');
    if (source === undefined || (input.operands.length > 0 && input.value('file') !== undefined)) {
      throw badInput('vmgpu apply: say what to apply', {
        found: source === undefined ? 'nothing' : 'a plan and -f',
        expected: 'plan.json, or -f vm.yaml --to PLATFORM',
      });
    }
    const journalPath = input.value('journal') ?? `${source === '-' ? 'vmgpu' : source}.journal.json`;
    const engine = await import('@vmgpu/core/engine');
    const planned = input.operands.length > 0 ? await readPlan(source, io) : undefined;
    const continued =
      input.flag('resume') || input.flag('undo') ? await readJournal(journalPath, io) : undefined;
    const earlier = continued ? undefined : await setAside(journalPath, io);
    const platform = (continued?.plan.platform ??
      planned?.platform ??
      required(input.value('to'), '--to PLATFORM')) as PlatformName;
    const provider = await connect(platform, input, io);
    try {
      const print = input.json
        ? (event: unknown) => io.err(`${JSON.stringify(event)}\n`)
        : progressPrinter(io);
      const options = { signal: io.signal, journal: journalFile(journalPath, io), onEvent: print };
      const operation = continued
        ? input.flag('undo')
          ? engine.undo(continued, provider, options)
          : engine.resume(continued, provider, options)
        : engine.apply(planned ?? (await planAgainst(provider, input, io)), provider, {
            ...options,
            onFailure: input.flag('keep') ? 'keep' : 'undo',
          });
      return await report(operation, journalPath, earlier, input, io);
    } finally {
      await provider.close?.();
    }
  },
};

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
    else if (result.changed) io.err(`next: vmgpu apply --undo takes it back (journal: ${journal})\n`);
    else io.err('everything was as wanted already\n');
    for (const warning of result.warnings) io.err(`warning: ${warning}\n`);
    return exitStatus.done;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === 'aborted' || code === 'apply-failed')
      io.err(`next: vmgpu apply --resume or --undo (journal: ${journal})\n`);
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
async function setAside(path: string, io: Io): Promise<OperationState | undefined> {
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

import { badInput, isUnknown, isVmgpuError } from '@vmgpu/core';
import type { HostFacts } from '@vmgpu/host-prep';
import type { HostEvent, HostOutcome, HostPort } from '@vmgpu/host-prep/exec';
import type { Consent, HostPlan } from '@vmgpu/host-prep/plan';
import type { CommandInput, OptionSpec } from './command.ts';
import { describeDiagnostics } from './commands/render.ts';
import { fleetProgress } from './fleet-progress.ts';
import { type HostJournal, hostJournal } from './host-journal.ts';
import { hostPlanText } from './host-plan-text.ts';
import { type ExitStatus, exitStatus, type Io } from './io.ts';
import { openHosts } from './ssh-hosts.ts';
import { palette, printable } from './style.ts';

/** Options that only make sense with hosts that are reached. */
export const applyHostOptions: Readonly<Record<string, OptionSpec>> = {
  apply: { type: 'boolean', help: 'carry the plan out' },
  resume: { type: 'boolean', help: 'go on with what was stopped on the host, by whomever' },
  reboot: { type: 'boolean', help: 'with --apply, --resume: reboot where it is needed' },
  'max-unavailable': {
    type: 'string',
    value: 'N',
    help: 'begin no further host while N are at work or have failed (no limit; 8 at once)',
  },
};

interface Work {
  /** Reads what is asked for; the plan of each host comes later. */
  readonly planner: () => Promise<(facts: HostFacts) => HostPlan>;
  /** The host is to use its GPUs itself: what its nvidia-smi says is told at the end. */
  readonly guest: boolean;
}

/** What is told of a host that failed. */
interface Failure {
  readonly error: { readonly message: string; readonly hint?: string };
  readonly left: string;
  readonly next: string | undefined;
}

/** How far the work on a host has come. */
interface Reached {
  readonly changed: string[];
  stoppedAt?: string | undefined;
}

/** Plans for hosts over SSH, and carries the plans out when that is asked for. One host's failure stops no other. */
export async function prepareHosts(input: CommandInput, io: Io, work: Work): Promise<ExitStatus> {
  const { applyHostPlan, onHosts, readHost } = await import('@vmgpu/host-prep/exec');
  const { isBlocked } = await import('@vmgpu/host-prep/plan');
  const paint = palette(io);
  const acts = input.flag('apply') || input.flag('resume');
  const limit = countOf(input.value('max-unavailable'));
  const tell = input.json ? (event: HostEvent) => io.err(`${JSON.stringify(event)}\n`) : fleetProgress(io);
  const reached = new Map<string, Reached>();
  const progress = (event: HostEvent) => {
    note(reached, event);
    tell(event);
  };
  const journal = hostJournal(io);
  const planFor = await planner(input, work, journal, io);
  const ports = await openHosts(input, io);
  const options = {
    signal: io.signal,
    onEvent: progress,
    ...(acts && limit ? { maxUnavailable: limit } : {}),
  };
  try {
    const results = await onHosts(
      ports,
      async (port) => {
        const plan = await planFor(port);
        if (plan === undefined) return { plan, outcome: undefined };
        if (!input.json) {
          if (acts) io.err(hostPlanText(plan, paint));
          else io.out(hostPlanText(plan, paint));
        }
        for (const text of describeDiagnostics(plan.diagnostics, paint, io.width)) io.err(`${text}\n`);
        if (!acts) return { plan, outcome: undefined };
        if (plan.steps.length > 0 && !isBlocked(plan))
          await journal
            .keep(port.name, plan)
            .catch((error: Error) => io.err(`no copy of the plan is kept here: ${error.message}\n`));
        const outcome = await applyHostPlan(port, plan, {
          signal: io.signal,
          reboot: input.flag('reboot'),
          onEvent: progress,
        });
        if (outcome.status !== 'reboot-needed') await journal.forget(port.name);
        if (!work.guest || outcome.status === 'reboot-needed') return { plan, outcome };
        const { nvidia } = await readHost(port, { signal: io.signal });
        if (!input.json) io.err(readBack(port.name, nvidia));
        return { plan, outcome, nvidia };
      },
      options,
    );
    const hosts = results.map((result) => ({
      host: result.host,
      ...(result.ok ? result.value : {}),
      ...(result.ok === false
        ? { error: errorOf(result.error), ...leftOn(result.host, reached, input) }
        : {}),
    }));
    if (input.json)
      io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'HostPreparation', hosts }, null, 2)}\n`);
    for (const { host, error, left, next } of hosts as readonly (Partial<Failure> & { host: string })[])
      if (error) {
        const lines = [error.hint, left, next].flatMap((text) => (text ? [`\n  ${printable(text)}`] : []));
        io.err(`${paint.red(printable(host))}: ${printable(error.message)}${lines.join('')}\n`);
      }
    if (io.signal.aborted) return exitStatus.cancelled;
    if (results.some(({ ok }) => !ok)) return exitStatus.refused;
    const done = results.flatMap((result) => (result.ok ? [result.value] : []));
    return sayNext(done, acts, io);
  } finally {
    await Promise.all(ports.map((port) => port.close()));
  }
}

function sayNext(
  done: readonly { readonly plan: HostPlan | undefined; readonly outcome: HostOutcome | undefined }[],
  acts: boolean,
  io: Io,
): ExitStatus {
  if (done.some(({ outcome }) => outcome?.status === 'reboot-needed')) {
    io.err('next: vmgpu prepare --resume --reboot, or reboot the host yourself and then --resume\n');
    return exitStatus.findings;
  }
  const blocked = done.some(({ plan }) => plan?.diagnostics.some(({ kind }) => kind === 'blocked'));
  if (blocked) io.err('blocked: settle what is said above, or take the risk by name with --consent\n');
  else if (!acts && done.some(({ plan }) => (plan?.steps.length ?? 0) > 0))
    io.err('next: the same with --apply\n');
  return blocked ? exitStatus.findings : exitStatus.done;
}

async function planner(
  input: CommandInput,
  work: Work,
  journal: HostJournal,
  io: Io,
): Promise<(port: HostPort) => Promise<HostPlan | undefined>> {
  const { readHost, unfinishedPlan } = await import('@vmgpu/host-prep/exec');
  const { planHostRemoval } = await import('@vmgpu/host-prep/plan');
  const { signal } = io;
  if (input.flag('resume')) {
    return async (port) => {
      const here = await journal.read(port.name);
      const there = await unfinishedPlan(port, { signal }).catch((error: unknown) => {
        if (here === undefined || !isVmgpuError(error) || error.code !== 'bad-input') throw error;
        return undefined;
      });
      const name = printable(port.name);
      if (there === undefined && here === undefined) io.err(`${name}: nothing was stopped there\n`);
      if (there === undefined && here !== undefined)
        io.err(`${name}: the host keeps no plan; going on with ${printable(journal.fileOf(port.name))}\n`);
      return there ?? here;
    };
  }
  const consent = input.values('consent') as readonly Consent[];
  const plan = input.flag('rollback')
    ? (facts: HostFacts) => planHostRemoval(facts, { consent })
    : await work.planner();
  return async (port) => plan(await readHost(port, { signal }));
}

function note(reached: Map<string, Reached>, event: HostEvent): void {
  if (event.type === 'host-start') reached.set(event.host, { changed: [] });
  const at = reached.get(event.host);
  if (at === undefined) return;
  // A line that breaks leaves a step without an end.
  if (event.type === 'step-start') at.stoppedAt = event.step;
  if (event.type !== 'step-end') return;
  if (event.status === 'changed') at.changed.push(event.step);
  if (event.status !== 'failed') at.stoppedAt = undefined;
}

/** What a failure has left on the host, and the two ways on. */
function leftOn(
  host: string,
  reached: Map<string, Reached>,
  input: CommandInput,
): Pick<Failure, 'left' | 'next'> {
  const at = reached.get(host);
  if (at === undefined) return { left: 'nothing was changed', next: undefined };
  const { changed, stoppedAt } = at;
  const done = changed.length === 0 ? 'no step was finished' : `done and kept: ${changed.join(', ')}`;
  const file = input.value('hosts');
  const where = `vmgpu prepare ${file === undefined ? '' : `--hosts ${file} `}--ssh ${host}`;
  return {
    left: `${done}${stoppedAt === undefined ? '' : `; stopped in ${stoppedAt}`}`,
    next: `next: ${where} --resume goes on, ${where} --rollback --apply takes back what was done`,
  };
}

function readBack(host: string, { gpus, driverVersion }: HostFacts['nvidia']): string {
  const driver = typeof driverVersion === 'string' ? `driver ${driverVersion}` : 'no driver is loaded';
  const names = isUnknown(gpus) ? [gpus.unknown] : gpus.map(({ productName }) => productName);
  return `${printable(host)}: nvidia-smi: ${printable(names.join(', ') || 'no GPU')}, ${driver}\n`;
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text);
  throw badInput('--max-unavailable is a number of hosts', { found: text, expected: '1 or more' });
}

function errorOf(error: unknown): { readonly message: string; readonly hint?: string } {
  if (!isVmgpuError(error)) return { message: String(error) };
  return error.toJSON() as unknown as { readonly message: string; readonly hint?: string };
}

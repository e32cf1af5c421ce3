import { badInput, isVmgpuError } from '@vmgpu/core';
import type { HostEvent, HostOutcome, HostPort } from '@vmgpu/host-prep/exec';
import type { HostGoal, HostPlan } from '@vmgpu/host-prep/plan';
import type { CommandInput, OptionSpec } from './command.ts';
import { describeDiagnostics } from './commands/render.ts';
import { fleetProgress } from './fleet-progress.ts';
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
  readonly goal: () => Promise<HostGoal>;
  readonly platform: string | undefined;
}

/** Plans for hosts over SSH, and carries the plans out when that is asked for. One host's failure stops no other. */
export async function prepareHosts(input: CommandInput, io: Io, work: Work): Promise<ExitStatus> {
  const { applyHostPlan, onHosts } = await import('@vmgpu/host-prep/exec');
  const paint = palette(io);
  const acts = input.flag('apply') || input.flag('resume');
  const limit = countOf(input.value('max-unavailable'));
  const progress = input.json
    ? (event: HostEvent) => io.err(`${JSON.stringify(event)}\n`)
    : fleetProgress(io);
  const planFor = await planner(input, work, io);
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
        const outcome = await applyHostPlan(port, plan, {
          signal: io.signal,
          reboot: input.flag('reboot'),
          onEvent: progress,
        });
        return { plan, outcome };
      },
      options,
    );
    const hosts = results.map((result) => ({
      host: result.host,
      ...(result.ok ? result.value : {}),
      ...(result.ok === false ? { error: errorOf(result.error) } : {}),
    }));
    if (input.json)
      io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'HostPreparation', hosts }, null, 2)}\n`);
    for (const { host, error } of hosts)
      if (error)
        io.err(
          `${paint.red(printable(host))}: ${printable(error.message)}${error.hint ? `\n  ${printable(error.hint)}` : ''}\n`,
        );
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
  { goal, platform }: Work,
  io: Io,
): Promise<(port: HostPort) => Promise<HostPlan | undefined>> {
  const { readHost, unfinishedPlan } = await import('@vmgpu/host-prep/exec');
  const { planHost, planHostRemoval } = await import('@vmgpu/host-prep/plan');
  const { signal } = io;
  if (input.flag('resume')) {
    return async (port) => {
      const plan = await unfinishedPlan(port, { signal });
      if (plan === undefined) io.err(`${printable(port.name)}: nothing was stopped there\n`);
      return plan;
    };
  }
  if (input.flag('rollback')) return async (port) => planHostRemoval(await readHost(port, { signal }));
  const wanted = await goal();
  return async (port) =>
    planHost(await readHost(port, { signal }), wanted, platform === undefined ? {} : { platform });
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

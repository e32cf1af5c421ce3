import { type CallOptions, isVmgpuError, shellQuote, VmgpuError } from '@vmgpu/core';
import { type Clock, systemClock } from '@vmgpu/core/resilience';
import { assessHost } from '../modules/index.ts';
import { type HostPlan, type HostStep, isBlocked } from '../plan/host-plan.ts';
import { planHostRemoval } from '../plan/removal.ts';
import { shellScript } from '../render/shell.ts';
import type { HostEvent, HostStatus } from './host-events.ts';
import type { HostPort } from './host-port.ts';
import { forgetPlan, rememberPlan } from './plan-on-host.ts';
import { readHost } from './read-host.ts';
import { rebootHost } from './reboot.ts';
import { scriptFailure } from './script-failure.ts';

export interface ApplyHostOptions extends CallOptions {
  /** Reboot the host when the plan needs it. Default false: the outcome is `reboot-needed`, and a later apply goes on. */
  readonly reboot?: boolean;
  /** How long a reboot may take, in ms. Default 15 minutes. */
  readonly rebootMs?: number;
  readonly onEvent?: (event: HostEvent) => void;
  readonly clock?: Clock;
}

export interface HostOutcome {
  readonly host: string;
  readonly status: Exclude<HostStatus, 'failed' | 'skipped'>;
  /** Ids of the steps that changed something in this run. */
  readonly changed: readonly string[];
  readonly rebooted: boolean;
}

/**
 * Carries out a host plan: sends the rendered script, follows its steps, reboots, goes on and judges the host anew. The
 * script is the one that `vmgpu prepare --render sh` prints, so both end in the same state; it does only what is not done
 * yet and keeps its journal on the host (`/var/lib/vmgpu/script`), so that a run which was killed anywhere is gone on with
 * by the next one, from whatever machine.
 *
 * Throws `bad-input` for a blocked plan, `unsupported` for a system that only its own tools may write, `conflict` when the
 * host is another one, was changed since, or somebody else is at work; `host-not-ready` when checks still fail at the end.
 */
export async function applyHostPlan(
  port: HostPort,
  plan: HostPlan,
  options: ApplyHostOptions = {},
): Promise<HostOutcome> {
  const { signal, reboot = false, rebootMs = 900_000, clock = systemClock } = options;
  const emit = createEmit(port.name, options.onEvent);
  const changed = new Set<string>();
  let rebooted = false;
  try {
    refuse(plan);
    emit({ type: 'host-start', steps: plan.steps.length });
    for (;;) {
      const run = await runScript(port, plan, emit, signal);
      for (const step of run.changed) changed.add(step);
      if (!run.reboot) break;
      if (!reboot || rebooted) return end('reboot-needed');
      emit({ type: 'reboot-start' });
      const started = clock.now();
      await rebootHost(port, { clock, rebootMs, ...(signal ? { signal } : {}) });
      rebooted = true;
      emit({ type: 'reboot-end', seconds: Math.round((clock.now() - started) / 1000) });
    }
    await judge(port, plan, signal);
    if (plan.steps.length > 0) await forgetPlan(port, signal ? { signal } : {});
    return end(changed.size > 0 || rebooted ? 'done' : 'unchanged');
  } catch (error) {
    const { code, message } = isVmgpuError(error)
      ? error
      : { code: 'internal' as const, message: String(error) };
    emit({ type: 'host-end', status: 'failed', error: { code, message } });
    throw error;
  }

  function end(status: HostOutcome['status']): HostOutcome {
    emit({ type: 'host-end', status });
    return { host: plan.host, status, changed: [...changed], rebooted };
  }
}

/** Reads the host and takes back everything that vmgpu has made there. See `planHostRemoval`. */
export async function rollbackHost(port: HostPort, options: ApplyHostOptions = {}): Promise<HostOutcome> {
  const { signal } = options;
  const facts = await readHost(port, signal ? { signal } : {});
  return applyHostPlan(port, planHostRemoval(facts), options);
}

function refuse(plan: HostPlan): void {
  if (isBlocked(plan)) {
    const [first] = plan.diagnostics.filter(({ kind }) => kind === 'blocked');
    throw new VmgpuError('bad-input', `the plan for ${plan.host} is blocked: ${first?.message ?? ''}`, {
      hint: first?.remedy ?? 'settle what the plan says, or take the risk by name',
    });
  }
  if (!plan.family.writable && plan.steps.length > 0) {
    throw new VmgpuError(
      'unsupported',
      `${plan.host} is changed by its own tools only (${plan.family.name})`,
      {
        hint: 'render the plan for them: vmgpu prepare --render machineconfig | talos | nixos | rpm-ostree',
      },
    );
  }
}

type Emit = (event: EventBody) => void;
type EventBody = HostEvent extends infer E ? (E extends HostEvent ? Omit<E, 'host'> : never) : never;

function createEmit(host: string, onEvent: ApplyHostOptions['onEvent']): Emit {
  return (event) => onEvent?.({ host, ...event } as HostEvent);
}

/** What the script says when it changes something. */
const change = /^vmgpu: (?:write|edit|remove|restore|run:) ?/;

async function runScript(port: HostPort, plan: HostPlan, emit: Emit, signal: AbortSignal | undefined) {
  if (plan.steps.length === 0) return { changed: [], reboot: false };
  const changed: string[] = [];
  let current: string | undefined;
  let reboot = false;
  const endStep = (failed: boolean) => {
    if (current === undefined) return;
    const status = failed ? 'failed' : changed.includes(current) ? 'changed' : 'unchanged';
    emit({ type: 'step-end', step: current, status });
    current = undefined;
  };
  const result = await port.run(['env', 'VMGPU_EVENTS=1', 'sh', '-s'], {
    input: `${onlyOn(plan.host)}\n${shellScript(plan, [rememberPlan(plan)])}`,
    ...(signal ? { signal } : {}),
    onLine: (line) => {
      const [, next] = /^vmgpu-step (.+)$/.exec(line) ?? [];
      if (next !== undefined) {
        endStep(false);
        current = next;
        emit({ type: 'step-start', step: next, ...placeOf(plan.steps, next) });
      } else if (line === 'vmgpu-reboot') reboot = true;
      else if (current !== undefined && line.startsWith('vmgpu: ')) {
        if (change.test(line) && !changed.includes(current)) changed.push(current);
        emit({ type: 'step-progress', step: current, message: line.slice('vmgpu: '.length) });
      }
    },
  });
  const failed = result.status !== 0;
  const at = current;
  endStep(failed);
  if (failed) throw scriptFailure(port.name, at, result);
  return { changed, reboot };
}

/** A plan holds for one host: an address that leads to another one must not be prepared by it. */
function onlyOn(host: string): string {
  return `[ "$(uname -n)" = ${shellQuote(host)} ] || { echo "vmgpu: this is $(uname -n); the plan was made for" ${shellQuote(host)} >&2; exit 77; }`;
}

function placeOf(steps: readonly HostStep[], id: string) {
  const index = steps.findIndex((step) => step.id === id);
  return { position: index + 1, summary: steps[index]?.summary ?? id };
}

/** The host as it is now must pass the checks that the plan was made for. */
async function judge(port: HostPort, plan: HostPlan, signal: AbortSignal | undefined): Promise<void> {
  const verify = plan.steps.find((step) => step.kind === 'verify');
  if (verify?.kind !== 'verify') return;
  const facts = await readHost(port, signal ? { signal } : {});
  const { mode, devices, checks } = verify;
  const { findings } = assessHost(facts, { mode, devices });
  const failing = findings.filter(({ id, status }) => status === 'fail' && checks.includes(id));
  if (failing.length === 0) return;
  throw new VmgpuError('host-not-ready', `${port.name} is prepared, but not ready`, {
    found: failing.map(({ id, why }) => `${id}: ${why}`).join('; '),
    hint: 'vmgpu doctor shows the evidence; vmgpu prepare --rollback takes the changes back',
    details: { checks: failing.map(({ id }) => id) },
  });
}

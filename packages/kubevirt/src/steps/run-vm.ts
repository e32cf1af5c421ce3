import { startDeadline } from '@vmgpu/core/resilience';
import { powerPath } from '../client/power.ts';
import { isWriteConflict } from '../client/status.ts';
import { type Judgement, waitUntil } from '../client/wait.ts';
import type { Manifest } from '../translate/manifest.ts';
import { explainCapacity } from './free.ts';
import { persist, readOrNull, type StepTools, type Subject } from './tools.ts';
import { isRunning, isTrue, judgeRunning, wantsToRun } from './vm-state.ts';

/**
 * The VM as it is when it runs, or as it is now when it is not to run. After a change a running one is restarted once,
 * where the change needs that.
 */
export async function untilRunning(
  subject: Subject,
  now: Manifest,
  changed: boolean,
  tools: StepTools,
): Promise<Manifest> {
  const { port, context, times } = tools;
  const { resource, ref } = subject;
  const isDone = isRunning(now) && !changed;
  if (isDone || !wantsToRun(now) || times.runningMs === 0) return now;
  const name = `${resource.kind} ${ref.namespace}/${ref.name}`;
  const stop = startDeadline(context.clock, `Starting ${name}`, undefined, [context.signal]);
  let ordered = false;
  const judge = (vm: Manifest | undefined): Judgement<Manifest> => {
    if (!vm || !changed) return judgeStart(vm);
    if (hasRequests(vm)) return { done: false, seen: 'restarting' };
    if (needsRestart(vm)) {
      if (tools.restart === 'never') {
        context.emit({ message: `${name} takes the change at its next restart` });
        return { done: true, value: vm };
      }
      if (!ordered) restart(subject, tools).catch((error) => stop.abort(error));
      ordered = true;
      return { done: false, seen: 'restarting' };
    }
    // virt-controller may not have looked at the running instance since the change.
    if (isRunning(vm) && !isObserved(vm)) return { done: false, seen: 'taking the change in' };
    return judgeStart(vm);
  };
  const judgeStart = (vm: Manifest | undefined): Judgement<Manifest> => {
    const seen = judgeRunning(vm);
    if (!vm || seen.done || !tools.mayWait || seen.trouble?.code !== 'capacity') return seen;
    context.emit({ message: `${name} waits: ${seen.trouble.message}` });
    return { done: true, value: vm };
  };
  try {
    return await waitUntil(port, resource, {
      what: `Starting ${name}`,
      ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }),
      fieldSelector: `metadata.name=${ref.name}`,
      signal: stop.signal,
      from: now,
      clock: context.clock,
      timeoutMs: times.runningMs,
      troubleMs: times.troubleMs,
      keep: (vm) => ({ kind: resource.kind, ...vm }),
      judge: (vms) => judge([...vms.values()][0]),
      onSeen: (message) => context.emit({ message }),
    });
  } catch (error) {
    throw await explainCapacity(error, now, tools);
  } finally {
    stop.release();
  }
}

function needsRestart(vm: Manifest): boolean {
  return isTrue(vm, 'RestartRequired') && isRunning(vm) && !hasRequests(vm);
}

function hasRequests({ status }: Manifest): boolean {
  const requests = (status as { stateChangeRequests?: unknown[] } | undefined)?.stateChangeRequests;
  return (requests?.length ?? 0) > 0;
}

/** virt-controller has seen this generation; older releases do not say. */
function isObserved({ metadata, status }: Manifest): boolean {
  const seen = (status as { observedGeneration?: number } | undefined)?.observedGeneration;
  return seen === undefined || seen >= Number(metadata?.generation ?? 0);
}

/** Orders a restart, once: an order that was taken shows in the VM's status before it is answered. */
async function restart(subject: Subject, tools: StepTools): Promise<void> {
  const { context, port } = tools;
  await persist(tools, async () => {
    const now = await readOrNull(tools, subject);
    if (!now || !needsRestart({ kind: subject.resource.kind, ...now })) return;
    try {
      await port.order(powerPath(subject.ref, 'restart'), {}, { signal: context.signal });
    } catch (error) {
      if (!isWriteConflict(error)) throw error;
    }
  });
}

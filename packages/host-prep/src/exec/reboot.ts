import { type CallOptions, isVmgpuError, VmgpuError } from '@vmgpu/core';
import { type Clock, poll } from '@vmgpu/core/resilience';
import type { HostPort } from './host-port.ts';

/** The kernel makes a new one at each boot: a connection that breaks is no proof of a reboot, this is. */
const bootIdFile = '/proc/sys/kernel/random/boot_id';

export async function bootIdOf(port: HostPort, options: CallOptions = {}): Promise<string> {
  const { status, stdout } = await port.run(['cat', bootIdFile], options);
  if (status === 0 && stdout.trim() !== '') return stdout.trim();
  throw new VmgpuError('refused', `${port.name} does not tell its boot id`, {
    found: `exit status ${status}`,
  });
}

export interface RebootOptions extends CallOptions {
  readonly clock: Clock;
  /** How long the host may take to answer again, in ms. */
  readonly rebootMs: number;
}

/** Reboots the host and waits until it answers with another boot id. Throws `timeout` when it does not. */
export async function rebootHost(port: HostPort, { clock, rebootMs, signal }: RebootOptions): Promise<void> {
  const call: CallOptions = { timeoutMs: 20_000, ...(signal ? { signal } : {}) };
  const before = await bootIdOf(port, call);
  // The connection of a machine that goes down may never be closed: the reboot starts behind our back.
  await port.run(['sh', '-c', '(sleep 1; systemctl reboot || reboot) </dev/null >/dev/null 2>&1 &'], call);
  await poll(
    async () => {
      const bootId = await bootIdOf(port, call).catch(whileDown);
      if (bootId === undefined) return { done: false, seen: 'no answer' };
      return bootId === before ? { done: false, seen: 'still the old boot' } : { done: true, value: bootId };
    },
    {
      what: `The reboot of ${port.name}`,
      clock,
      minMs: 2_000,
      maxMs: 5_000,
      timeoutMs: rebootMs,
      ...(signal ? { signal } : {}),
    },
  );
}

/** Nothing answers while the host is down, and the log-in may be refused while it goes up. */
function whileDown(error: unknown): undefined {
  const passing = ['unreachable', 'timeout', 'auth-failed', 'refused', 'permission-denied'];
  if (isVmgpuError(error) && passing.includes(error.code)) return undefined;
  throw error;
}

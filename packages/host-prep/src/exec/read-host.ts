import { type CallOptions, VmgpuError } from '@vmgpu/core';
import { captureScript } from '../capture/index.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import { hostFactsFromText } from '../facts/index.ts';
import type { HostPort } from './host-port.ts';

/** Far above what a slow host needs; a hanging driver must not hang us. */
const deadlineMs = 120_000;

/** A capture of the host, in one round trip. Throws `refused` when the script failed there. */
export async function captureHost(port: HostPort, options: CallOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await port.run(['sh', '-s'], {
    timeoutMs: deadlineMs,
    ...options,
    input: captureScript,
  });
  if (status === 0) return stdout;
  throw new VmgpuError('refused', `${port.name} could not be read`, {
    found: `exit status ${status}: ${stderr.trim().split('\n').at(-1) ?? ''}`,
    expected: 'exit status 0 of the capture script',
  });
}

/** The host's facts, read now. */
export async function readHost(port: HostPort, options: CallOptions = {}): Promise<HostFacts> {
  return hostFactsFromText(await captureHost(port, options), { file: port.name });
}

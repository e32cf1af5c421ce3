import { VmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import type { RunResult } from './host-port.ts';

interface Cause {
  readonly pattern: RegExp;
  readonly code: VmgpuErrorCode;
  readonly hint: string;
}

/** What hosts say, and what it means. Texts: coreutils and busybox, dpkg 1.21, our own script. */
const causes: readonly Cause[] = [
  {
    pattern: /No space left on device/,
    code: 'capacity',
    hint: 'make room on that file system, then apply again: what is done is not done twice',
  },
  {
    pattern: /Read-only file system/,
    code: 'refused',
    hint: 'the root file system is read-only: mount it writable, or render the plan for this system instead',
  },
  {
    pattern: /another vmgpu is at work/,
    code: 'conflict',
    hint: 'wait until it has ended',
  },
  {
    pattern: /not what it was when the plan was made|not a file of vmgpu/,
    code: 'conflict',
    hint: 'somebody changed it since; read the host again and make a new plan',
  },
  {
    pattern: /neither what it was before|not kept any more|end that one first/,
    code: 'conflict',
    hint: 'look at it on the host: copies of what was there before lie below /var/lib/vmgpu/files',
  },
  {
    pattern:
      /Could not get lock|is another process using it|dpkg was interrupted|waiting for transaction lock/i,
    code: 'conflict',
    hint: 'the package manager is busy or was interrupted; settle that, then apply again',
  },
  {
    pattern: /the boot entry (?:still has|lacks)/,
    code: 'host-not-ready',
    hint: 'the generated boot entry is not what was planned, so the host was not rebooted; look at its boot loader',
  },
  {
    pattern: /no boot entry could be read, so none is compared/,
    code: 'host-not-ready',
    hint: 'the host was not rebooted; look at its boot loader, or go on without the comparison by consent (unread-boot-entry)',
  },
  {
    pattern: /root is needed|Permission denied|not permitted/,
    code: 'permission-denied',
    hint: 'root is needed',
  },
];

/** The error of a script that ended with another status than 0: the cause, the step, and what stays. */
export function scriptFailure(
  host: string,
  step: string | undefined,
  { status, stderr }: RunResult,
): VmgpuError {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('vmgpu-'));
  const said = causes.flatMap((cause) => {
    const line = lines.findLast((text) => cause.pattern.test(text));
    return line === undefined ? [] : [{ ...cause, line }];
  })[0];
  const line = (said?.line ?? lines.at(-1) ?? `exit status ${status}`).replace(/^vmgpu: /, '');
  const where = step === undefined ? '' : `step ${step}: `;
  return new VmgpuError(said?.code ?? 'refused', `${host}: ${where}${line}`, {
    found: `exit status ${status}`,
    hint: said?.hint ?? 'what was done before stays; settle the cause and apply again, or roll back',
    details: { host, ...(step === undefined ? {} : { step }) },
  });
}

import { VmgpuError } from '@vmgpu/core';
import type { RunResult } from './host-port.ts';
import { type ManagedFilesJob, managedFilesStatus } from './managed-files-script.ts';
import { scriptFailure } from './script-failure.ts';

/** In what way a service was not up; words of the script. */
const ways: Readonly<Record<string, string>> = {
  restart: 'its restart failed',
  down: 'it stopped',
  again: 'it stopped and was started again',
  slow: 'it was still starting when the time was up',
};

const endings: Readonly<Record<number, { readonly what: string; readonly hint: string }>> = {
  [managedFilesStatus.takenBack]: {
    what: 'does not run with the new files',
    hint: 'the earlier files are back, byte for byte, and it runs with them; correct the configuration and apply again',
  },
  [managedFilesStatus.downAfterAll]: {
    what: 'does not run',
    hint: 'the earlier files are back, but it does not run with them either: look at its log on the host',
  },
  [managedFilesStatus.downAsBefore]: {
    what: 'does not run, with files that are in place since an earlier apply',
    hint: 'nothing was changed; look at its log on the host',
  },
};

export function managedFilesFailure(
  host: string,
  { services }: ManagedFilesJob,
  goal: 'apply' | 'undo',
  result: RunResult,
): VmgpuError {
  const ending = endings[result.status];
  const lines = result.stdout.split('\n');
  const restored = lines.flatMap((line) => /^restored (.+)$/.exec(line)?.[1] ?? []);
  const failure = lines.findIndex((line) => line.startsWith('failed '));
  if (ending === undefined || failure === -1) return scriptFailure(host, undefined, result);
  const [, index, why = ''] = lines[failure]?.split(' ') ?? [];
  const service = services[Number(index)]?.name ?? '';
  const rest = lines.slice(failure + 1);
  const end = rest.findIndex((line) => !line.startsWith('| '));
  const log = rest.slice(0, end === -1 ? rest.length : end).map((line) => line.slice(2));
  const cause = causeIn(log) ?? ways[why] ?? why;
  const what = goal === 'undo' ? 'does not run with the earlier files' : ending.what;
  return new VmgpuError('refused', `${host}: ${service} ${what}: ${cause}`, {
    found: ways[why] ?? why,
    expected: 'it comes up, and stays up',
    hint: ending.hint,
    details: {
      host,
      service,
      restored,
      running: result.status === managedFilesStatus.takenBack,
      log: log.slice(-20),
    },
  });
}

/** Python's way to name what was raised: `nova.exception.PciConfigInvalidSpec: Invalid …`. */
const exception = /\b(?:[a-z_]\w*\.)+[A-Z]\w+: |\b[A-Z]\w*(?:Error|Exception|Invalid\w*): /;

/** The line of a log that tells most: the last that names an exception, else the last that speaks of an error. */
function causeIn(log: readonly string[]): string | undefined {
  // What systemctl adds to a failure only says where to look.
  const lines = log
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(?:Job for|See) /.test(line));
  const said = /error|exception|invalid|critical|denied|failed|no such/i;
  return (
    lines.findLast((line) => exception.test(line)) ??
    lines.findLast((line) => said.test(line)) ??
    lines.at(-1)
  );
}

import { badInput, type CallOptions } from '@vmgpu/core';
import { stableUuid } from '../plan/stable-uuid.ts';
import type { HostPort } from './host-port.ts';
import { managedFilesFailure } from './managed-files-failure.ts';
import { type ManagedFilesJob, managedFilesScript, type ServiceCommands } from './managed-files-script.ts';
import { scriptFailure } from './script-failure.ts';

export interface ManagedFile {
  /** Absolute. A link is followed, and stays. */
  readonly path: string;
  readonly content: string;
  /** Of a file that is not there yet; default 0644. An existing file keeps its mode and owner. */
  readonly mode?: number;
}

export interface ManagedService {
  /** For people; the systemd unit, when nothing else is said. */
  readonly name: string;
  /** Default `systemctl restart NAME`. */
  readonly restart?: readonly string[];
  /**
   * Ends with 0 while the service runs, with 75 while it is still starting, with anything else when it is down. What it prints
   * tells one run of the service from the next. Default: systemd's state and invocation. Not needed with `restart`: then only
   * the exit status of that counts.
   */
  readonly status?: readonly string[];
  /** Prints the end of its log, for the error. Default: the journal of the unit. */
  readonly log?: readonly string[];
}

/** Files that belong together, and what must be restarted to read them. */
export interface ManagedFiles {
  /** Names the set on its host: changes of one set follow each other, and each can be taken back. */
  readonly name: string;
  /** Names the change, when its contents are made from what is in the files already. The contents do, when not given. */
  readonly version?: string;
  readonly files: readonly ManagedFile[];
  /** In the order in which they are restarted. */
  readonly services: readonly ManagedService[];
}

export interface ManagedFilesOptions extends CallOptions {
  /** How long a service must stay up to count as running, in seconds. Default 10. */
  readonly settleSeconds?: number;
  /** How long it may be starting, in seconds. Default 120. */
  readonly startSeconds?: number;
  /** How long a restart command may take, in seconds. Default 600. */
  readonly restartSeconds?: number;
  /** Where copies of the earlier files and the state of the work are kept. Default `/var/lib/vmgpu/files`. */
  readonly stateDirectory?: string;
  /** What the host is doing, a line each. */
  readonly onProgress?: (message: string) => void;
}

export interface ManagedFilesOutcome {
  readonly status: 'changed' | 'unchanged';
  /** Paths of files that were written, or brought back. */
  readonly files: readonly string[];
  /** Names of services that were restarted. */
  readonly restarted: readonly string[];
}

/**
 * Puts files in place and their services into operation with them, in one run on the host: the new files are written beside the
 * old ones, copies of the old ones are kept, each file is replaced as a whole, the services are restarted and watched. One
 * that does not come up, or not for long, has the earlier files brought back byte by byte and the services restarted with
 * them. Does nothing where the files are in place and the services have been restarted since. May be stopped anywhere: the
 * next run goes on, or takes back what was begun.
 *
 * Throws `refused` when a service does not run with the new files (`details.restored`, `details.running` tell what is there
 * now), `conflict` when somebody else is at work or has changed a file amid the work, `capacity`, `permission-denied`.
 */
export function applyManagedFiles(
  port: HostPort,
  set: ManagedFiles,
  options: ManagedFilesOptions = {},
): Promise<ManagedFilesOutcome> {
  return carryOut(port, set, options, 'apply');
}

/**
 * Brings back what was there before this set was applied, and restarts its services. Nothing is done when that has happened
 * already. Throws `conflict` when a file was changed since, or the earlier files are not kept any more.
 */
export function undoManagedFiles(
  port: HostPort,
  set: ManagedFiles,
  options: ManagedFilesOptions = {},
): Promise<ManagedFilesOutcome> {
  return carryOut(port, set, options, 'undo');
}

/** A host as whoever configures services sees it. */
export interface FileHost {
  readonly name: string;
  /** The text of a file; undefined when there is none. */
  read(path: string, options?: CallOptions): Promise<string | undefined>;
  apply(set: ManagedFiles, options?: ManagedFilesOptions): Promise<ManagedFilesOutcome>;
  undo(set: ManagedFiles, options?: ManagedFilesOptions): Promise<ManagedFilesOutcome>;
}

/** Managed files of one host. Its own options hold where a call gives none. */
export function managedFilesOn(port: HostPort, own: ManagedFilesOptions = {}): FileHost {
  return {
    name: port.name,
    read: (path, options) => readHostFile(port, path, { ...own, ...options }),
    apply: (set, options) => applyManagedFiles(port, set, { ...own, ...options }),
    undo: (set, options) => undoManagedFiles(port, set, { ...own, ...options }),
  };
}

async function readHostFile(
  port: HostPort,
  path: string,
  { signal }: CallOptions,
): Promise<string | undefined> {
  // 66 is EX_NOINPUT, sysexits(3).
  const result = await port.run(['sh', '-c', '[ -e "$1" ] || exit 66; cat -- "$1"', 'sh', path], {
    timeoutMs: 60_000,
    ...(signal ? { signal } : {}),
  });
  if (result.status === 66) return undefined;
  if (result.status !== 0) throw scriptFailure(port.name, undefined, result);
  return result.stdout;
}

async function carryOut(
  port: HostPort,
  set: ManagedFiles,
  options: ManagedFilesOptions,
  goal: 'apply' | 'undo',
): Promise<ManagedFilesOutcome> {
  const job = jobOf(set, options);
  const { signal, onProgress } = options;
  const rounds = 2 * (job.services.length * job.restartSeconds + job.startSeconds + job.settleSeconds);
  const result = await port.run(['sh', '-s', goal], {
    timeoutMs: options.timeoutMs ?? (rounds + 120) * 1000,
    ...(signal ? { signal } : {}),
    input: managedFilesScript(job),
    onLine: (line) => {
      if (line.startsWith('vmgpu: ')) onProgress?.(line.slice('vmgpu: '.length));
    },
  });
  const said = result.stdout.split('\n');
  const after = (word: string) =>
    said.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
  const files = [
    ...after('changed').map((index) => job.files[Number(index)]?.path ?? ''),
    ...after('restored'),
  ];
  if (result.status !== 0) throw managedFilesFailure(port.name, job, goal, result);
  const restarted = after('restarted').map((index) => job.services[Number(index)]?.name ?? '');
  return { status: said.includes('unchanged') ? 'unchanged' : 'changed', files, restarted };
}

/** Exit status 75 of EX_TEMPFAIL, sysexits(3): not yet. Source of the states: systemd(1), "Units". */
const systemdStatus = `systemctl show -p InvocationID -- "$1"
case $(systemctl show -p ActiveState --value -- "$1") in active | reloading) ;; activating) exit 75 ;; *) exit 1 ;; esac`;

function commandsOf({ name, restart, status, log }: ManagedService): ServiceCommands {
  const own = restart !== undefined;
  const shown = status ?? (own ? undefined : ['sh', '-c', systemdStatus, 'sh', name]);
  const told = log ?? (own ? undefined : ['journalctl', '-u', name, '-n', '20', '-o', 'cat', '--no-pager']);
  return {
    name,
    restart: restart ?? ['systemctl', 'restart', '--', name],
    ...(shown === undefined ? {} : { status: shown }),
    ...(told === undefined ? {} : { log: told }),
  };
}

function jobOf(set: ManagedFiles, options: ManagedFilesOptions): ManagedFilesJob {
  const { settleSeconds = 10, startSeconds = 120, restartSeconds = 600 } = options;
  for (const { path } of set.files) {
    // What cannot be said in one line could not be read back from the host.
    if (/^(?:\/[^/\p{Cc}]+)+$/u.test(path) && !/\/\.\.?(?:\/|$)/.test(path)) continue;
    throw badInput('not the path of a file', { found: path, expected: 'an absolute path in normal form' });
  }
  const paths = set.files.map(({ path }) => path);
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined) throw badInput('a file is given twice', { found: twice });
  for (const [name, value] of Object.entries({ settleSeconds, startSeconds, restartSeconds })) {
    if (Number.isInteger(value) && value >= 0 && value <= 86_400) continue;
    throw badInput(`${name} is a number of seconds`, {
      found: String(value),
      expected: 'a whole number up to 86400',
    });
  }
  const readable = set.name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 60);
  return {
    stateDirectory: options.stateDirectory ?? '/var/lib/vmgpu/files',
    name: `${readable}-${stableUuid(set.name).slice(0, 8)}`,
    key: stableUuid(JSON.stringify([paths, set.version ?? set.files.map(({ content }) => content)])),
    files: set.files.map(({ path, content, mode = 0o644 }) => ({
      path,
      content,
      mode: mode.toString(8).padStart(4, '0'),
    })),
    services: set.services.map(commandsOf),
    settleSeconds,
    startSeconds,
    restartSeconds,
  };
}

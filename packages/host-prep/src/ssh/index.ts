import { constants } from 'node:os';
import { isVmgpuError, VmgpuError } from '@vmgpu/core';
import { raceSignal, startDeadline, systemClock } from '@vmgpu/core/resilience';
import type { ClientChannel } from 'ssh2';
import type { HostPort, RunOptions, RunResult } from '../exec/host-port.ts';
import { lineReader } from '../exec/lines.ts';
import { type Become, becomeRoot, wrongPassword } from './become.ts';
import { broken, type Connection, connect } from './connect.ts';
import { type SshOptions, targetName } from './options.ts';

export { findKnownHost, fingerprintOf, type HostKey, type KnownHost } from './known-hosts.ts';
export { type PrivateKey, parseSshTarget, type SshOptions, type SshTarget, targetName } from './options.ts';

/**
 * A host over SSH (ssh2, loaded with the first connection). Host keys are always verified. One connection serves all
 * programs; one that broke is made anew with the next. See `HostPort` for the errors.
 */
export function createSshPort(options: SshOptions): HostPort {
  const { connectMs = 20_000, keepAliveMs = 15_000 } = options;
  const name = targetName(options);
  let connection: Connection | undefined;
  let connecting: Promise<Connection> | undefined;

  const connected = async (): Promise<Connection> => {
    if (connection && !connection.ended) return connection;
    connecting ??= connect(options, { connectMs, keepAliveMs }).finally(() => {
      connecting = undefined;
    });
    connection = await connecting;
    return connection;
  };
  /** Resolves when the program was begun; what it says is listened to from its first byte. */
  const begin = async (line: string, talk: (channel: ClientChannel) => Promise<RunResult>) => {
    const { client } = await connected();
    return new Promise<{ readonly result: Promise<RunResult> }>((resolve, reject) => {
      client.exec(line, (error, channel) => {
        if (error) return reject(broken(name, error.message));
        const result = talk(channel);
        result.catch(() => undefined);
        resolve({ result });
      });
    });
  };

  return {
    name,
    async run(argv, run = {}) {
      const deadline = startDeadline(systemClock, `${argv[0]} on ${name}`, run.timeoutMs, [run.signal]);
      const { signal } = deadline;
      try {
        signal.throwIfAborted();
        const become = becomeRoot(argv, name, options);
        const used = connection;
        // A connection may have died unnoticed; a program that was not begun may be begun again.
        const talk = (channel: ClientChannel) => converse(channel, become, run, signal, name, options);
        const once = () => raceSignal(begin(become.line, talk), signal);
        const begun = await once().catch((error: unknown) => {
          if (!isVmgpuError(error) || error.code !== 'unreachable' || used === undefined) throw error;
          connection = undefined;
          return once();
        });
        return await begun.result;
      } finally {
        deadline.release();
      }
    },
    async close() {
      const open = connection ?? (await connecting?.catch(() => undefined));
      connection = undefined;
      open?.close();
    },
  };
}

function converse(
  channel: ClientChannel,
  become: Become,
  { input = '', onLine }: RunOptions,
  signal: AbortSignal,
  name: string,
  { become: way, user = 'root' }: SshOptions,
): Promise<RunResult> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const lines = lineReader(onLine);
  let heard = '';
  let talking = become.talk !== undefined;
  let refused: VmgpuError | undefined;
  let status: number | undefined;
  return new Promise((resolve, reject) => {
    const stop = () => {
      channel.signal('TERM');
      channel.close();
      reject(signal.reason);
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    channel.on('data', (chunk: Buffer) => out.push(chunk));
    channel.stderr.on('data', (chunk: Buffer) => {
      err.push(chunk);
      if (!talking) return lines.push(chunk);
      heard += chunk.toString('latin1');
      const said = become.talk?.(heard);
      if (said === 'password' && typeof way === 'object') channel.write(`${way.password.reveal()}\n`);
      if (said === 'wrong') {
        refused = wrongPassword(name, user);
        channel.close();
      }
      if (said === 'go') {
        talking = false;
        lines.push(Buffer.from(become.strip(heard), 'latin1'));
        channel.end(input);
      }
    });
    channel.on('exit', (code: number | null, killedBy?: string) => {
      status = code ?? 128 + (constants.signals[`SIG${killedBy}` as NodeJS.Signals] ?? 0);
    });
    channel.on('error', () => undefined);
    channel.on('close', () => {
      signal.removeEventListener('abort', stop);
      lines.end();
      const stdout = Buffer.concat(out).toString('utf8');
      const all = Buffer.concat(err).toString('utf8');
      if (refused) return reject(refused);
      if (status === undefined) return reject(lost(name, all));
      const refusal = become.refusal({ status, stdout, stderr: all });
      if (refusal) return reject(refusal);
      resolve({ status, stdout, stderr: become.strip(all) });
    });
    if (!talking) channel.end(input);
  });
}

/** The program was begun; how far it came is not known. */
function lost(name: string, stderr: string): VmgpuError {
  const last = stderr.trim().split('\n').at(-1);
  return new VmgpuError('unreachable', `the connection to ${name} broke while a program ran`, {
    ...(last ? { found: last } : {}),
    hint: 'run the same again: what is done is not done twice',
    details: { retryable: false },
  });
}

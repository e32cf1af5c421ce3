import type { Duplex } from 'node:stream';
import { badInput, isVmgpuError, VmgpuError } from '@vmgpu/core';
import type { AnyAuthMethod, Client, ServerHostKeyAlgorithm } from 'ssh2';
import { createHostKeyCheck, type HostTrust } from './host-key.ts';
import { findKnownHost } from './known-hosts.ts';
import { type SshTarget, targetName } from './options.ts';

export interface Connection {
  readonly client: Client;
  /** True once it has ended, by whatever side. */
  readonly ended: boolean;
  close(): void;
}

export interface ConnectTimes {
  readonly connectMs: number;
  readonly keepAliveMs: number;
}

/** Logs in, through jump hosts where they are named. Throws `auth-failed`, `unreachable`, `timeout`. */
export async function connect(target: SshTarget, times: ConnectTimes): Promise<Connection> {
  const { default: ssh2 } = await import('ssh2');
  const bad = (target.keys ?? [])
    .map(({ text, passphrase }) => ssh2.utils.parseKey(text.reveal(), passphrase?.reveal()))
    .find((key) => key instanceof Error);
  if (bad instanceof Error) throw badKey(targetName(target), bad.message);
  const through = target.jump === undefined ? undefined : await connect(target.jump, times);
  try {
    const sock = through === undefined ? undefined : await forward(through.client, target);
    return await logIn(new ssh2.Client(), target, times, sock, through);
  } catch (error) {
    through?.close();
    throw error;
  }
}

function logIn(
  client: Client,
  target: SshTarget,
  { connectMs, keepAliveMs }: ConnectTimes,
  sock: Duplex | undefined,
  through: Connection | undefined,
): Promise<Connection> {
  const name = targetName(target);
  const { host, port = 22, user = 'root' } = target;
  const check = createHostKeyCheck(name, trustOf(target, name));
  const state = { ended: false };
  return new Promise((resolve, reject) => {
    client.on('ready', () =>
      resolve({
        client,
        get ended() {
          return state.ended;
        },
        close() {
          client.end();
          through?.close();
        },
      }),
    );
    client.on('error', (error) => {
      state.ended = true;
      reject(check.error ?? toVmgpu(error, name, user));
    });
    client.on('close', () => {
      state.ended = true;
      through?.close();
      reject(check.error ?? broken(name, 'the host closed the connection before the log-in'));
    });
    client.connect({
      host,
      port,
      username: user,
      ...(sock ? { sock } : {}),
      readyTimeout: connectMs,
      keepaliveInterval: keepAliveMs,
      keepaliveCountMax: 4,
      hostVerifier: (key: Buffer) => check.verify(key),
      ...(check.algorithms
        ? { algorithms: { serverHostKey: check.algorithms as ServerHostKeyAlgorithm[] } }
        : {}),
      authHandler: methodsOf(target, user),
    });
  });
}

function trustOf({ fingerprint, knownHosts, host, port = 22 }: SshTarget, name: string): HostTrust {
  if (fingerprint !== undefined) return { fingerprint };
  if (knownHosts !== undefined) {
    return { known: findKnownHost(knownHosts.text, host, port), file: knownHosts.file };
  }
  throw badInput(`nothing says which key ${name} has`, { expected: 'a fingerprint or known hosts' });
}

function methodsOf({ agent, keys = [], password }: SshTarget, username: string): AnyAuthMethod[] {
  return [
    ...keys.map(
      ({ text, passphrase }): AnyAuthMethod => ({
        type: 'publickey',
        username,
        key: text.reveal(),
        ...(passphrase ? { passphrase: passphrase.reveal() } : {}),
      }),
    ),
    ...(agent ? [{ type: 'agent', username, agent } as const] : []),
    ...(password
      ? [
          { type: 'password', username, password: password.reveal() } as const,
          {
            type: 'keyboard-interactive',
            username,
            prompt: (
              _name: string,
              _instructions: string,
              _language: string,
              prompts: unknown[],
              answer: (answers: string[]) => void,
            ) => answer(prompts.map(() => password.reveal())),
          } as unknown as AnyAuthMethod,
        ]
      : []),
  ];
}

function forward(client: Client, { host, port = 22 }: SshTarget): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, host, port, (error, stream) => {
      if (error) reject(broken(host, `the jump host does not reach it: ${error.message}`));
      else resolve(stream);
    });
  });
}

/** No connection: nothing was run. */
export function broken(name: string, found: string): VmgpuError {
  return new VmgpuError('unreachable', `no connection to ${name}`, {
    found,
    details: { retryable: true, sent: false },
  });
}

function toVmgpu(error: Error & { level?: string }, name: string, user: string): VmgpuError {
  if (isVmgpuError(error)) return error;
  const { level, message } = error;
  if (level === 'client-authentication') {
    return new VmgpuError('auth-failed', `${name} lets ${user} not log in`, {
      found: message,
      expected: 'a key, agent or password that the host accepts',
      details: { sent: false },
    });
  }
  if (level === 'client-timeout') {
    return new VmgpuError('timeout', `${name} did not answer in time`, {
      found: message,
      details: { retryable: true, sent: false },
    });
  }
  return broken(name, message);
}

function badKey(name: string, found: string): VmgpuError {
  return badInput(`a private key for ${name} cannot be read`, {
    found,
    expected: 'an OpenSSH or PEM key, with its passphrase when it has one',
  });
}

import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { badInput, nearest, Secret } from '@vmgpu/core';
import type { HostPort } from '@vmgpu/host-prep/exec';
import type { SshOptions, SshTarget } from '@vmgpu/host-prep/ssh';
import type { CommandInput, OptionSpec } from './command.ts';
import { revealSecret } from './connections.ts';
import { readText } from './files.ts';
import { type HostEntry, readHostsFile } from './hosts-file.ts';
import type { Io } from './io.ts';

/** Options of every command that reaches hosts. */
export const sshOptions: Readonly<Record<string, OptionSpec>> = {
  ssh: {
    type: 'string',
    multiple: true,
    value: 'USER@HOST',
    help: 'a host over SSH (or its name in --hosts); may be repeated',
  },
  hosts: { type: 'string', value: 'FILE', help: 'hosts file (YAML); all its hosts unless --ssh names some' },
  identity: {
    type: 'string',
    short: 'i',
    value: 'FILE',
    help: 'private key (agent and ~/.ssh/id_* if not given)',
  },
  fingerprint: { type: 'string', value: 'SHA256:…', help: "the host's key, instead of known_hosts" },
  'known-hosts': { type: 'string', value: 'FILE', help: 'instead of ~/.ssh/known_hosts' },
  jump: { type: 'string', value: 'USER@HOST', help: 'go through this host' },
  'sudo-password-env': {
    type: 'string',
    value: 'NAME',
    help: 'environment variable with the password of sudo',
  },
};

/** True when the command line names hosts to reach. */
export function namesHosts(input: CommandInput): boolean {
  return input.values('ssh').length > 0 || input.value('hosts') !== undefined;
}

/** Where hosts are named: a command line, or a connection. */
type HostInput = Pick<CommandInput, 'value' | 'values'>;

/** One port a host, not connected yet. The caller closes them. */
export async function openHosts(input: HostInput, io: Io): Promise<readonly HostPort[]> {
  const { createSshPort } = await import('@vmgpu/host-prep/ssh');
  const { entries, listed } = await chosenHosts(input, io);
  if (entries.length > 1 && input.value('fingerprint') !== undefined)
    throw badInput('--fingerprint is the key of one host', {
      found: `${entries.length} hosts`,
      expected: 'fingerprint: of each host in the hosts file',
    });
  const knownHosts = await readKnownHosts(input, io);
  return Promise.all(
    entries.map(async (entry) => {
      const target = await targetOf(entry, input, io, knownHosts, listed);
      const sudo = entry.sudoPassword;
      const variable = input.value('sudo-password-env');
      const reference = variable === undefined ? sudo : { env: variable };
      const become: Pick<SshOptions, 'become'> =
        reference === undefined ? {} : { become: { password: await revealSecret(reference, io) } };
      return { ...createSshPort({ ...target, ...become }), name: entry.name };
    }),
  );
}

/** The hosts to reach, and all that the hosts file knows: one may lead to another. */
async function chosenHosts(
  input: HostInput,
  io: Io,
): Promise<{ readonly entries: readonly HostEntry[]; readonly listed: readonly HostEntry[] }> {
  const { parseSshTarget } = await import('@vmgpu/host-prep/ssh');
  const file = input.value('hosts');
  const listed = file === undefined ? [] : await fromFile(file, io);
  const named = input.values('ssh');
  if (named.length === 0) {
    // Who leads to others is not one of them, unless it is named.
    const ways = new Set([input.value('jump'), ...listed.map(({ jump }) => jump)]);
    return { entries: listed.filter(({ name }) => !ways.has(name)), listed };
  }
  const entries = named.map((text) => {
    const found = listed.find(({ name }) => name === text);
    if (found) return found;
    if (file !== undefined && !text.includes('@')) {
      const names = listed.map(({ name }) => name);
      const [guess] = nearest(text, names, 1);
      throw badInput('no host of this name', {
        where: { file },
        found: text,
        expected: names.join(', '),
        ...(guess ? { hint: `did you mean ${guess}?` } : {}),
      });
    }
    const { host, ...rest } = parseSshTarget(text);
    return { name: text, address: host, ...rest };
  });
  return { entries, listed };
}

/** Relative paths in a hosts file start from it. */
async function fromFile(file: string, io: Io): Promise<readonly HostEntry[]> {
  const base = dirname(resolve(io.cwd, file));
  const place = (path: string) => (path.startsWith('~/') || isAbsolute(path) ? path : join(base, path));
  return (await readHostsFile(file, io)).map((entry) =>
    entry.identity === undefined ? entry : { ...entry, identity: place(entry.identity) },
  );
}

type KnownHosts = NonNullable<SshTarget['knownHosts']>;

async function targetOf(
  entry: HostEntry,
  input: HostInput,
  io: Io,
  knownHosts: KnownHosts,
  all: readonly HostEntry[],
  through: readonly string[] = [],
): Promise<SshTarget> {
  const { parseSshTarget } = await import('@vmgpu/host-prep/ssh');
  const { name, address, port, user, fingerprint, password, passphrase } = entry;
  if (through.includes(name))
    throw badInput('a host is reached through itself', { found: [...through, name].join(' → ') });
  const identity = entry.identity ?? input.value('identity');
  const keys = await Promise.all(
    (identity === undefined ? await defaultKeys(io) : [identity]).map(async (path) => ({
      text: new Secret(await readText(home(path, io), io)),
      ...(passphrase ? { passphrase: await revealSecret(passphrase, io) } : {}),
    })),
  );
  const jump = entry.jump ?? (through.length === 0 ? input.value('jump') : undefined);
  const pinned = fingerprint ?? (through.length === 0 ? input.value('fingerprint') : undefined);
  const next = (text: string): HostEntry => {
    const listed = all.find((other) => other.name === text);
    if (listed) return listed;
    const { host, ...rest } = parseSshTarget(text);
    return { name: text, address: host, ...rest };
  };
  return {
    host: address,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(pinned === undefined ? { knownHosts } : { fingerprint: pinned }),
    ...(identity === undefined && io.env.SSH_AUTH_SOCK ? { agent: io.env.SSH_AUTH_SOCK } : {}),
    keys,
    ...(password ? { password: await revealSecret(password, io) } : {}),
    ...(jump === undefined
      ? {}
      : { jump: await targetOf(next(jump), input, io, knownHosts, all, [...through, name]) }),
  };
}

async function readKnownHosts(input: HostInput, io: Io): Promise<KnownHosts> {
  const named = input.value('known-hosts');
  if (named !== undefined) return { text: await readText(named, io), file: named };
  const file = home('~/.ssh/known_hosts', io);
  const texts = await Promise.all(
    [file, '/etc/ssh/ssh_known_hosts'].map(async (path) => ((await exists(path)) ? readText(path, io) : '')),
  );
  return { text: texts.join('\n'), file };
}

/** Keys without a passphrase can be used at once; for others there is the agent. */
async function defaultKeys(io: Io): Promise<readonly string[]> {
  if (io.env.SSH_AUTH_SOCK) return [];
  const paths = ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => home(`~/.ssh/${name}`, io));
  const there = await Promise.all(paths.map(exists));
  return paths.filter((_, index) => there[index]);
}

function home(path: string, io: Io): string {
  return path.startsWith('~/') ? join(io.env.HOME ?? homedir(), path.slice(2)) : path;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

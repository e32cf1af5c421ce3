import { badInput, type Secret } from '@vmgpu/core';

/** How a host is reached and who logs in. `~/.ssh/config` is not read. */
export interface SshTarget {
  readonly host: string;
  /** Default 22. */
  readonly port?: number;
  /** Default `root`. */
  readonly user?: string;
  /** `SSH_AUTH_SOCK` of an agent. */
  readonly agent?: string;
  /** Texts of private keys, tried in order. */
  readonly keys?: readonly PrivateKey[];
  /** Password of the log-in; also answers keyboard-interactive questions. */
  readonly password?: Secret;
  /** `SHA256:…`: only this key is accepted, and known hosts do not count. */
  readonly fingerprint?: string;
  /** Text of known_hosts files, and what to call them in errors. One of this and `fingerprint` is needed. */
  readonly knownHosts?: { readonly text: string; readonly file: string };
  /** A host to go through; it is verified like every other. */
  readonly jump?: SshTarget;
}

export interface PrivateKey {
  readonly text: Secret;
  readonly passphrase?: Secret;
}

export interface SshOptions extends SshTarget {
  /** How to become root: `none` (default for the user root), `sudo` (default else), or sudo with a password. */
  readonly become?: 'none' | 'sudo' | { readonly password: Secret };
  /** For the connection until the log-in, in ms. Default 20 s. */
  readonly connectMs?: number;
  /** Default 15 s; after four without an answer the connection counts as broken. */
  readonly keepAliveMs?: number;
}

/** `user@host:port`, `[v6]:port`; user and port may be absent. Throws `bad-input`. */
export function parseSshTarget(text: string): Pick<SshTarget, 'host' | 'port' | 'user'> {
  const match = /^(?:([^@\s]+)@)?(?:\[([0-9A-Fa-f:.%a-z]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[2] ?? match?.[3];
  const port = match?.[4] === undefined ? undefined : Number(match[4]);
  if (host === undefined || host.startsWith('-') || (port !== undefined && (port < 1 || port > 65_535)))
    throw badInput('not the address of a host', {
      found: text,
      expected: 'user@host, host:port or user@[v6]:port',
    });
  return { host, ...(port === undefined ? {} : { port }), ...(match?.[1] ? { user: match[1] } : {}) };
}

/** `gpu01`, `admin@gpu01:2222`: what is not the default. */
export function targetName({ host, port = 22, user = 'root' }: SshTarget): string {
  const place = host.includes(':') ? `[${host}]` : host;
  return `${user === 'root' ? '' : `${user}@`}${place}${port === 22 ? '' : `:${port}`}`;
}

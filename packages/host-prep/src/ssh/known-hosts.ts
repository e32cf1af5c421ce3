import { createHash, createHmac } from 'node:crypto';

/** What a known_hosts file says of one host (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
export interface KnownHost {
  readonly keys: readonly HostKey[];
  readonly revoked: readonly HostKey[];
  /** A line trusts a certificate authority for this host; host certificates are not supported. */
  readonly authority: boolean;
}

export interface HostKey {
  /** `ssh-ed25519` */
  readonly type: string;
  /** Public key in its wire format, base64. */
  readonly key: string;
}

/** The lines about a host, hashed names and patterns included. Lines that cannot be read are left out, as OpenSSH does. */
export function findKnownHost(text: string, host: string, port: number): KnownHost {
  const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
  const keys: HostKey[] = [];
  const revoked: HostKey[] = [];
  let authority = false;
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
    const [hosts = '', type, key] = words;
    if (hosts.startsWith('#') || type === undefined || key === undefined || !names(hosts, name)) continue;
    if (marker === '@cert-authority') authority = true;
    else if (marker === '@revoked') revoked.push({ type, key });
    else if (marker === undefined) keys.push({ type, key });
  }
  return { keys, revoked, authority };
}

function names(list: string, name: string): boolean {
  if (list.startsWith('|1|')) {
    const [, , salt = '', hash = ''] = list.split('|');
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  const patterns = list.toLowerCase().split(',');
  return (
    patterns.some((pattern) => matches(pattern, name)) &&
    !patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1), name))
  );
}

/** `*` and `?`; without backtracking into more than the last star, so that no pattern takes long. */
function matches(pattern: string, name: string): boolean {
  let [p, n, star, mark] = [0, 0, -1, 0];
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p;
      mark = n;
      p += 1;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p += 1;
      n += 1;
    } else if (star >= 0) {
      p = star + 1;
      mark += 1;
      n = mark;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}

/** As `ssh-keygen -l` prints it: `SHA256:` and unpadded base64. */
export function fingerprintOf(key: Uint8Array | string): string {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key;
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`;
}

/** Signature algorithms that prove a key of this type (RFC 8332 for RSA). */
export function algorithmsFor(type: string): readonly string[] {
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type];
}

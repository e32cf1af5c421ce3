import { check, dictionary, exactShape, integer, optional, text } from '@vmgpu/core/schema';
import { type SecretReference, secretReference } from './connections.ts';
import { readText } from './files.ts';
import type { Io } from './io.ts';
import { parseYaml } from './yaml-input.ts';

const host = {
  /** Name or address to connect to; the host's name in the file when not given. */
  address: optional(text()),
  port: optional(integer()),
  user: optional(text()),
  /** File of the private key; a path from the hosts file, or `~/…`. */
  identity: optional(text()),
  passphrase: optional(secretReference),
  /** Password of the log-in. */
  password: optional(secretReference),
  /** Password of sudo, where it asks for one. */
  sudoPassword: optional(secretReference),
  /** `SHA256:…` of the host key; else known_hosts decides. */
  fingerprint: optional(text()),
  /** Host to go through: `user@bastion:22`, or the name of a host of this file. */
  jump: optional(text()),
} as const;
const schema = exactShape({ defaults: optional(exactShape(host)), hosts: dictionary(exactShape(host)) });

/** One host of a hosts file, with the defaults filled in. */
export interface HostEntry {
  readonly name: string;
  readonly address: string;
  readonly port?: number;
  readonly user?: string;
  readonly identity?: string;
  readonly passphrase?: SecretReference;
  readonly password?: SecretReference;
  readonly sudoPassword?: SecretReference;
  readonly fingerprint?: string;
  readonly jump?: string;
}

/** Reads a hosts file (YAML). Throws `bad-input` with file, line and column. */
export async function readHostsFile(file: string, io: Io): Promise<readonly HostEntry[]> {
  const { value, locate } = parseYaml(await readText(file, io), file);
  const { defaults = {}, hosts } = check(schema, value, 'not a hosts file', locate);
  return Object.entries(hosts).map(([name, own]) => {
    const { address = name, ...rest } = own;
    // A jump host is not reached through itself, and fingerprints and addresses are of one host.
    const { address: _address, fingerprint: _fingerprint, ...shared } = defaults;
    const known = Object.fromEntries(
      Object.entries({ ...shared, ...rest }).filter(([, item]) => item !== undefined),
    );
    const { jump, ...direct } = known;
    return { name, address, ...(jump === name ? direct : known) } as HostEntry;
  });
}

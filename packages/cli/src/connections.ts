import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { badInput, nearest, type PlatformName, platformNames, Secret, VmgpuError } from '@vmgpu/core';
import {
  boolean,
  check,
  choice,
  dictionary,
  either,
  exactShape,
  type Infer,
  integer,
  list,
  literal,
  optional,
  text,
} from '@vmgpu/core/schema';
import { readText } from './files.ts';
import type { Io } from './io.ts';
import { parseYaml } from './yaml-input.ts';

/** Secrets are named, never written down: an environment variable, a file, or a command that prints it. */
export const secretReference = either(
  exactShape({ env: text() }),
  exactShape({ file: text() }),
  exactShape({ command: list(text()) }),
);
const proxmox = exactShape({
  platform: literal('proxmox'),
  /** `https://pve1.example.org:8006` */
  url: text(),
  /** `root@pam`, `dev@pve` */
  user: text(),
  /** Name of the API token; without one, `secret` is the user's password. */
  token: optional(text()),
  secret: secretReference,
  /** The current code of the second factor, when the user has one: a command that prints it. */
  totp: optional(secretReference),
  /** File with the cluster's CA certificate. */
  ca: optional(text()),
  /** SHA-256 fingerprint of the certificate, colon hexadecimal. */
  fingerprint: optional(text()),
  insecureSkipTlsVerify: optional(boolean()),
});
const argv = list(text());
const serviceCommands = exactShape({
  /** systemd's unit, where it is not called like the service. */
  unit: optional(text()),
  /** Instead of systemd: programs with their arguments. */
  restart: optional(argv),
  status: optional(argv),
  log: optional(argv),
});
const hostFiles = exactShape({
  /** Hosts file, as for `prepare --hosts`: addresses, keys, jump hosts of the hosts that are named here. */
  hosts: optional(text()),
  /** Private key, and known_hosts, for hosts that are not in the hosts file. */
  identity: optional(text()),
  knownHosts: optional(text()),
  /** `USER@HOST`, or names of the hosts file; HOST and name are those that Nova has. */
  compute: optional(list(text())),
  control: optional(list(text())),
  /** The host from which kolla-ansible is run. */
  deploy: optional(text()),
  /** Folder of drop-in files, `/etc/nova/nova.conf.d`; kolla-ansible's `node_custom_config`, `/etc/kolla/config`. */
  directory: optional(text()),
  /** `[kolla-ansible, reconfigure, -i, INVENTORY, -t, nova]` */
  reconfigure: optional(argv),
  services: optional(
    exactShape({
      'nova-compute': optional(serviceCommands),
      'nova-api': optional(serviceCommands),
      'nova-scheduler': optional(serviceCommands),
      'nova-conductor': optional(serviceCommands),
      'placement-api': optional(serviceCommands),
    }),
  ),
  /** How long a restarted service must stay up; 10. */
  settleSeconds: optional(integer()),
  /** Where a host keeps copies of the earlier files; `/var/lib/vmgpu/files`. */
  stateDirectory: optional(text()),
});
const openstack = exactShape({
  platform: literal('openstack'),
  /** Name in clouds.yaml; without one, and without authUrl, the OS_* variables are read. */
  cloud: optional(text()),
  /** Path of clouds.yaml, with secure.yaml beside it; looked for in the usual places when not given. */
  clouds: optional(text()),
  /** `https://cloud.example.org:5000/v3`: instead of clouds.yaml, with what follows. */
  authUrl: optional(text()),
  /** Name of the user, and of the project; their domains are `Default` unless given. */
  user: optional(text()),
  userDomain: optional(text()),
  project: optional(text()),
  projectDomain: optional(text()),
  /** Id of an application credential, instead of user and project. */
  applicationCredential: optional(text()),
  /** The user's password, or the secret of the application credential. */
  secret: optional(secretReference),
  region: optional(text()),
  /** File with the CA certificate of the services. */
  ca: optional(text()),
  insecureSkipTlsVerify: optional(boolean()),
  /** Nova's version or release name, known better than its API tells. */
  release: optional(text()),
  deployment: optional(choice('packages', 'kolla-ansible', 'openstack-ansible', 'devstack')),
  /** Captures of the GPU hosts: no API tells what is in them. */
  hosts: optional(list(text())),
  /** nova.conf as the services read it: steps whose settings are in it are done. */
  novaConf: optional(text()),
  /** Where vmgpu may write configuration itself, over SSH. */
  hostFiles: optional(hostFiles),
});
const kubevirt = exactShape({
  platform: literal('kubevirt'),
  kubeconfig: optional(text()),
  context: optional(text()),
  namespace: optional(text()),
});
const configSchema = exactShape({ connections: dictionary(either(proxmox, openstack, kubevirt)) });

export type SecretReference = Infer<typeof secretReference>;
export type ProxmoxConnection = Infer<typeof proxmox>;
export type OpenStackConnection = Infer<typeof openstack>;
export type KubeVirtConnection = Infer<typeof kubevirt>;
/** A named connection, as it stands in the configuration file. Paths are made absolute. */
export type Connection = ProxmoxConnection | OpenStackConnection | KubeVirtConnection;

/** `$VMGPU_CONFIG`, else `vmgpu/config.yaml` in the user's configuration directory. */
export function configPath(io: Pick<Io, 'env' | 'cwd'>): string {
  const { VMGPU_CONFIG, XDG_CONFIG_HOME } = io.env;
  if (VMGPU_CONFIG) return resolve(io.cwd, VMGPU_CONFIG);
  return join(XDG_CONFIG_HOME || join(homedir(), '.config'), 'vmgpu', 'config.yaml');
}

/**
 * The connection to use: the one named; else the only one of the platform in the configuration; else what the
 * environment says. Throws `bad-input` that names all these ways.
 */
export async function findConnection(
  io: Io,
  platform: PlatformName | undefined,
  name: string | undefined,
): Promise<Connection> {
  const path = configPath(io);
  const known = await readConnections(path, io);
  if (name !== undefined) {
    const found = known[name];
    if (!found) throw unknownConnection(name, known, path);
    if (platform !== undefined && found.platform !== platform) {
      throw badInput(`connection ${name} is of another platform`, {
        where: { file: path },
        found: found.platform,
        expected: platform,
      });
    }
    return found;
  }
  const ofPlatform = Object.entries(known).filter(
    ([, { platform: own }]) => platform === undefined || own === platform,
  );
  const [only] = ofPlatform;
  if (only && ofPlatform.length === 1) return only[1];
  const fromEnvironment = platform === undefined ? undefined : connectionFromEnvironment(platform, io.env);
  if (fromEnvironment) return fromEnvironment;
  throw badInput(ofPlatform.length > 1 ? 'more than one connection fits' : 'no connection to a platform', {
    found: ofPlatform.map(([own]) => own).join(', ') || `none in ${path}, none in the environment`,
    expected: `--connection NAME, or ${environmentHint(platform)}`,
  });
}

async function readConnections(path: string, io: Io): Promise<Readonly<Record<string, Connection>>> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (!exists) return {};
  const { value, locate } = parseYaml(await readText(path, io), path);
  const { connections } = check(configSchema, value, 'not a valid vmgpu configuration', locate);
  const base = dirname(path);
  return Object.fromEntries(
    Object.entries(connections).map(([name, entry]) => [name, absolutePaths(entry, base)]),
  );
}

/** Paths in the file are meant from where the file lies. */
function absolutePaths(connection: Connection, base: string): Connection {
  const from = (path: string) => resolve(base, path.replace(/^~(?=\/)/, homedir()));
  if (connection.platform === 'proxmox') {
    const { ca, secret } = connection;
    return {
      ...connection,
      secret: 'file' in secret ? { file: from(secret.file) } : secret,
      ...(ca === undefined ? {} : { ca: from(ca) }),
    };
  }
  if (connection.platform === 'openstack') {
    const { clouds, ca, secret, hosts, novaConf, hostFiles: files } = connection;
    return {
      ...connection,
      ...(clouds === undefined ? {} : { clouds: from(clouds) }),
      ...(ca === undefined ? {} : { ca: from(ca) }),
      ...(secret && 'file' in secret ? { secret: { file: from(secret.file) } } : {}),
      ...(hosts === undefined ? {} : { hosts: hosts.map(from) }),
      ...(novaConf === undefined ? {} : { novaConf: from(novaConf) }),
      ...(files === undefined ? {} : { hostFiles: { ...files, ...pathsOf(files, from) } }),
    };
  }
  if (connection.platform === 'kubevirt' && connection.kubeconfig !== undefined) {
    return { ...connection, kubeconfig: from(connection.kubeconfig) };
  }
  return connection;
}

function pathsOf(
  { hosts, identity, knownHosts }: Infer<typeof hostFiles>,
  from: (path: string) => string,
): Partial<Infer<typeof hostFiles>> {
  return {
    ...(hosts === undefined ? {} : { hosts: from(hosts) }),
    ...(identity === undefined ? {} : { identity: from(identity) }),
    ...(knownHosts === undefined ? {} : { knownHosts: from(knownHosts) }),
  };
}

function connectionFromEnvironment(platform: PlatformName, env: Io['env']): Connection | undefined {
  switch (platform) {
    case 'proxmox': {
      const { VMGPU_PROXMOX_URL: url, VMGPU_PROXMOX_USER: user, VMGPU_PROXMOX_TOKEN: token } = env;
      const { VMGPU_PROXMOX_CA: ca, VMGPU_PROXMOX_FINGERPRINT: fingerprint } = env;
      if (!url || !user) return undefined;
      return {
        platform,
        url,
        user,
        secret: { env: 'VMGPU_PROXMOX_SECRET' },
        ...(token ? { token } : {}),
        ...(ca ? { ca } : {}),
        ...(fingerprint ? { fingerprint } : {}),
      };
    }
    case 'openstack':
      return env.OS_CLOUD || env.OS_AUTH_URL
        ? { platform, ...(env.OS_CLOUD ? { cloud: env.OS_CLOUD } : {}) }
        : undefined;
    case 'kubevirt':
      return env.KUBECONFIG ? { platform, kubeconfig: env.KUBECONFIG } : undefined;
  }
}

function environmentHint(platform: PlatformName | undefined): string {
  const hints: Record<PlatformName, string> = {
    proxmox: 'VMGPU_PROXMOX_URL, _USER, _TOKEN and _SECRET',
    openstack: 'OS_CLOUD or OS_AUTH_URL and its companions',
    kubevirt: 'KUBECONFIG',
  };
  return platformNames
    .filter((name) => platform === undefined || name === platform)
    .map((name) => hints[name])
    .join('; ');
}

function unknownConnection(
  name: string,
  known: Readonly<Record<string, Connection>>,
  path: string,
): VmgpuError {
  const names = Object.keys(known);
  const [guess] = nearest(name, names, 1);
  return badInput('no connection of this name', {
    where: { file: path },
    found: name,
    expected: names.join(', ') || 'a configuration with connections',
    ...(guess === undefined ? {} : { hint: `did you mean ${guess}?` }),
  });
}

/** Fetches a secret from where it is kept. Throws `auth-failed` that names the place, never the value. */
export async function revealSecret(reference: SecretReference, io: Io): Promise<Secret> {
  if ('env' in reference) {
    const value = io.env[reference.env];
    if (!value) {
      throw new VmgpuError('auth-failed', 'a secret is missing', {
        found: `no ${reference.env} in the environment`,
        expected: `the secret in ${reference.env}`,
      });
    }
    return new Secret(value);
  }
  if ('file' in reference) return new Secret((await readText(reference.file, io)).trim());
  const [program = '', ...words] = reference.command;
  try {
    const { stdout } = await promisify(execFile)(program, words, { timeout: 30_000, signal: io.signal });
    return new Secret(stdout.trim());
  } catch (error) {
    // The program's output may hold the secret: only that it failed is told.
    throw new VmgpuError('auth-failed', 'the command that should print a secret failed', {
      found: `${program}: ${String((error as { code?: unknown }).code ?? 'no result')}`,
      expected: 'exit status 0 and the secret on standard output',
    });
  }
}

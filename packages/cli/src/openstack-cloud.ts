/** A connection to OpenStack: from clouds.yaml, from the OS_* variables, or written out in the configuration file. */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { badInput, type Provider, Secret } from '@vmgpu/core';
import type { CloudConnection, OpenStackLogin, OpenStackSettings } from '@vmgpu/openstack';
import { readHosts } from './commands/render.ts';
import { type OpenStackConnection, revealSecret } from './connections.ts';
import { readText } from './files.ts';
import type { Io } from './io.ts';
import { hostWorkOf } from './openstack-host-files.ts';
import { parseYaml } from './yaml-input.ts';

export async function openOpenStack(connection: OpenStackConnection, io: Io): Promise<Provider> {
  const { createOpenStack } = await import('@vmgpu/openstack');
  const place = connection.authUrl === undefined ? await readClouds(connection, io) : undefined;
  const cloud = place ?? (await writtenOut(connection, connection.authUrl ?? '', io));
  const { caFile, certificateFile, keyFile, insecureSkipTlsVerify } = cloud.tls;
  const tls = {
    ...(caFile === undefined ? {} : { ca: await readText(caFile, io) }),
    ...(certificateFile === undefined
      ? {}
      : {
          clientCertificate: {
            certificate: await readText(certificateFile, io),
            // As curl and the official clients take it, the key may stand in the same file.
            key: new Secret(await readText(keyFile ?? certificateFile, io)),
          },
        }),
    ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}),
  };
  const { tls: _files, ...login } = cloud;
  const hosts = connection.hostFiles && hostWorkOf(connection.hostFiles, io);
  const provider = createOpenStack({
    ...login,
    ...(connection.region === undefined ? {} : { region: connection.region }),
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
    ...(await knownFacts(connection, io)),
    ...(hosts ? { hostWork: hosts.work } : {}),
  });
  return {
    ...provider,
    close: async () => {
      await Promise.all([provider.close?.(), hosts?.close()]);
    },
  } as Provider;
}

/** What no API of OpenStack tells. */
async function knownFacts(
  { release, deployment, hosts, novaConf }: OpenStackConnection,
  io: Io,
): Promise<Pick<OpenStackSettings, 'release' | 'deployment' | 'hosts' | 'config'>> {
  const text = novaConf === undefined ? undefined : await readText(novaConf, io);
  const services = ['nova-compute', 'nova-api', 'nova-scheduler', 'nova-conductor'] as const;
  return {
    ...(release === undefined ? {} : { release }),
    ...(deployment === undefined ? {} : { deployment }),
    ...(hosts === undefined ? {} : { hosts: await readHosts(hosts, io) }),
    ...(text === undefined ? {} : { config: services.map((service) => ({ service, text })) }),
  };
}

async function writtenOut(
  connection: OpenStackConnection,
  authUrl: string,
  io: Io,
): Promise<CloudConnection> {
  const { ca, insecureSkipTlsVerify } = connection;
  return {
    authUrl,
    login: await loginOf(connection, io),
    tls: {
      ...(ca === undefined ? {} : { caFile: ca }),
      ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}),
    },
  };
}

async function loginOf(connection: OpenStackConnection, io: Io): Promise<OpenStackLogin> {
  const { applicationCredential, user, project } = connection;
  const missing = (path: string, expected: string) =>
    badInput('the connection is not complete', { where: { path }, expected });
  if (connection.secret === undefined) {
    throw missing('secret', 'where the secret is kept: { env: NAME }, { file: PATH } or { command: [...] }');
  }
  const secret = await revealSecret(connection.secret, io);
  if (applicationCredential !== undefined) {
    return { type: 'application-credential', id: applicationCredential, secret };
  }
  if (user === undefined) throw missing('user', 'the name of a user, or applicationCredential');
  const { userDomain = 'Default', projectDomain = userDomain } = connection;
  return {
    type: 'password',
    user: { name: user, domain: { name: userDomain } },
    password: secret,
    ...(project === undefined
      ? {}
      : { scope: { project: { name: project, domain: { name: projectDomain } } } }),
  };
}

/** As the official clients look for it. Source: openstacksdk, "Configuring OpenStack SDK Applications". */
async function readClouds({ cloud, clouds, ca }: OpenStackConnection, io: Io): Promise<CloudConnection> {
  const { readCloud } = await import('@vmgpu/openstack');
  const { OS_CLIENT_CONFIG_FILE, OS_CLIENT_SECURE_FILE, XDG_CONFIG_HOME } = io.env;
  const directories = [
    io.cwd,
    join(XDG_CONFIG_HOME || join(homedir(), '.config'), 'openstack'),
    '/etc/openstack',
  ];
  const inDirectories = (name: string) => directories.map((directory) => join(directory, name));
  const named = clouds ?? OS_CLIENT_CONFIG_FILE;
  const path = named ?? (await firstOf(inDirectories('clouds.yaml')));
  const beside = path === undefined ? [] : [join(dirname(path), 'secure.yaml')];
  const secure = OS_CLIENT_SECURE_FILE ?? (await firstOf([...beside, ...inDirectories('secure.yaml')]));
  const texts = {
    ...(path === undefined ? {} : { clouds: await readText(path, io) }),
    ...(secure === undefined ? {} : { secure: await readText(secure, io) }),
  };
  const found = readCloud({
    ...texts,
    ...(cloud === undefined ? {} : { cloud }),
    env: io.env,
    parseYaml: (text) => parseYaml(text, text === texts.secure ? (secure ?? '') : (path ?? '')).value,
  });
  return ca === undefined ? found : { ...found, tls: { ...found.tls, caFile: ca } };
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const isThere = await stat(path).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

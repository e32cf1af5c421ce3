import type { Provider } from '@vmgpu/core';
import {
  type Connection,
  type KubeVirtConnection,
  type ProxmoxConnection,
  revealSecret,
} from './connections.ts';
import { readText } from './files.ts';
import type { Io } from './io.ts';
import { openOpenStack } from './openstack-cloud.ts';

/** Opens a connection: the adapter and its I/O library are loaded now, calls are made when they are needed. */
export async function openProvider(connection: Connection, io: Io): Promise<Provider> {
  switch (connection.platform) {
    case 'proxmox':
      return openProxmox(connection, io);
    case 'kubevirt':
      return openKubeVirt(connection);
    case 'openstack':
      return openOpenStack(connection, io);
  }
}

async function openKubeVirt({ kubeconfig, context, namespace }: KubeVirtConnection): Promise<Provider> {
  const { createKubeVirt } = await import('@vmgpu/kubevirt');
  const place = {
    ...(kubeconfig === undefined ? {} : { path: kubeconfig }),
    ...(context === undefined ? {} : { context }),
  };
  return createKubeVirt({
    ...(Object.keys(place).length > 0 ? { kubeconfig: place } : {}),
    ...(namespace === undefined ? {} : { namespace }),
  }) as Provider;
}

async function openProxmox(connection: ProxmoxConnection, io: Io): Promise<Provider> {
  const { createProxmox } = await import('@vmgpu/proxmox');
  const { url, user, token, ca, fingerprint, insecureSkipTlsVerify } = connection;
  const secret = await revealSecret(connection.secret, io);
  const { totp } = connection;
  const tls = {
    ...(ca === undefined ? {} : { ca: await readText(ca, io) }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(insecureSkipTlsVerify === undefined ? {} : { insecureSkipTlsVerify }),
  };
  return createProxmox({
    url,
    auth:
      token === undefined
        ? {
            password: {
              user,
              secret,
              ...(totp === undefined ? {} : { totp: async () => (await revealSecret(totp, io)).reveal() }),
            },
          }
        : { token: { user, name: token, secret } },
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
  }) as Provider;
}

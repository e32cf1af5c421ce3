import { type CallOptions, isVmgpuError, VmgpuError, type VmRef } from '@vmgpu/core';
import { isUuid } from '../translate/image.ts';
import type { NovaConfigText, OpenStackNative } from '../translate/snapshot.ts';
import { getImage } from './images.ts';
import { type Allocations, getAllocations, getProvider } from './placement.ts';
import type { OsPort } from './port.ts';
import type { Reader } from './read-snapshot.ts';
import { findServers, getServer, type ServerAnswer } from './servers.ts';

/** The server with its image, and with what it holds in Placement where the caller may see that. */
export async function readServer(
  read: Reader,
  { name }: VmRef,
  config: readonly NovaConfigText[] | undefined,
): Promise<OpenStackNative> {
  const server = await findServer(read, name);
  const imageId = typeof server.image === 'object' ? server.image.id : undefined;
  const image = imageId === undefined ? null : await read((os, options) => getImage(os, imageId, options));
  const allocations = await read((os, options) => getAllocations(os, server.id, options)).catch(hidden);
  return {
    server,
    ...(image ? { image } : {}),
    ...(config ? { config } : {}),
    ...(allocations ? { allocations, providers: await providerNames(read, allocations) } : {}),
  };
}

async function findServer(read: Reader, name: string): Promise<ServerAnswer> {
  const byId = isUuid(name) ? await read((os, options) => getServer(os, name, options)) : null;
  const found = byId ? [byId] : await read((os, options) => findServers(os, name, options));
  const [server, another] = found;
  if (another) {
    throw new VmgpuError('conflict', `${found.length} servers are called ${name}`, {
      hint: `name one by its id: ${found.map(({ id }) => id).join(', ')}`,
    });
  }
  if (server) return server;
  throw new VmgpuError('not-found', `there is no server ${name}`, {
    expected: 'the id or name of a server of the project',
  });
}

async function providerNames(
  read: Reader,
  allocations: Allocations,
): Promise<Readonly<Record<string, string>>> {
  const pairs = await Promise.all(
    Object.keys(allocations).map(async (uuid) => {
      const provider = await read((os: OsPort, options: CallOptions) => getProvider(os, uuid, options));
      return provider ? [[uuid, provider.name] as const] : [];
    }),
  );
  return Object.fromEntries(pairs.flat());
}

function hidden(error: unknown): undefined {
  if (isVmgpuError(error) && ['permission-denied', 'not-found', 'unsupported'].includes(error.code))
    return undefined;
  throw error;
}

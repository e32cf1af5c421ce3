import type { Provider } from '@vmgpu/core';
import { type Connection, type ProxmoxConnection, revealSecret } from './connections.ts';
import { readText } from './files.ts';
import type { Io } from './io.ts';

/** Opens a connection: the adapter and its I/O library are loaded now, calls are made when they are needed. */
export async function openProvider(connection: Connection, io: Io): Promise<Provider> {
  switch (connection.platform) {
    case 'proxmox':
      return openProxmox(connection, io);
    default:
      throw new Error(`not wired: ${connection.platform}`);
  }
}

async function openProxmox(connection: ProxmoxConnection, io: Io): Promise<Provider> {
  void connection;
  void io;
  void readText;
  void revealSecret;
  throw new Error('not wired');
}

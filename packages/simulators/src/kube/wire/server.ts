import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Certificates } from './tls.ts';

export interface Listener {
  readonly port: number;
  start(): Promise<void>;
  /** Like SIGKILL: every connection is reset, the port refuses. */
  kill(): Promise<void>;
  /** Resets connections that are open, and keeps listening. */
  cut(): void;
}

/** A server on the loopback address that can be killed and come back on the same port. */
export async function listen(
  handler: RequestListener,
  wantedPort: number,
  certificates: Certificates | undefined,
): Promise<Listener> {
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = wantedPort;

  const open = () =>
    new Promise<void>((resolve, reject) => {
      const next = certificates
        ? createTlsServer({ ...certificates, requestCert: true, rejectUnauthorized: false }, handler)
        : createServer(handler);
      next.keepAliveTimeout = 60_000;
      next.on('connection', (socket: Socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => sockets.delete(socket));
      });
      next.once('error', reject);
      next.listen(port, '127.0.0.1', () => {
        port = (next.address() as AddressInfo).port;
        server = next as Server;
        resolve();
      });
    });

  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
    sockets.clear();
  };

  await open();
  return {
    get port() {
      return port;
    },
    async start() {
      if (server === undefined) await open();
    },
    async kill() {
      const dying = server;
      server = undefined;
      if (dying === undefined) return;
      const closed = new Promise<void>((resolve) => dying.close(() => resolve()));
      cut();
      await closed;
      // Clients in this process hear of the reset before anyone goes on.
      await new Promise((resolve) => setTimeout(resolve, 5));
    },
    cut,
  };
}

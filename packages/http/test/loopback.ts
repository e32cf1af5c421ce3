import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Loopback {
  readonly url: string;
  close(): Promise<void>;
}

/** A real server on a free port of the loopback interface. */
export async function serve(listener: RequestListener): Promise<Loopback> {
  return start(createServer(listener), 'http');
}

export async function serveTls(identity: TlsIdentity, listener: RequestListener): Promise<Loopback> {
  return start(createTlsServer(identity, listener), 'https');
}

async function start(server: Server, scheme: string): Promise<Loopback> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** A fresh self-signed certificate for 127.0.0.1; undefined where openssl is absent. */
export function makeIdentity(): TlsIdentity | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'vmgpu-tls-'));
  try {
    const file = (name: string) => join(folder, name);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=127.0.0.1',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        file('key.pem'),
        '-out',
        file('cert.pem'),
      ],
      { stdio: 'ignore' },
    );
    return { cert: readFileSync(file('cert.pem'), 'utf8'), key: readFileSync(file('key.pem'), 'utf8') };
  } catch {
    console.warn('openssl is not here: tests of TLS are skipped');
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

import type { Agent } from 'node:https';
import type { connect as Connect, ConnectionOptions, TLSSocket } from 'node:tls';

type Created = (error: Error | null, socket?: TLSSocket) => void;

/** Time for TCP and TLS together, in milliseconds; a peer that accepts and says nothing must not hold a socket for ever. */
const handshakeLimitMs = 20_000;

/** Code of the error of a server that shows another certificate. */
export const fingerprintMismatch = 'VMGPU_FINGERPRINT_MISMATCH';

/**
 * Makes the agent accept exactly one certificate. The socket is handed to a request only after the comparison: a check in
 * `checkServerIdentity` would not run for self-signed certificates, and one after the hand-over would come when the first
 * bytes, with credentials, have left.
 */
export function pinnedConnection(agent: Agent, connect: typeof Connect, expected: string): void {
  const createConnection = (options: ConnectionOptions, created: Created): undefined => {
    // No resumed sessions: each connection shows its certificate.
    const socket = connect({ ...options, rejectUnauthorized: false, session: undefined });
    const fail = (error: Error) => {
      socket.destroy();
      created(error);
    };
    socket.once('error', fail);
    socket.setTimeout(handshakeLimitMs, () =>
      fail(
        Object.assign(new Error('the TLS handshake did not end'), { code: 'ETIMEDOUT', syscall: 'connect' }),
      ),
    );
    socket.once('secureConnect', () => {
      const found = socket.getPeerCertificate().fingerprint256;
      if (found !== expected) {
        fail(Object.assign(new Error('another certificate'), { code: fingerprintMismatch, found, expected }));
        return;
      }
      socket.setTimeout(0);
      socket.off('error', fail);
      created(null, socket);
    });
  };
  Object.assign(agent, { createConnection });
}

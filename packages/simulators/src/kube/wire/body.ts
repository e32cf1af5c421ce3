import type { IncomingMessage, ServerResponse } from 'node:http';
import * as status from '../api/status.ts';
import type { Dict } from '../types.ts';

const bodyLimit = 3 * 1024 * 1024;

export async function readBody(message: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of message) {
    size += piece.length;
    if (size > bodyLimit) {
      throw new status.ApiFailure(413, 'RequestEntityTooLarge', 'Request entity too large: limit is 3145728');
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

export function parseJson(text: string): Dict {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw status.badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`);
  }
}

/** TCP reset, as from a process that was killed. */
export function resetConnection({ socket }: ServerResponse): void {
  if (socket === null) return;
  if (typeof socket.resetAndDestroy === 'function' && !('encrypted' in socket)) socket.resetAndDestroy();
  else socket.destroy();
}

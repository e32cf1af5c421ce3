import { type Secret, VmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import { raceSignal } from '@vmgpu/core/resilience';
import type { CloudRequest, MemoryCloud } from './cloud.ts';

/** Requests to the memory platform, with typed errors. */
export interface MemoryClient {
  /** null when there is none. */
  read(path: string, signal?: AbortSignal): Promise<Record<string, unknown> | null>;
  write(method: 'PUT' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal): Promise<void>;
  order(path: string, signal?: AbortSignal): Promise<Record<string, unknown>>;
}

const codes: Readonly<Record<number, VmgpuErrorCode>> = {
  0: 'unreachable',
  401: 'auth-failed',
  403: 'permission-denied',
  404: 'not-found',
  409: 'conflict',
  429: 'unreachable',
  503: 'unreachable',
};

export function createMemoryClient(cloud: MemoryCloud, token: Secret): MemoryClient {
  async function send(request: Omit<CloudRequest, 'token'>, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    const answer = await raceSignal(cloud.send({ ...request, token: token.reveal() }), signal);
    if (answer.status === 200) return answer.body;
    const { status, retryAfterMs, sent } = answer;
    const code = codes[status] ?? 'refused';
    // The platform echoes the token.
    const said = answer.message?.replaceAll(token.reveal(), '[secret]');
    throw new VmgpuError(code, `${request.method} ${request.path}: ${status} ${said}`, {
      details: {
        retryable: code === 'unreachable',
        ...(retryAfterMs === undefined ? {} : { retryAfterMs, refusedUnprocessed: true }),
        ...(sent === false ? { sent } : {}),
      },
    });
  }
  return {
    async read(path, signal) {
      try {
        return (await send({ method: 'GET', path }, signal)) as Record<string, unknown>;
      } catch (error) {
        if (error instanceof VmgpuError && error.code === 'not-found') return null;
        throw error;
      }
    },
    async write(method, path, body, signal) {
      await send({ method, path, ...(body === undefined ? {} : { body }) }, signal);
    },
    order: async (path, signal) => (await send({ method: 'POST', path }, signal)) as Record<string, unknown>,
  };
}

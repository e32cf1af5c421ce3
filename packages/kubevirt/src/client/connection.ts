import { type CallOptions, type Clock, isVmgpuError, VmgpuError } from '@vmgpu/core';
import { raceSignal, startDeadline } from '@vmgpu/core/resilience';
import { withoutQuery } from './paths.ts';
import { statusError } from './status.ts';
import type { KubeRequest, KubeResponse, KubeTransport } from './transport.ts';

/** Requests with time limits and typed errors; what both calls and watches stand on. */
export interface Connection {
  readonly clock: Clock;
  /** The whole answer. */
  call(request: Omit<KubeRequest, 'signal'>, options?: CallOptions): Promise<Answer>;
  /** An answer that is still coming in; its body fails with typed errors, too. */
  open(request: Omit<KubeRequest, 'signal'>, signal: AbortSignal): Promise<KubeResponse>;
  /** The typed error of a Status that came in a watch. */
  statusError(request: string, status: number, text: string): VmgpuError;
}

export interface Answer {
  readonly text: string;
  readonly headers: KubeResponse['headers'];
}

/** Longest time that a starting API server was seen to refuse everybody after a lost connection, with a margin. */
const startUpMs = 10_000;

export function createConnection(transport: KubeTransport, clock: Clock, requestMs: number): Connection {
  let lostAt = Number.NEGATIVE_INFINITY;
  const readStatus = (request: string, status: number, text: string, retryAfterMs?: number) =>
    statusError(status, transport.scrub?.(text) ?? text, {
      request,
      afterLoss: clock.now() - lostAt < startUpMs,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  const noteLoss = (error: unknown) => {
    if (isVmgpuError(error) && error.code === 'unreachable') lostAt = clock.now();
  };

  async function open(request: Omit<KubeRequest, 'signal'>, signal: AbortSignal): Promise<KubeResponse> {
    const name = `${request.method} ${withoutQuery(request.path)}`;
    try {
      signal.throwIfAborted();
      const response = await raceSignal(transport.send({ ...request, signal }), signal);
      if (response.status >= 200 && response.status < 300) {
        return { ...response, body: observed(response.body, name, signal) };
      }
      const seconds = Number(response.headers['retry-after']);
      const waitMs = seconds >= 0 ? seconds * 1000 : undefined;
      throw readStatus(name, response.status, await textOf(observed(response.body, name, signal)), waitMs);
    } catch (error) {
      if (!signal.aborted && !(isVmgpuError(error) && error.details?.status !== undefined)) noteLoss(error);
      throw stopReason(error, name, signal);
    }
  }

  async function* observed(body: AsyncIterable<string>, name: string, signal: AbortSignal) {
    try {
      yield* body;
    } catch (error) {
      if (!signal.aborted) noteLoss(error);
      throw stopReason(error, name, signal);
    }
  }

  return {
    clock,
    open,
    statusError: readStatus,
    async call(request, options = {}) {
      const name = `${request.method} ${withoutQuery(request.path)}`;
      const own = options.timeoutMs === undefined || options.timeoutMs > requestMs;
      const limit = own ? requestMs : options.timeoutMs;
      const deadline = startDeadline(clock, name, limit, [options.signal]);
      try {
        const { body, headers } = await open(request, deadline.signal);
        return { text: await raceSignal(textOf(body), deadline.signal), headers };
      } catch (error) {
        const silent =
          own && !options.signal?.aborted && isVmgpuError(error) && error === deadline.signal.reason;
        throw silent ? noAnswer(name, requestMs) : stopReason(error, name, deadline.signal);
      } finally {
        deadline.release();
      }
    },
  };
}

/** The answer as an object. A body that was cut off looks like JSON that does not parse. */
export function parseAnswer<T>({ text }: Answer, request: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    const isJson = /^\s*[[{]/.test(text) || text === '';
    const why = isJson ? `the answer breaks off after ${text.length} characters` : 'the answer is not JSON';
    throw new VmgpuError(isJson ? 'unreachable' : 'refused', `${request}: ${why}`, {
      ...(isJson ? {} : { hint: 'is this the address of a Kubernetes API server, and not of a proxy?' }),
      details: { request, retryable: isJson },
      cause,
    });
  }
}

async function textOf(body: AsyncIterable<string>): Promise<string> {
  const parts: string[] = [];
  for await (const part of body) parts.push(part);
  return parts.join('');
}

function noAnswer(request: string, milliseconds: number): VmgpuError {
  return new VmgpuError('unreachable', `${request}: no answer within ${milliseconds / 1000} s`, {
    details: { request, retryable: true },
  });
}

/** What the caller has to hear of a request that its signal stopped. */
function stopReason(error: unknown, request: string, signal: AbortSignal): unknown {
  if (!signal.aborted) return error;
  if (isVmgpuError(signal.reason)) return signal.reason;
  return new VmgpuError('aborted', `${request} was aborted`, { cause: signal.reason });
}

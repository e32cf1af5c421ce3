import type { VmgpuError } from '@vmgpu/core';
import { fingerprintMismatch } from './axios-pin.ts';
import { httpError, repeatOf } from './errors.ts';
import type { HttpRequest } from './port.ts';

interface Failure {
  readonly why: string;
  readonly retryable: boolean;
  /** It never reached the server. */
  readonly unsent?: boolean;
  readonly hint?: string;
}

const certificateHint =
  'give the authority as tls.ca, or the fingerprint of exactly this certificate as tls.fingerprint';
const badCertificate = (why: string): Failure => ({
  why,
  retryable: false,
  unsent: true,
  hint: certificateHint,
});
const notReached = (why: string): Failure => ({ why, retryable: true, unsent: true });
const broken: Failure = { why: 'the connection broke before the answer was complete', retryable: true };

/** Error codes of Node's sockets, TLS and HTTP parser. */
const failures: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: notReached('nothing accepts connections at this address'),
  EHOSTUNREACH: notReached('there is no way to this host'),
  ENETUNREACH: notReached('there is no way to this network'),
  EAI_AGAIN: notReached('the name server does not answer'),
  ENOTFOUND: { why: 'the host name is not known', retryable: false, unsent: true },
  ECONNRESET: broken,
  EPIPE: broken,
  ETIMEDOUT: { why: 'the connection timed out', retryable: true },
  ERR_BAD_RESPONSE: broken,
  ECONNABORTED: broken,
  DEPTH_ZERO_SELF_SIGNED_CERT: badCertificate('the certificate is self-signed'),
  SELF_SIGNED_CERT_IN_CHAIN: badCertificate('the certificate is signed by an authority that is not trusted'),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: badCertificate('the authority of the certificate is not known'),
  UNABLE_TO_GET_ISSUER_CERT: badCertificate('the authority of the certificate is not known'),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: badCertificate('the authority of the certificate is not known'),
  CERT_HAS_EXPIRED: badCertificate('the certificate has expired'),
  CERT_NOT_YET_VALID: badCertificate('the certificate is not valid yet; are the clocks right?'),
  ERR_TLS_CERT_ALTNAME_INVALID: badCertificate('the certificate belongs to another host name'),
  EPROTO: {
    why: 'the server does not speak TLS here, or none that both sides know',
    retryable: false,
    unsent: true,
    hint: 'check http:// against https://, and the port',
  },
};

/** The typed error of a request that got no answer. Never carries axios's own error: that one holds the credentials. */
export function describeFailure(request: HttpRequest, error: unknown, limit: number): VmgpuError {
  const { code = '', message = '', syscall, found, expected } = innermost(error);
  if (/maxContentLength/.test(message)) {
    return httpError(
      'refused',
      request,
      `the answer is larger than ${limit} bytes`,
      {},
      {
        hint: 'ask for less, or raise maxResponseBytes',
      },
    );
  }
  if (code === fingerprintMismatch) {
    const why = 'the server shows another certificate than the one that was pinned';
    const facts = { found: String(found), expected: String(expected) };
    const hint = 'somebody may stand between; compare with the fingerprint on the server itself';
    return httpError('unreachable', request, why, { sent: false }, { ...facts, hint });
  }
  const { why, retryable, unsent, hint } = failures[code] ?? unknownFailure(code, message);
  const neverSent = unsent || syscall === 'connect' || /before secure TLS connection/.test(message);
  return httpError(
    'unreachable',
    request,
    `${why}${code && ` (${code})`}`,
    {
      retryable: retryable && (neverSent || repeatOf(request) === 'always'),
      ...(neverSent ? { sent: false } : {}),
    },
    { hint },
  );
}

function unknownFailure(code: string, message: string): Failure {
  if (code.startsWith('HPE_')) return { why: 'the answer is not HTTP', retryable: false };
  if (code.startsWith('Z_')) return { why: 'the compressed answer is damaged', retryable: true };
  if (code.startsWith('ERR_SSL_')) return failures.EPROTO ?? broken;
  if (/socket hang up|aborted/.test(message)) return broken;
  return { why: 'the request failed', retryable: false };
}

interface SystemError {
  readonly code?: string;
  readonly message?: string;
  readonly syscall?: string;
  readonly found?: unknown;
  readonly expected?: unknown;
}

/** axios wraps Node's error, and Node wraps one for each address of a name. */
function innermost(error: unknown): SystemError {
  let current = error as SystemError & { cause?: unknown; errors?: readonly unknown[] };
  for (let depth = 0; depth < 4; depth += 1) {
    const next = current?.cause ?? current?.errors?.[0];
    if (typeof next !== 'object' || next === null) break;
    current = next;
  }
  return current ?? {};
}

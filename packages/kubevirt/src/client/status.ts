import { isVmgpuError, VmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import { isObject, type Json, listAt, textAt } from '../translate/manifest.ts';

/** One reason of a refusal, as the API server or a webhook names it. */
export interface RefusalCause {
  readonly reason?: string;
  readonly message: string;
  /** Path into the object: `spec.template.spec.domain.devices.gpus`. */
  readonly field?: string;
}

/** What an API error carries in `details`. */
export interface KubeErrorDetails {
  readonly request: string;
  readonly status?: number;
  /** `metav1.StatusReason`: `Conflict`, `Expired`, `AlreadyExists`. */
  readonly reason?: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly refusedUnprocessed?: true;
  readonly causes?: readonly RefusalCause[];
  /** 404 of the whole kind: its CRD is not installed. */
  readonly kindAbsent?: true;
}

/** What the client remembers that decides how an answer is to be read. */
export interface StatusContext {
  /** `GET /api/v1/nodes`, without the query. */
  readonly request: string;
  /** The connection broke a moment ago: a server that starts refuses everybody until its role caches are filled. */
  readonly afterLoss: boolean;
  readonly retryAfterMs?: number;
}

interface Reading {
  readonly code: VmgpuErrorCode;
  readonly retryable?: boolean;
  readonly hint?: string;
}

const again: Reading = { code: 'unreachable', retryable: true };

/**
 * Texts that decide where status and reason do not, in order; each with who says it. Case matters: these are programs'
 * words.
 */
const texts: readonly (readonly [RegExp, Reading])[] = [
  // apiserver, admission/plugin/webhook: the webhook's service does not answer (virt-api restarts).
  [/failed calling webhook/, { ...again, hint: 'is virt-api running?' }],
  // apiserver, admission webhook dispatcher; 400, 403 or 422 as the webhook likes.
  [/^admission webhook "[^"]+" denied the request/, { code: 'refused' }],
  // apiserver, ValidatingAdmissionPolicy and Pod Security admission.
  [/violates PodSecurity|ValidatingAdmissionPolicy '[^']+'.* denied request/, { code: 'refused' }],
  // apiserver, server-side apply of a field that the schema does not have (500).
  [/failed to create typed patch object/, { code: 'refused' }],
  // apiserver, ResourceQuota admission (403).
  [/exceeded quota:/, { code: 'capacity', hint: 'ask for a larger ResourceQuota of the namespace' }],
  // etcd through the apiserver (500).
  [/etcdserver: (request timed out|leader changed|no leader)/, again],
  // apiserver, watch cache before etcd 3.4.31 / 3.5.13.
  [/required storage feature RequestWatchProgress is disabled/, again],
  [/Too large resource version/, again],
];

const byReason: Readonly<Record<string, Reading>> = {
  AlreadyExists: { code: 'already-exists' },
  Conflict: { code: 'conflict' },
  Expired: { code: 'conflict', retryable: true },
  Gone: { code: 'conflict', retryable: true },
  Invalid: { code: 'refused' },
  ServerTimeout: again,
  Timeout: again,
  TooManyRequests: again,
};

const byStatus: Readonly<Record<number, Reading>> = {
  400: { code: 'refused' },
  401: { code: 'auth-failed', hint: 'renew the credentials of the kubeconfig' },
  403: { code: 'permission-denied' },
  404: { code: 'not-found' },
  408: again,
  409: { code: 'conflict' },
  410: { code: 'conflict', retryable: true },
  413: { code: 'refused' },
  422: { code: 'refused' },
  429: again,
  500: again,
  502: again,
  503: again,
  504: again,
};

/** The typed error of an answer that is none of 2xx, and of a watch's ERROR event: the one place that reads texts. */
export function statusError(status: number, text: string, context: StatusContext): VmgpuError {
  const body = parseStatus(text);
  const message = textAt(body, 'message') ?? plainText(text);
  const reason = textAt(body, 'reason');
  const reading: Reading =
    texts.find(([pattern]) => pattern.test(message))?.[1] ??
    (reason === undefined ? undefined : byReason[reason]) ??
    byStatus[status] ??
    (status >= 500 ? again : { code: 'refused' });
  const startsUp = reading.code === 'permission-denied' && context.afterLoss;
  const retryAfterMs = context.retryAfterMs ?? retryAfterOf(body);
  const causes = causesOf(body);
  const details: KubeErrorDetails = {
    request: context.request,
    status,
    retryable: startsUp || (reading.retryable ?? false),
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(status === 429 ? { refusedUnprocessed: true } : {}),
    ...(causes.length > 0 ? { causes } : {}),
    ...(status === 404 && isKindAbsent(body) ? { kindAbsent: true } : {}),
  };
  return new VmgpuError(reading.code, `${context.request}: ${status}${message && ` ${message}`}`, {
    ...(reading.hint === undefined ? {} : { hint: reading.hint }),
    ...(causes[0]?.field === undefined ? {} : { where: { path: causes[0].field } }),
    details: { ...details },
  });
}

/** True for both forms of "too old": a list's 410 and a watch's ERROR event. */
export function isExpired(error: unknown): boolean {
  return isVmgpuError(error) && (error.details?.status === 410 || error.details?.reason === 'Expired');
}

/** The object has changed between our reading and our writing, or came into being: read again. */
export function isWriteConflict(error: unknown): boolean {
  return (
    isVmgpuError(error) && (error.details?.reason === 'Conflict' || error.details?.reason === 'AlreadyExists')
  );
}

export function isNotFound(error: unknown): boolean {
  return isVmgpuError(error) && error.code === 'not-found';
}

function parseStatus(text: string): Json | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return isObject(body) && body.kind === 'Status' ? body : undefined;
  } catch {
    return undefined;
  }
}

const longestText = 500;

/** Proxies answer with pages and one-liners. */
function plainText(text: string): string {
  if (/^\s*</.test(text)) return '';
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > longestText ? `${line.slice(0, longestText)}…` : line;
}

function retryAfterOf(body: Json | undefined): number | undefined {
  const seconds = isObject(body?.details) ? body.details.retryAfterSeconds : undefined;
  return typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined;
}

function causesOf(body: Json | undefined): readonly RefusalCause[] {
  return listAt(body, 'details', 'causes').flatMap(({ reason, message, field }) =>
    typeof message === 'string'
      ? [
          {
            message,
            ...(typeof reason === 'string' ? { reason } : {}),
            ...(typeof field === 'string' ? { field } : {}),
          },
        ]
      : [],
  );
}

/** `404 page not found` in plain text, or a Status that names no object. */
function isKindAbsent(body: Json | undefined): boolean {
  return textAt(body, 'details', 'name') === undefined;
}

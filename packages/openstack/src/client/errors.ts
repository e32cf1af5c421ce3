/** What the error answers of all services mean: the one place that knows their forms. */
import { isVmgpuError, VmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import type { ErrorReading, HttpResponse } from '@vmgpu/http';
import { type Diagnosis, diagnose, type FaultInput, type FaultStage } from '../translate/diagnose.ts';

/**
 * Forms: Keystone `{error: {message}}`; Nova `{badRequest: {message}}` and its likes; Placement `{errors: [{detail, code}]}`;
 * Glance `{message, title}`, or HTML; Neutron `{NeutronError: {message}}`; Cyborg `{error_message}`, itself JSON at times;
 * proxies: HTML. Source: the services' fault wrappers, Zed to Hibiscus.
 */
export function readOsError(response: HttpResponse): ErrorReading {
  const { status } = response;
  const { message, kind } = errorText(response);
  const details = kind === undefined ? {} : { details: { kind } };
  if (status === 401 && response.headers['openstack-auth-receipt'] !== undefined) {
    return {
      code: 'auth-failed',
      message: 'a second factor is needed',
      hint: 'give login.totp, or use an application credential',
    };
  }
  if (status === 403 && /^(Quota exceeded|.* is over a limit)/i.test(message)) {
    return { code: 'capacity', message, hint: quotaHint, details: { kind: 'quota' } };
  }
  if (status === 413) return { code: 'capacity', message, hint: quotaHint, details: { kind: 'quota' } };
  if (status === 403) {
    const right = rightsNamed.map((pattern) => pattern.exec(message)?.[1]).find((name) => name !== undefined);
    const hint = 'the role of the login does not allow this call';
    if (/do not own this image/.test(message)) return { message, hint: imageHint, ...details };
    if (right === undefined) return { message, hint, ...details };
    return {
      message,
      hint: `${hint}: it needs ${right} in the service's policy`,
      details: { ...details.details, right },
    };
  }
  if (status === 409 && /already exists/i.test(message))
    return { code: 'already-exists', message, ...details };
  if (status === 401) return { message, hint: 'check user, domain, project and secret', ...details };
  return { message, ...details };
}

/** How Nova and Placement, Keystone, Neutron and Glance name the rule that refused. */
const rightsNamed: readonly RegExp[] = [
  /Policy does(?:n't| not) allow (\S+) to be performed/,
  /requested action: ([\w:]+)/,
  /rule:(\S+?)\)? is disallowed by policy/,
  /not authorized to complete (\w+_\w+) action/,
];

// Glance 25, glance/policy.py, check_is_admin.
const imageHint =
  "log in to the project that owns the image, or with a role that Glance's rule context_is_admin names";
const quotaHint = 'free something of the project, or have its limit raised';
const longestText = 600;

function errorText({ headers, text }: HttpResponse): { message: string; kind?: string } {
  const type = headers['content-type'] ?? '';
  if (/html/i.test(type) || /^\s*<(!doctype|html)/i.test(text)) return { message: oneLine(fromHtml(text)) };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { message: oneLine(text) };
  }
  const { errors, error_message, message } = (body ?? {}) as Record<string, unknown>;
  if (Array.isArray(errors)) {
    const [first] = errors as { detail?: string; title?: string; code?: string }[];
    const detail = first?.detail ?? first?.title ?? '';
    return { message: oneLine(detail), ...(first?.code === undefined ? {} : { kind: first.code }) };
  }
  if (typeof error_message === 'string') return { message: oneLine(faultString(error_message)) };
  if (typeof message === 'string') return { message: oneLine(fromHtml(message)) };
  for (const value of Object.values((body ?? {}) as Record<string, unknown>)) {
    const inner = value as { message?: unknown; type?: unknown } | null;
    if (typeof inner?.message !== 'string') continue;
    const kind = typeof inner.type === 'string' ? inner.type : undefined;
    return { message: oneLine(inner.message), ...(kind === undefined ? {} : { kind }) };
  }
  return { message: '' };
}

function faultString(text: string): string {
  try {
    return String((JSON.parse(text) as { faultstring?: unknown }).faultstring ?? text);
  } catch {
    return text;
  }
}

/** The sentence in webob's error page: what stands between the heading and the end. */
function fromHtml(text: string): string {
  return text
    .slice(0, 20_000)
    .replace(/<title>[^<]*<\/title>/i, '')
    .replace(/<[^>]{0,500}>/g, ' ');
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > longestText ? `${line.slice(0, longestText)}…` : line;
}

const codes: Readonly<Partial<Record<FaultStage, VmgpuErrorCode>>> = {
  quota: 'capacity',
  placement: 'capacity',
  prefilter: 'capacity',
  filters: 'capacity',
  compute: 'capacity',
  host: 'host-not-ready',
  guest: 'host-not-ready',
};

/** The error of a server that was not made, with its cause and remedy as far as they can be told. */
export function faultError(what: string, input: FaultInput, more: { cause?: unknown } = {}): VmgpuError {
  const diagnosis = diagnose(input);
  const { stage, evidence, causes, remedies } = diagnosis;
  const said = oneLine(input.fault?.message ?? evidence).replace(/\.$/, '');
  const likely = causes.length === 0 ? '' : `. Likely cause: ${causes.slice(0, 2).join('; or ')}`;
  return new VmgpuError(codeOf(diagnosis), `${what}: ${said || 'no reason was given'}${likely}`, {
    ...(remedies.length > 0 ? { hint: remedies.join('; ') } : {}),
    ...more,
    details: { stage, evidence: oneLine(evidence), causes, remedies, retryable: false },
  });
}

function codeOf({ stage, evidence }: Diagnosis): VmgpuErrorCode {
  if (/mdev-capable resource|vGPU resource/.test(evidence)) return 'host-not-ready';
  return codes[stage] ?? 'refused';
}

/** Nova's refusal of `POST /servers` or an action, with what is known about such refusals of a flavor with these extra specs. */
export function explainRefusal(
  what: string,
  error: unknown,
  release: string,
  extraSpecs: Readonly<Record<string, string>> = {},
): unknown {
  if (!isVmgpuError(error)) return error;
  const status = error.details?.status;
  if (typeof status !== 'number' || ![400, 403, 409, 500].includes(status)) return error;
  const text = error.message.slice(error.message.indexOf(`${status}`) + String(status).length).trim();
  const input = { status, body: text, release, extraSpecs };
  if (diagnose(input).stage === 'unknown') return error;
  const told = faultError(what, input, { cause: error });
  return new VmgpuError(status === 403 && told.code === 'refused' ? error.code : told.code, told.message, {
    ...(told.hint === undefined ? {} : { hint: told.hint }),
    cause: error,
    details: { ...error.details, ...told.details },
  });
}

export function hasCode(error: unknown, ...wanted: readonly VmgpuErrorCode[]): boolean {
  return isVmgpuError(error) && wanted.includes(error.code);
}

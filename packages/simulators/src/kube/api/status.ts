import type { Dict } from '../types.ts';

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

/** A refusal by the API server. `body` is the `Status` object it answers with. */
export class ApiFailure extends Error {
  readonly code: number;
  readonly body: Dict;
  readonly retryAfter: number | undefined;

  constructor(code: number, reason: string, message: string, details?: Dict, metadata: Dict = {}) {
    super(message);
    this.code = code;
    this.body = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata,
      status: 'Failure',
      message,
      ...(reason && { reason }),
      ...(details && { details }),
      code,
    };
    this.retryAfter = details?.retryAfterSeconds;
  }
}

/** What a Status says it is about: group, plural and name. */
export interface Target {
  readonly group: string;
  readonly plural: string;
  readonly kind?: string;
  readonly name?: string | undefined;
}

const qualified = ({ group, plural }: Target) => (group ? `${plural}.${group}` : plural);

const about = (target: Target, kind = target.plural): Dict => ({
  ...(target.name && { name: target.name }),
  ...(target.group && { group: target.group }),
  kind,
});

export const badRequest = (message: string) => new ApiFailure(400, 'BadRequest', message);

export const unauthorized = () => new ApiFailure(401, 'Unauthorized', 'Unauthorized');

export const notFound = (target: Target) =>
  new ApiFailure(404, 'NotFound', `${qualified(target)} "${target.name}" not found`, about(target));

/** A path that leads nowhere. */
export const noSuchPath = () =>
  new ApiFailure(404, 'NotFound', 'the server could not find the requested resource', {});

export const alreadyExists = (target: Target) =>
  new ApiFailure(409, 'AlreadyExists', `${qualified(target)} "${target.name}" already exists`, about(target));

export const conflict = (target: Target, why = modified) =>
  new ApiFailure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(target)} "${target.name}": ${why}`,
    about(target),
  );

const modified =
  'the object has been modified; please apply your changes to the latest version and try again';

export function invalid(target: Target, causes: readonly StatusCause[]): ApiFailure {
  const texts = causes.map(({ field, message }) => (field ? `${field}: ${message}` : message));
  const joined = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const kind = target.kind ?? target.plural;
  const title = target.group ? `${kind}.${target.group}` : kind;
  return new ApiFailure(422, 'Invalid', `${title} "${target.name ?? ''}" is invalid: ${joined}`, {
    ...about(target, kind),
    causes,
  });
}

/** `nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope` */
export function forbidden(
  user: string,
  verb: string,
  target: Target,
  namespace: string | undefined,
  subresource: string | undefined,
): ApiFailure {
  const name = target.name ? ` "${target.name}"` : '';
  const resource = subresource ? `${target.plural}/${subresource}` : target.plural;
  const scope = namespace ? `in the namespace "${namespace}"` : 'at the cluster scope';
  return new ApiFailure(
    403,
    'Forbidden',
    `${qualified(target)}${name} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "${target.group}" ${scope}`,
    about(target),
  );
}

/** An admission webhook's refusal. Causes make it 422 Invalid (kubevirt v1.9.0); without any it is 400. */
export function denied(webhook: string, causes: readonly StatusCause[], message?: string): ApiFailure {
  const text =
    message ??
    causes
      .slice(0, 10)
      .map((cause) => cause.message)
      .join(', ');
  const full = `admission webhook "${webhook}" denied the request: ${text}`;
  return causes.length === 0
    ? new ApiFailure(400, '', full)
    : new ApiFailure(422, 'Invalid', full, { causes });
}

export const tooOldWatch = (from: number, oldest: number) =>
  new ApiFailure(410, 'Expired', `too old resource version: ${from} (${oldest})`);

export const tooOldList = () =>
  new ApiFailure(410, 'Expired', 'The resourceVersion for the provided list is too old.');

export const expiredContinue = (fresh: string) =>
  new ApiFailure(
    410,
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    undefined,
    { continue: fresh },
  );

export const tooLarge = (wanted: number, current: number) =>
  new ApiFailure(504, 'Timeout', `Timeout: Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });

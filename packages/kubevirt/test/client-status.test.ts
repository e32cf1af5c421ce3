import { describe, expect, it } from 'vitest';
import { isExpired, isWriteConflict, statusError } from '../src/client/status.ts';

const context = { request: 'POST /x', afterLoss: false };
const status = (code: number, reason: string, message: string, details?: unknown) =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code, details });

/** Answers as real servers gave them, and what they mean. */
const answers: readonly (readonly [name: string, code: number, body: string, expected: object])[] = [
  [
    'a role that is missing',
    403,
    status(
      403,
      'Forbidden',
      'nodes is forbidden: User "gpu-sdk" cannot list resource "nodes" in API group ""',
    ),
    { code: 'permission-denied', details: { retryable: false } },
  ],
  [
    'a webhook that refuses with 403',
    403,
    status(403, 'Forbidden', 'admission webhook "x.kubevirt.io" denied the request: no'),
    { code: 'refused', details: { retryable: false } },
  ],
  [
    'a quota',
    403,
    status(
      403,
      'Forbidden',
      'pods "p" is forbidden: exceeded quota: q, requested: requests.nvidia.com/A10=1',
    ),
    { code: 'capacity' },
  ],
  [
    'a webhook that refuses with causes',
    422,
    status(422, 'Invalid', 'admission webhook "virtualmachine-validator.kubevirt.io" denied the request: x', {
      causes: [
        { reason: 'FieldValueInvalid', message: 'x', field: 'spec.template.spec.domain.devices.gpus' },
      ],
    }),
    {
      code: 'refused',
      where: { path: 'spec.template.spec.domain.devices.gpus' },
      details: {
        causes: [
          { message: 'x', reason: 'FieldValueInvalid', field: 'spec.template.spec.domain.devices.gpus' },
        ],
      },
    },
  ],
  [
    'a webhook that does not answer',
    500,
    status(500, 'InternalError', 'failed calling webhook "x": connection refused'),
    { code: 'unreachable', details: { retryable: true } },
  ],
  [
    'a field that does not exist',
    400,
    status(400, 'BadRequest', 'strict decoding error: unknown field "spec.gpus"'),
    { code: 'refused' },
  ],
  [
    'somebody was quicker',
    409,
    status(409, 'Conflict', 'the object has been modified'),
    { code: 'conflict' },
  ],
  ['a name that is taken', 409, status(409, 'AlreadyExists', 'already exists'), { code: 'already-exists' }],
  [
    'a list that is too old',
    410,
    status(410, 'Expired', 'too old'),
    { code: 'conflict', details: { retryable: true } },
  ],
  [
    'too many requests',
    429,
    status(429, 'TooManyRequests', 'wait', { retryAfterSeconds: 2 }),
    { code: 'unreachable', details: { retryable: true, retryAfterMs: 2000, refusedUnprocessed: true } },
  ],
  [
    'an object that is not there',
    404,
    status(404, 'NotFound', 'nodes "x" not found', { name: 'x', kind: 'nodes' }),
    { code: 'not-found', details: { retryable: false } },
  ],
  [
    'a kind that is not there',
    404,
    '404 page not found\n',
    { code: 'not-found', details: { kindAbsent: true } },
  ],
  ['a token that is old', 401, status(401, 'Unauthorized', 'Unauthorized'), { code: 'auth-failed' }],
  [
    "a proxy's page",
    502,
    '<html><body>Bad Gateway</body></html>',
    { code: 'unreachable', message: 'POST /x: 502' },
  ],
  [
    'a version of the future',
    504,
    status(504, 'Timeout', 'Timeout: Too large resource version: 514, current: 394'),
    { code: 'unreachable', details: { retryable: true } },
  ],
  ['a status nobody knows', 418, '', { code: 'refused', details: { retryable: false } }],
];

describe('answers that are errors', () => {
  it.each(answers)('%s', (_name, code, body, expected) => {
    expect(statusError(code, body, context)).toMatchObject(expected);
  });

  it('a 403 right after a lost connection may pass', () => {
    const error = statusError(403, status(403, 'Forbidden', 'forbidden'), { ...context, afterLoss: true });
    expect(error).toMatchObject({ code: 'permission-denied', details: { retryable: true } });
  });

  it('tells conflicts of writing and both forms of too old', () => {
    expect(isWriteConflict(statusError(409, status(409, 'Conflict', ''), context))).toBe(true);
    expect(isWriteConflict(statusError(409, status(409, 'AlreadyExists', ''), context))).toBe(true);
    expect(isExpired(statusError(410, '', context))).toBe(true);
    expect(isExpired(statusError(500, status(410, 'Expired', 'too old resource version'), context))).toBe(
      true,
    );
    expect(isExpired(statusError(409, status(409, 'Conflict', ''), context))).toBe(false);
  });

  it('gives nothing of a hostile body but a short line', () => {
    const { message } = statusError(500, `a\u0000${'x'.repeat(100_000)}`, context);
    expect(message.length).toBeLessThan(600);
  });
});

import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { User } from '../scenario.ts';
import type { Loop } from '../store/clock.ts';
import { ApiFailure, unauthorized } from './status.ts';

/** Who asks. */
export interface Identity {
  readonly name: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

const anonymous: Identity = { name: 'system:anonymous', groups: ['system:unauthenticated'], extra: {} };

export type Authenticate = (request: IncomingMessage) => Identity;

/** Bearer token, else client certificate, else anonymous. A token that is not known or too old is 401. */
export function createAuthenticate(
  users: readonly User[],
  loop: Loop,
  expired: ReadonlySet<string>,
): Authenticate {
  const identityOf = (name: string, groups: readonly string[]): Identity => ({
    name,
    groups: [...groups, 'system:authenticated'],
    extra: {},
  });
  return (request) => {
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token !== undefined) {
      const user = users.find((one) => one.token === token);
      const tooOld = user?.tokenExpiresAt !== undefined && loop.now() >= user.tokenExpiresAt;
      if (user === undefined || tooOld || expired.has(token)) throw unauthorized();
      return identityOf(user.name, user.groups ?? []);
    }
    const socket = request.socket as TLSSocket;
    const subject = socket.authorized ? socket.getPeerCertificate().subject : undefined;
    if (!subject?.CN) return anonymous;
    const groups = subject.O as unknown as string | string[] | undefined;
    return identityOf(String(subject.CN), [groups ?? []].flat());
  };
}

/** The user that `Impersonate-*` headers name; undefined when there are none. */
export function impersonated({ headers }: IncomingMessage): Identity | undefined {
  const name = headers['impersonate-user'];
  if (typeof name !== 'string') return undefined;
  const groups = String(headers['impersonate-group'] ?? '')
    .split(',')
    .map((group) => group.trim())
    .filter(Boolean);
  const extra: Record<string, string[]> = {};
  for (const [key, value] of Object.entries(headers)) {
    const match = /^impersonate-extra-(.+)$/.exec(key);
    if (match !== null) extra[decodeURIComponent(match[1] as string)] = [value ?? []].flat();
  }
  return { name, groups: [...groups, 'system:authenticated'], extra };
}

export const impersonationRefused = (user: string, name: string) =>
  new ApiFailure(
    403,
    'Forbidden',
    `users "${name}" is forbidden: User "${user}" cannot impersonate resource "users" in API group "" at the cluster scope`,
    { name, kind: 'users' },
  );

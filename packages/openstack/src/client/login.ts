import { badInput, type Secret } from '@vmgpu/core';

/** A name needs its domain; an id does not. */
export interface NamedOrId {
  readonly id?: string;
  readonly name?: string;
  readonly domain?: { readonly id?: string; readonly name?: string };
}

/** What a token is good for. */
export type LoginScope =
  | { readonly project: NamedOrId }
  | { readonly domain: { readonly id?: string; readonly name?: string } }
  | { readonly system: 'all' };

/** Who logs in. */
export type OpenStackLogin =
  | {
      readonly type: 'password';
      readonly user: NamedOrId;
      readonly password: Secret;
      readonly scope?: LoginScope;
      /** The current code of the second factor. */
      readonly totp?: () => string | Promise<string>;
    }
  /** Bound to one project by itself; it takes no scope. With a name the user is needed. */
  | {
      readonly type: 'application-credential';
      readonly id?: string;
      readonly name?: string;
      readonly user?: NamedOrId;
      readonly secret: Secret;
    }
  /** A token that another service or a federated login gave. */
  | { readonly type: 'token'; readonly token: Secret; readonly scope?: LoginScope };

/** Throws `bad-input` for a login that Keystone could not understand. */
export function checkLogin(login: OpenStackLogin): void {
  const refuse = (path: string, expected: string) => {
    throw badInput('the login is not complete', { where: { path }, expected });
  };
  if (login.type === 'password') {
    if (!identified(login.user)) refuse('login.user', 'an id, or a name and its domain');
    if (login.scope && 'project' in login.scope && !identified(login.scope.project)) {
      refuse('login.scope.project', 'an id, or a name and its domain');
    }
  }
  if (login.type === 'application-credential' && login.id === undefined) {
    if (login.name === undefined || !identified(login.user)) {
      refuse('login.id', 'an id, or a name and its user (by id, or name and domain)');
    }
  }
}

function identified(thing: NamedOrId | undefined): boolean {
  if (thing?.id !== undefined) return true;
  return thing?.name !== undefined && (thing.domain?.id ?? thing.domain?.name) !== undefined;
}

/**
 * The body of `POST /v3/auth/tokens`. Secrets stay `Secret`s: they are revealed on the wire only. Source: Keystone 22, Identity
 * API v3, "Password authentication", "Authenticating with an Application Credential", "Token authentication".
 */
export async function loginBody(login: OpenStackLogin): Promise<unknown> {
  switch (login.type) {
    case 'password': {
      const user = idOrName(login.user);
      const code = await login.totp?.();
      return {
        auth: {
          identity: {
            methods: ['password', ...(code === undefined ? [] : ['totp'])],
            password: { user: { ...user, password: login.password } },
            ...(code === undefined ? {} : { totp: { user: { ...user, passcode: code } } }),
          },
          ...scoped(login.scope),
        },
      };
    }
    case 'application-credential': {
      const { id, name, user, secret } = login;
      const who = id === undefined ? { name, user: idOrName(user ?? {}) } : { id };
      return {
        auth: {
          identity: {
            methods: ['application_credential'],
            application_credential: { ...who, secret },
          },
        },
      };
    }
    case 'token':
      return {
        auth: { identity: { methods: ['token'], token: { id: login.token } }, ...scoped(login.scope) },
      };
  }
}

function scoped(scope: LoginScope | undefined) {
  if (scope === undefined) return {};
  if ('project' in scope) return { scope: { project: idOrName(scope.project) } };
  return 'domain' in scope ? { scope: { domain: scope.domain } } : { scope: { system: { all: true } } };
}

/** An id is complete; Keystone refuses some forms that say both. */
function idOrName({ id, name, domain }: NamedOrId): Record<string, unknown> {
  return id === undefined ? { name, ...(domain ? { domain } : {}) } : { id };
}

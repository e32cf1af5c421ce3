import { Refusal, refuse } from './failure.ts';
import { impliedRoles } from './policy.ts';
import type { Role, UserScenario } from './scenario.ts';
import { type CloudState, type TokenRecord, timeText, uuidOf } from './state.ts';
import { serviceNames } from './versions.ts';

const unauthorized = 'The request you have made requires authentication.';

interface Named {
  readonly id?: string;
  readonly name?: string;
  readonly domain?: { readonly id?: string; readonly name?: string };
}

interface AuthBody {
  readonly auth?: {
    readonly identity?: {
      readonly methods?: readonly string[];
      readonly password?: { readonly user?: Named & { readonly password?: string } };
      readonly totp?: { readonly user?: Named & { readonly passcode?: string } };
      readonly application_credential?: Named & { readonly secret?: string; readonly user?: Named };
      readonly token?: { readonly id?: string };
    };
    readonly scope?: {
      readonly project?: Named;
      readonly system?: { readonly all?: boolean };
      readonly domain?: unknown;
    };
  };
}

/** Who logs in, to what, by what. */
interface Proof {
  readonly user: UserScenario;
  /** Bound by the way of logging in; undefined: as the scope says. */
  readonly bound?: { readonly project: string; readonly roles: readonly Role[] };
}

export interface LoginContext {
  readonly state: CloudState;
  readonly now: number;
  readonly tokenMs: number;
  readonly newToken: () => string;
  readonly origin: string;
}

/** `POST /v3/auth/tokens`. Source: Keystone 22, Identity API v3, "Authentication and token management". */
export function logIn(context: LoginContext, body: unknown) {
  const { state, now, tokenMs } = context;
  const { auth } = (body ?? {}) as AuthBody;
  const methods = auth?.identity?.methods;
  if (!auth?.identity || !Array.isArray(methods) || methods.length === 0) {
    throw refuse(400, "'auth' is a required property");
  }
  const proof = prove(state, auth, methods, now);
  const scope = scopeOf(state, proof, auth);
  const id = context.newToken();
  const expires = now + tokenMs;
  const token: TokenRecord = {
    user: proof.user.id,
    userName: proof.user.name,
    project: scope.project,
    system: scope.system,
    roles: scope.roles,
    expires,
  };
  state.tokens[id] = token;
  const named = state.scenario.projects.find((one) => one.id === scope.project);
  return {
    status: 201,
    headers: { 'x-subject-token': id },
    body: {
      token: {
        methods,
        user: {
          domain: { id: 'default', name: 'Default' },
          id: proof.user.id,
          name: proof.user.name,
          password_expires_at: null,
        },
        audit_ids: [uuidOf(id).slice(0, 22)],
        expires_at: timeText(expires).replace('Z', '.000000Z'),
        issued_at: timeText(now).replace('Z', '.000000Z'),
        ...(named
          ? { project: { domain: { id: 'default', name: 'Default' }, id: named.id, name: named.name } }
          : {}),
        ...(scope.system ? { system: { all: true } } : {}),
        ...(named || scope.system
          ? {
              is_domain: false,
              roles: impliedRoles(scope.roles).map((name) => ({
                id: uuidOf(`role ${name}`).replaceAll('-', ''),
                name,
              })),
              catalog: catalogOf(context, scope.project),
            }
          : {}),
      },
    },
  };
}

function prove(
  state: CloudState,
  auth: NonNullable<AuthBody['auth']>,
  methods: readonly string[],
  now: number,
): Proof {
  const { users } = state.scenario;
  const identity = auth.identity ?? {};
  const find = (wanted: Named | undefined) =>
    users.find(({ id, name }) => (wanted?.id === undefined ? named(wanted, name) : id === wanted.id));
  if (methods.includes('application_credential')) {
    const wanted = identity.application_credential;
    if (auth.scope) throw refuse(401, unauthorized);
    for (const user of wanted?.id === undefined ? [find(wanted?.user)].flatMap((one) => one ?? []) : users) {
      const found = user.applicationCredentials?.find(({ id, name }) =>
        wanted?.id === undefined ? name === wanted?.name : id === wanted.id,
      );
      if (found && found.secret === wanted?.secret) return { user, bound: found };
    }
    throw refuse(401, unauthorized);
  }
  if (methods.includes('token')) {
    const old = state.tokens[identity.token?.id ?? ''];
    if (!old || old.expires <= now) throw refuse(401, unauthorized);
    const user = users.find(({ id }) => id === old.user);
    if (!user) throw refuse(401, unauthorized);
    return auth.scope || old.project === null
      ? { user }
      : { user, bound: { project: old.project, roles: old.roles } };
  }
  if (!methods.includes('password')) throw refuse(401, unauthorized);
  const wanted = identity.password?.user;
  const user = find(wanted);
  if (!user || user.password !== wanted?.password) throw refuse(401, unauthorized);
  if (user.totp === undefined) return { user };
  if (!methods.includes('totp')) {
    throw new Refusal(401, 'Additional authentications steps required.', undefined, {
      'openstack-auth-receipt': uuidOf(`receipt ${user.id}`),
    });
  }
  if (identity.totp?.user?.passcode !== user.totp) throw refuse(401, unauthorized);
  return { user };
}

/** A name counts only within its domain; there is one. */
function named(wanted: Named | undefined, name: string): boolean {
  return wanted?.name === name && (wanted.domain?.id === 'default' || wanted.domain?.name === 'Default');
}

function scopeOf(state: CloudState, { user, bound }: Proof, { scope }: NonNullable<AuthBody['auth']>) {
  if (bound) return { project: bound.project, system: false, roles: bound.roles };
  if (!scope) return { project: null, system: false, roles: [] };
  if (scope.system) {
    if (!user.systemRoles?.length) throw refuse(401, unauthorized);
    return { project: null, system: true, roles: user.systemRoles };
  }
  const wanted = scope.project;
  const found = state.scenario.projects.find(({ id, name }) =>
    wanted?.id === undefined ? named(wanted, name) : id === wanted.id,
  );
  const roles = found && user.roles[found.id];
  if (!roles) throw refuse(401, unauthorized);
  return { project: found.id, system: false, roles };
}

const types = {
  identity: ['keystone', 'identity', ''],
  compute: ['nova', 'compute', '/v2.1'],
  placement: ['placement', 'placement', ''],
  image: ['glance', 'image', ''],
  network: ['neutron', 'network', ''],
  volume: ['cinderv3', 'volumev3', '/v3/PROJECT'],
} as const;

function catalogOf({ state, origin }: LoginContext, project: string | null) {
  return serviceNames.map((service) => {
    const [name, type, suffix] = types[service];
    const url = `${origin}/${service}${suffix.replace('PROJECT', project ?? '')}`;
    return {
      id: uuidOf(`service ${service}`).replaceAll('-', ''),
      name,
      type,
      endpoints: ['public', 'internal', 'admin'].map((face) => ({
        id: uuidOf(`endpoint ${service} ${face}`).replaceAll('-', ''),
        interface: face,
        region: state.scenario.region,
        region_id: state.scenario.region,
        url,
      })),
    };
  });
}

/** The token of a request, or 401. */
export function tokenOf(state: CloudState, id: unknown, now: number): TokenRecord {
  const token = typeof id === 'string' ? state.tokens[id] : undefined;
  if (!token || token.expires <= now) throw refuse(401, unauthorized);
  return token;
}

import { badInput, type Clock, isVmgpuError, Secret, VmgpuError } from '@vmgpu/core';
import { fixedCredential, type HttpAuth, type HttpCredential, type HttpPort } from '@vmgpu/http';

/** An API token: `user` with its realm, the token's name, and its secret. */
export interface TokenLogin {
  /** `vmgpu@pve` */
  readonly user: string;
  readonly name: string;
  readonly secret: Secret;
}

/** A user's password. The only way to what root@pam alone may do. */
export interface PasswordLogin {
  /** `root@pam` */
  readonly user: string;
  readonly secret: Secret;
  /** Asked for the current code of the second factor, when the server wants one. */
  readonly totp?: () => string | Promise<string>;
}

/** Who logs in: exactly one of the two. */
export type ProxmoxLogin =
  | { readonly token: TokenLogin; readonly password?: undefined }
  | { readonly password: PasswordLogin; readonly token?: undefined };

/** The authenticated id: for tokens `user@realm!name`, which is never equal to the user's own. */
export function callerOf(login: ProxmoxLogin): string {
  return login.token ? `${login.token.user}!${login.token.name}` : login.password.user;
}

/** Throws `bad-input` for logins that cannot be. */
export function createAuth(login: ProxmoxLogin, clock: Clock): HttpAuth {
  const { token, password } = login;
  if ((token === undefined) === (password === undefined)) {
    throw badInput('one login is needed', { where: { path: 'auth' }, expected: 'either token or password' });
  }
  checkUser(token?.user ?? password?.user ?? '', token ? 'auth.token.user' : 'auth.password.user');
  if (token) return tokenAuth(token);
  return ticketAuth(password as PasswordLogin, clock);
}

function checkUser(user: string, path: string): void {
  if (/^[^\s:/!]+@[A-Za-z][A-Za-z0-9.\-_]+$/.test(user)) return;
  throw badInput('not a user of Proxmox VE', {
    where: { path },
    found: user,
    expected: 'a name and its realm, such as root@pam or vmgpu@pve',
  });
}

/** `Authorization: PVEAPIToken=USER@REALM!NAME=SECRET`; no CSRF header. Source: pve-http-server 6.0.5. */
function tokenAuth({ user, name, secret }: TokenLogin): HttpAuth {
  if (!/^[A-Za-z][A-Za-z0-9._-]+$/.test(name)) {
    throw badInput('not the name of an API token', {
      where: { path: 'auth.token.name' },
      found: name,
      expected: 'a letter, then letters, digits, dots, dashes or underscores',
      hint: 'of user@realm!name it is the last part alone',
    });
  }
  // The server percent-decodes the value.
  const id = encodeURIComponent(`${user}!${name}`).replaceAll('%40', '@').replaceAll('%21', '!');
  const value = `PVEAPIToken=${id}=${encodeURIComponent(secret.reveal())}`;
  return fixedCredential({ authorization: new Secret(value) });
}

/** A ticket lives two hours; it is renewed well before. */
const renewAfterMs = 90 * 60_000;
const livesMs = 120 * 60_000;

interface Ticket {
  readonly ticket?: string;
  readonly CSRFPreventionToken?: string;
  readonly username?: string;
  readonly NeedTFA?: number;
}

/**
 * Tickets: got by password (and a TOTP code in a second call, when the answer says `NeedTFA`), renewed by the same call with
 * the old ticket as password. Source: pve-access-control 9.1.1, `PVE::API2::AccessControl`.
 */
function ticketAuth({ user, secret, totp }: PasswordLogin, clock: Clock): HttpAuth {
  let last: { readonly ticket: Secret; readonly at: number } | undefined;

  async function ask(http: HttpPort, password: Secret, challenge?: Secret): Promise<Ticket> {
    const response = await http.request({
      method: 'POST',
      url: '/access/ticket',
      form: { username: user, password, 'tfa-challenge': challenge },
      // Asking twice does no harm: a ticket is signed, not stored.
      repeat: 'always',
    });
    return response.json<{ data: Ticket }>().data ?? {};
  }

  async function logIn(http: HttpPort): Promise<Ticket> {
    const first = await ask(http, secret);
    if (!first.NeedTFA) return first;
    if (!totp) {
      throw new VmgpuError('auth-failed', `${user} needs a second factor`, {
        hint: 'give auth.password.totp, or use an API token',
      });
    }
    const code = (await totp()).trim();
    return ask(http, new Secret(`totp:${code}`), new Secret(first.ticket ?? ''));
  }

  async function renew(http: HttpPort): Promise<Ticket | undefined> {
    if (!last || clock.now() - last.at >= livesMs) return undefined;
    const { ticket } = last;
    last = undefined;
    try {
      return await ask(http, ticket);
    } catch (error) {
      // The ticket is no longer good (the cluster's key was changed): the password still may be.
      if (isVmgpuError(error) && error.code === 'auth-failed') return undefined;
      throw error;
    }
  }

  return {
    async authenticate({ http }): Promise<HttpCredential> {
      const { ticket, CSRFPreventionToken } = (await renew(http)) ?? (await logIn(http));
      if (ticket === undefined || CSRFPreventionToken === undefined) {
        throw new VmgpuError('auth-failed', `the log-in of ${user} was not completed`, {
          expected: 'a ticket and a CSRF prevention token',
        });
      }
      last = { ticket: new Secret(ticket), at: clock.now() };
      return {
        headers: {
          cookie: new Secret(`PVEAuthCookie=${encodeURIComponent(ticket)}`),
          // Needed by every method but GET, and ignored there.
          csrfpreventiontoken: new Secret(CSRFPreventionToken),
        },
        expiresAt: clock.now() + renewAfterMs,
      };
    },
  };
}

import {
  createOpenStackSim,
  type OpenStackSim,
  type OpenStackSimOptions,
  project,
} from '../src/openstack/index.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by the tests
  readonly body: any;
}

export interface CallOptions {
  readonly json?: unknown;
  /** Microversion. */
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the one that `logIn` got last. */
  readonly token?: string | null;
}

export interface Bench {
  readonly sim: OpenStackSim;
  /** `GET /compute/v2.1/servers/detail` */
  call(what: string, options?: CallOptions): Promise<Answer>;
  logIn(name?: string): Promise<string>;
  /** Lets this many milliseconds of the cloud's time pass. */
  pass(milliseconds: number): void;
}

export async function startBench(options: OpenStackSimOptions = {}): Promise<Bench> {
  let now = Date.UTC(2026, 0, 1);
  let last = '';
  const sim = await createOpenStackSim({ now: () => now, ...options });
  const call = async (what: string, { json, version, headers = {}, token = last }: CallOptions = {}) => {
    const [method = 'GET', path = '/'] = what.split(' ');
    const service = path.split('/')[1];
    const response = await fetch(`${sim.url}${path}`, {
      method,
      headers: {
        accept: 'application/json',
        ...(token ? { 'x-auth-token': token } : {}),
        ...(version === undefined ? {} : { 'openstack-api-version': `${service} ${version}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: typeof json === 'string' ? json : JSON.stringify(json) }),
    });
    const text = await response.text();
    const { status } = response;
    return {
      status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? JSON.parse(text) : undefined,
    };
  };
  return {
    sim,
    call,
    async logIn(name = 'admin') {
      const answer = await call('POST /identity/v3/auth/tokens', {
        token: null,
        json: passwordBody(name, `${name}-password`),
      });
      last = answer.headers.get('x-subject-token') ?? '';
      return last;
    },
    pass(milliseconds) {
      now += milliseconds;
    },
  };
}

export function passwordBody(name: string, password: string) {
  return {
    auth: {
      identity: {
        methods: ['password'],
        password: { user: { name, domain: { id: 'default' }, password } },
      },
      scope: { project: { id: project } },
    },
  };
}

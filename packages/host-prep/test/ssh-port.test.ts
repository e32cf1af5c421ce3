import { Secret } from '@vmgpu/core';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLocalPort } from '../src/local/index.ts';
import { createSshPort, fingerprintOf, parseSshTarget, type SshOptions } from '../src/ssh/index.ts';
import {
  knownHostsLine,
  loginPassword,
  newKey,
  type SshHost,
  serverKeyText,
  startSshHost,
  userKey,
} from './ssh-host.ts';

// A real SSH protocol on a loopback port, and a real sh behind it.

const open: { close(): Promise<void> }[] = [];
let host: SshHost;
beforeEach(async () => {
  host = await startSshHost();
  open.push(host);
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

function portTo(options: Partial<SshOptions> = {}, to: SshHost = host) {
  const trust = options.fingerprint
    ? {}
    : { knownHosts: { text: knownHostsLine(to.port), file: 'known_hosts' } };
  const port = createSshPort({
    host: '127.0.0.1',
    port: to.port,
    keys: [{ text: new Secret(userKey.private) }],
    ...trust,
    ...options,
  });
  open.push(port);
  return port;
}
const error = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it should have been refused'),
    (reason) => reason,
  );

describe('a program on the host', () => {
  it('gets its arguments and input as they are, and tells status and both streams', async () => {
    const port = portTo();
    const script = 'printf "%s|" "$@"; cat; echo warned >&2; exit 7';
    const result = await port.run(['sh', '-c', script, 'sh', "a'b", '$(id)', ''], { input: 'in ü\n' });
    expect(result).toEqual({ status: 7, stdout: "a'b|$(id)||in ü\n", stderr: 'warned\n' });
  });

  it.each(['ssh', 'local'])(
    'reads every argument unchanged over %s, whatever its characters',
    async (kind) => {
      const port = kind === 'ssh' ? portTo() : createLocalPort();
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.string({
              unit: fc.constantFrom(...'\'"\\$`;&|<>(){}*?[]!#~= \t\n-%aü'.split('')),
              maxLength: 12,
            }),
            { maxLength: 4 },
          ),
          async (words) => {
            const { stdout } = await port.run(['sh', '-c', 'printf "%s\\0" "$@"', 'sh', ...words]);
            expect(stdout.split('\0').slice(0, -1)).toEqual(words.length === 0 ? [''] : words);
          },
        ),
        { numRuns: 25 },
      );
    },
  );

  it('tells its lines as they come, and ends at the time limit or when asked', async () => {
    for (const port of [portTo(), createLocalPort()]) {
      const lines: string[] = [];
      const stop = new AbortController();
      const running = port.run(['sh', '-c', 'echo one >&2; sleep 60'], {
        onLine: (line) => {
          lines.push(line);
          stop.abort(new Error('enough'));
        },
        signal: stop.signal,
      });
      expect((await error(running)).message).toBe('enough');
      expect(lines).toEqual(['one']);
      expect(await error(port.run(['sleep', '60'], { timeoutMs: 200 }))).toMatchObject({ code: 'timeout' });
      expect((await port.run(['echo', 'still here'])).stdout).toBe('still here\n');
    }
  });

  it('uses one connection for all, and a new one when that has gone', async () => {
    const port = portTo();
    await Promise.all([port.run(['true']), port.run(['true'])]);
    expect(host.connections()).toBe(1);
    host.drop();
    expect((await port.run(['echo', 'again'])).stdout).toBe('again\n');
    expect(host.connections()).toBe(2);
  });

  it('says that the line broke when it breaks meanwhile', async () => {
    const running = portTo().run(['sh', '-c', 'echo at work >&2; sleep 60'], { onLine: () => host.drop() });
    expect(await error(running)).toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('broke while a program ran'),
    });
  });
});

describe('the host key', () => {
  it('is checked against the fingerprint', async () => {
    const right = fingerprintOf(serverKeyText);
    expect((await portTo({ fingerprint: right }).run(['true'])).status).toBe(0);
    const wrong = fingerprintOf(newKey().public.split(' ')[1] ?? '');
    const refused = await error(portTo({ fingerprint: wrong }).run(['true']));
    expect(refused).toMatchObject({ code: 'auth-failed', found: right, expected: wrong });
    expect(host.commands).toEqual(['true']);
  });

  it.each([
    ['not known', '', 'is not known'],
    ['changed', 'other', 'has changed'],
    ['revoked', 'revoked', 'is revoked'],
    ['behind an authority', 'authority', 'is not known'],
  ])('is refused when it is %s', async (_name, kind, message) => {
    const line = knownHostsLine(host.port, kind === 'other' ? newKey().public : undefined);
    const texts: Record<string, string> = {
      other: line,
      revoked: `@revoked ${line}`,
      authority: `@cert-authority ${line}`,
    };
    const refused = await error(
      portTo({ knownHosts: { text: texts[kind] ?? '', file: '/home/me/known_hosts' } }).run(['true']),
    );
    expect(refused).toMatchObject({ code: 'auth-failed', found: fingerprintOf(serverKeyText) });
    expect(refused.message).toContain(message);
    if (kind === 'authority') expect(refused.hint).toContain('certificate authority');
    expect(host.commands, 'nothing was run').toEqual([]);
  });

  it('must be named: there is no way without', async () => {
    const port = createSshPort({ host: '127.0.0.1', port: host.port });
    expect(await error(port.run(['true']))).toMatchObject({ code: 'bad-input' });
  });

  it('of a jump host is checked as well', async () => {
    const jump = await startSshHost();
    open.push(jump);
    const through = {
      host: '127.0.0.1',
      port: jump.port,
      keys: [{ text: new Secret(userKey.private) }],
      knownHosts: { text: knownHostsLine(jump.port), file: 'known_hosts' },
    };
    expect((await portTo({ jump: through }).run(['echo', 'through'])).stdout).toBe('through\n');
    const unknown = { ...through, knownHosts: { text: '', file: 'known_hosts' } };
    expect(await error(portTo({ jump: unknown }).run(['true']))).toMatchObject({ code: 'auth-failed' });
  });
});

describe('who logs in', () => {
  it('may have a password, which stands in no error', async () => {
    const password = (text: string) => portTo({ keys: [], password: new Secret(text) });
    expect((await password(loginPassword).run(['true'])).status).toBe(0);
    const refused = await error(password('wrong secret').run(['true']));
    expect(refused).toMatchObject({ code: 'auth-failed' });
    expect(JSON.stringify(refused) + refused.message).not.toContain('wrong secret');
  });

  it('is told when the key cannot be read, or nobody listens', async () => {
    const broken = portTo({ keys: [{ text: new Secret('-----BEGIN OPENSSH PRIVATE KEY-----\nxx') }] });
    expect(await error(broken.run(['true']))).toMatchObject({ code: 'bad-input' });
    expect(await error(portTo({ port: 1 }).run(['true']))).toMatchObject({ code: 'unreachable' });
  });
});

describe('becoming root', () => {
  const withSudo = async (sudoPassword?: string) => {
    const other = await startSshHost(sudoPassword === undefined ? {} : { sudoPassword });
    open.push(other);
    return other;
  };
  it('takes one round trip where sudo asks for nothing', async () => {
    const port = portTo({ user: 'admin' });
    expect((await port.run(['cat'], { input: 'text' })).stdout).toBe('text');
    expect(host.commands).toEqual(['sudo -n -- cat']);
  });

  it('gives the password only to sudo, and only when it asks', async () => {
    const asking = await withSudo('sudo secret');
    for (const to of [asking, host]) {
      const port = portTo({ user: 'admin', become: { password: new Secret('sudo secret') } }, to);
      const heard: string[] = [];
      const result = await port.run(['sh', '-c', 'cat; echo done >&2'], {
        input: 'text\n',
        onLine: (line) => heard.push(line),
      });
      expect(result).toEqual({ status: 0, stdout: 'text\n', stderr: 'done\n' });
      expect(heard).toEqual(['done']);
      expect(to.commands.join()).not.toContain('sudo secret');
    }
  });

  it('says when the password is wrong or missing', async () => {
    const asking = await withSudo('sudo secret');
    const wrong = portTo({ user: 'admin', become: { password: new Secret('nonsense') } }, asking);
    expect(await error(wrong.run(['true']))).toMatchObject({ code: 'auth-failed' });
    const none = await error(portTo({ user: 'admin' }, asking).run(['true']));
    expect(none).toMatchObject({ code: 'permission-denied', found: 'sudo: a password is required' });
  });
});

describe('addresses', () => {
  it('are read', () => {
    expect(parseSshTarget('me@gpu01:2222')).toEqual({ user: 'me', host: 'gpu01', port: 2222 });
    expect(parseSshTarget('[fe80::1]:22')).toEqual({ host: 'fe80::1', port: 22 });
    for (const bad of ['', '-oProxyCommand=x', 'a b', 'gpu:0', 'gpu:99999', 'x@', 'fe80::1'])
      expect(() => parseSshTarget(bad), bad).toThrow(/not the address/);
  });
});

import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { badInput, formatWhere, isVmgpuError, redact, Secret, VmgpuError } from '../src/index.ts';

const canary = 'hunter2-c4n4ry';
const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl';
const fernet = `gAAAAABk${'x'.repeat(60)}`;
const uuid = '7f0b3c1e-1111-2222-3333-444455556666';

describe('redact, in texts', () => {
  it.each([
    ['Proxmox API token', `Authorization: PVEAPIToken=root@pam!ci=${uuid}`, uuid],
    ['Proxmox API token without its header', `token root@pam!ci=${uuid} refused`, uuid],
    ['Proxmox ticket', `PVE:root@pam:65F2C1B0::c2lnbmF0dXJlc2lnbmF0dXJl==`, 'c2lnbmF0'],
    ['Proxmox ticket in a cookie', 'Cookie: PVEAuthCookie=PVE%3Aroot%40pam%3A65F2%3A%3Ac2lnbmF0', 'c2lnbmF0'],
    ['Proxmox CSRF token', `CSRFPreventionToken: 65F2C1B0:${canary}`, canary],
    ['bearer token', `Bearer ${canary}`, canary],
    ['basic credentials', `authorization: Basic ${btoa(`admin:${canary}`)}`, btoa(`admin:${canary}`)],
    ['cookie', `Set-Cookie: session=${canary}; Path=/`, canary],
    ['URL with password', `https://admin:${canary}@pve.example/api2`, canary],
    ['URL without user', `https://:${canary}@pve.example/`, canary],
    ['query parameter', `GET /console?token=${canary}&x=1`, canary],
    ['JSON web token', `kubeconfig user ${jwt}`, jwt.slice(-8)],
    ['Fernet token', `X-Subject ${fernet}`, fernet],
    [
      'private key',
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${canary}\n-----END OPENSSH PRIVATE KEY-----`,
      canary,
    ],
    ['private key that is cut off', `-----BEGIN PRIVATE KEY-----\n${canary}`, canary],
    ['Keystone header', `X-Auth-Token: ${canary}`, canary],
    ['environment variable', `OS_PASSWORD=${canary} openstack server list`, canary],
    ['form field', `username=root&password=${canary}&realm=pam`, canary],
    ['YAML key', `cipassword: ${canary}`, canary],
    ['configuration key', `admin_password = ${canary}`, canary],
    ['application credential', `"application_credential_secret": "${canary}"`, canary],
    ['JSON', `{"password":"${canary}"}`, canary],
    ['JSON, several words', `{"password": "first ${canary}", "a": 1}`, canary],
    ['JSON, escaped quote', `{"password": "a\\"${canary}", "a": 1}`, canary],
    ['JSON inside JSON', JSON.stringify(JSON.stringify({ password: canary })), canary],
    ['quoted, several words', `adminPass='first ${canary}'`, canary],
    ['quoted, cut off', `adminPass="${canary}`, canary],
    ['kubeconfig', `client-key-data: ${canary}`, canary],
  ])('%s', (_, text, secret) => {
    expect(text).toContain(secret);
    const clean = redact(text);
    expect(clean).not.toContain(secret);
    expect(clean).toContain('[secret]');
    expect(redact(clean)).toBe(clean);
  });

  it.each([
    'spec.gpus[0].profile: expected a string, found 64',
    'unexpected token } in JSON at position 3',
    'nvidia-smi: GPU 00000000:65:00.0, UUID GPU-7f0b3c1e-1111-2222-3333-444455556666',
    'device_spec = {"vendor_id": "10de", "product_id": "2236"}',
    'hostpci0: 0000:65:00,pcie=1,x-vga=1',
    'https://pve.example:8006/api2/json/nodes',
    'root@pve:~# lspci -nnk',
    'passwordless sudo is not set up',
  ])('leaves alone: %s', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('takes long hostile texts in linear time', () => {
    const units = [
      'password',
      'a-',
      'a.',
      'a@a!',
      'PVE:',
      'eyJ-',
      'eyJaaaaaaaa.',
      '\\',
      '\\"',
      "'",
      'https://',
      'a://:',
      ' ',
    ];
    for (const unit of units) {
      for (const start of ['', 'password=', 'password=\\"', "password='", 'password="', 'Cookie:']) {
        redact(start + unit.repeat(30_000));
      }
    }
    redact('password=\\"password="\\'.repeat(10_000));
  });
});

describe('redact, in values', () => {
  it('blanks secret names at every depth and keeps the rest', () => {
    const value = {
      auth: { Password: canary, clientSecret: canary, OS_PASSWORD: canary, otp: 123456 },
      headers: { Authorization: canary, 'set-cookie': [`a=${canary}`], 'X-Auth-Token': canary },
      list: [{ apiKey: canary }, `password=${canary}`],
      token: { user: { name: 'admin', password: canary } },
      userData: `#cloud-config\nruncmd: [${canary}]`,
      name: 'train-1',
      count: 2,
      none: null,
      setPassword: true,
    };
    const clean = redact(value);
    expect(JSON.stringify(clean)).not.toContain(canary);
    expect(clean).toMatchObject({
      auth: { otp: '[secret]' },
      headers: { 'set-cookie': ['[secret]'] },
      token: { user: { name: 'admin' } },
      name: 'train-1',
      count: 2,
      none: null,
      setPassword: true,
    });
    expect(value.auth.Password).toBe(canary);
  });

  it('survives cycles and shows a value twice when it stands in two places', () => {
    const shared = { password: canary, host: 'pve1' };
    const value: Record<string, unknown> = { a: shared, b: shared };
    value.self = value;
    expect(redact(value)).toEqual({
      a: { password: '[secret]', host: 'pve1' },
      b: { password: '[secret]', host: 'pve1' },
      self: '[circular]',
    });
  });
});

describe('Secret', () => {
  it('prints as a placeholder everywhere but in reveal()', () => {
    const secret = new Secret(canary);
    const printed = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ a: [secret] }),
    ];
    for (const text of printed) {
      expect(text).toContain('[secret]');
      expect(text).not.toContain(canary);
    }
    expect(redact({ a: secret })).toEqual({ a: '[secret]' });
    expect(secret.reveal()).toBe(canary);
  });
});

describe('VmgpuError', () => {
  const leaky = () => {
    const cause = Object.assign(new Error(`login failed, password=${canary}`), { config: { auth: canary } });
    return new VmgpuError('auth-failed', `POST https://root:${canary}@pve.example/ failed`, {
      where: { file: 'vm.yaml', line: 3, column: 5, path: 'spec' },
      found: `password="${canary}"`,
      expected: `password=${canary}`,
      hint: `retry with Bearer ${canary}`,
      details: { headers: { Authorization: canary }, nested: [{ token: new Secret(canary) }] },
      cause,
    });
  };

  it('holds no secret, however it is printed', () => {
    const error = leaky();
    const printed = [
      error.message,
      String(error),
      error.stack ?? '',
      JSON.stringify(error),
      JSON.stringify(error.toJSON()),
      inspect(error, { depth: 10, showHidden: true }),
      inspect(error.cause, { depth: 10, showHidden: true }),
      (error.cause as Error).stack ?? '',
      error.found ?? '',
      error.expected ?? '',
      error.hint ?? '',
    ];
    for (const text of printed) expect(text).not.toContain(canary);
    expect((error.cause as Error).message).toContain('login failed');
  });

  it('redacts before it shortens, so that no half of a secret is left', () => {
    const long = `${'x'.repeat(90)} ${jwt}`;
    expect(badInput('bad', { found: long }).message).not.toContain('eyJ');
    expect(badInput('bad', { found: long }).found).not.toContain('eyJ');
  });

  it('says where, what was found and what was expected, without control characters', () => {
    const error = badInput('not a PCI id', {
      where: { file: 'vm.yaml', line: 3, column: 5, path: 'spec.gpus[0]' },
      found: '\u001b[2J10de',
      expected: 'vendor:device',
    });
    expect(error.message).toBe(
      'vm.yaml:3:5: spec.gpus[0]: not a PCI id (found "\\u001b[2J10de", expected vendor:device)',
    );
    expect(error.code).toBe('bad-input');
    expect(error.toJSON()).toMatchObject({ code: 'bad-input', expected: 'vendor:device' });
    expect(badInput('x', { found: 'y'.repeat(1000) }).message.length).toBeLessThan(200);
  });

  it('is recognised across copies of the package, and nothing else is', () => {
    expect(isVmgpuError(leaky())).toBe(true);
    expect(isVmgpuError({ [Symbol.for('vmgpu.error')]: true })).toBe(true);
    for (const other of [new Error('x'), null, undefined, 'x', {}]) expect(isVmgpuError(other)).toBe(false);
  });

  it('keeps a cause of its own kind as it is', () => {
    const inner = badInput('inner');
    expect(new VmgpuError('apply-failed', 'outer', { cause: inner }).cause).toBe(inner);
    expect('cause' in badInput('alone')).toBe(false);
  });
});

describe('formatWhere', () => {
  it.each([
    [{}, ''],
    [{ file: 'a.yaml' }, 'a.yaml'],
    [{ file: 'a.yaml', line: 2 }, 'a.yaml:2'],
    [{ file: 'a.yaml', column: 7 }, 'a.yaml'],
    [{ path: 'spec' }, 'spec'],
    [{ file: 'a.yaml', line: 2, column: 7, path: 'spec' }, 'a.yaml:2:7: spec'],
  ])('%j', (where, text) => {
    expect(formatWhere(where)).toBe(text);
  });
});

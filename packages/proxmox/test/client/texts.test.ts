import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyText, readPveError, taskError } from '../../src/client/errors.ts';
import { at } from '../../src/client/port.ts';
import { startTimeoutMs } from '../../src/client/start-timeout.ts';
import { parseUpid, printUpid, tryParseUpid } from '../../src/client/upid.ts';

/** Texts as Proxmox VE gives them, and what they mean. */
type Row = readonly [text: string, kind: string, code: string, hint?: RegExp];
const table: readonly Row[] = [
  [
    "only root can set 'hostpci0' config for non-mapped devices",
    'needs-root-ticket',
    'permission-denied',
    /hostpci0/,
  ],
  ["only root can set 'args' config", 'needs-root-ticket', 'permission-denied', /args/],
  ["hostpci0: only root@pam can set 'romfile' option", 'needs-root-ticket', 'permission-denied', /romfile/],
  [
    'Permission check failed (/vms/100, VM.Allocate)',
    'missing-privilege',
    'permission-denied',
    /VM\.Allocate on \/vms\/100/,
  ],
  [
    "URI '/access/ticket' not available with API token, need proper ticket.",
    'token-refused',
    'permission-denied',
  ],
  ['authentication failure', 'auth', 'auth-failed'],
  ['No ticket', 'auth', 'auth-failed'],
  ['checksum mismatch (file change by other user?)', 'digest-conflict', 'conflict'],
  [
    'update hardware mapping failed: detected modified configuration - file changed by other user? Try again.',
    'digest-conflict',
    'conflict',
  ],
  ["mapping 'x' not found", 'not-found', 'not-found'],
  ["Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist", 'not-found', 'not-found'],
  ["unable to create VM 100 - VM 100 already exists on node 'pve1'", 'exists', 'already-exists'],
  ["create hardware mapping failed: pci ID 'x' already defined", 'exists', 'already-exists'],
  ['VM is locked (backup)', 'locked', 'conflict', /backup/],
  ["PCI device '0000:26:00.0' already in use by VMID '100'", 'device-busy', 'capacity', /VM 100/],
  [
    "PCI device '0000:26:00.0' is currently reserved for use by VMID '101'",
    'device-busy',
    'capacity',
    /VM 101/,
  ],
  ["could not find a free device for 'hostpci2'", 'pool-exhausted', 'capacity'],
  ["pci device '0000:42:00.0' has no available instances of 'nvidia-222'", 'pool-exhausted', 'capacity'],
  [
    "PCI device mapping invalid (hardware probably changed): pci device '0000:27:00.0' not found",
    'mapping-stale',
    'host-not-ready',
  ],
  ["PCI device mapping not found for 'x'", 'mapping-missing', 'not-found'],
  ['cannot prepare PCI pass-through, IOMMU not present', 'host-not-ready', 'host-not-ready'],
  ['Cannot bind 0000:26:00.0 to vfio', 'host-not-ready', 'host-not-ready'],
  ["can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", 'lock-timeout', 'conflict'],
  ['VM 100 already running', 'already-running', 'conflict'],
  ['unexpected status', 'interrupted', 'unreachable'],
  ["Cannot set both 'host' and 'mapping'.", 'other', 'refused'],
  [
    'q35 machine model is not enabled at /usr/share/perl5/PVE/QemuServer/PCI.pm line 500.',
    'other',
    'refused',
  ],
];

describe('sentences of Proxmox VE', () => {
  for (const [text, kind, code, hint] of table)
    it(`${text}: ${kind}`, () => {
      const verdict = classifyText(text);
      expect([verdict.kind, verdict.code]).toEqual([kind, code]);
      if (hint) expect(verdict.hint).toMatch(hint);
      expect(verdict.hint ?? '').not.toMatch(/\$\d|undefined/);
    });

  it('never takes long, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(typeof classifyText(text.repeat(50)).code).toBe('string');
      }),
    );
  });

  const answer = (status: number, body: unknown, statusText = '') => ({
    status,
    statusText,
    headers: {},
    url: 'https://pve1:8006/api2/json/x',
    text: typeof body === 'string' ? body : JSON.stringify(body),
    json: <T>() => body as T,
  });

  it('stand in the JSON body, or before 8.3 in the reason phrase alone', () => {
    const text = 'VM is locked (backup)';
    for (const response of [
      answer(500, { data: null, message: `${text}\n` }),
      answer(500, { data: null }, text),
      answer(500, '', text),
    ]) {
      const reading = readPveError(response);
      expect([reading.code, reading.details]).toEqual(['conflict', { kind: 'locked' }]);
      expect(reading.message).toContain(text);
    }
  });

  it('name the parameter of a 400', () => {
    const reading = readPveError(
      answer(400, {
        data: null,
        message: 'Parameter verification failed.\n',
        errors: {
          hostpci0: "invalid format - format error\nhostpci0.pcie: type check ('boolean') failed - got '2'\n",
        },
      }),
    );
    expect(reading.code).toBe('refused');
    expect(reading.message).toMatch(/^Parameter verification failed: hostpci0: .*got '2'$/);
  });

  it.each([595, 596, 599])('status %i is a node that cannot be reached, and passes', (status) => {
    expect(readPveError(answer(status, ''))).toMatchObject({ code: 'unreachable', retryable: true });
  });

  it('a 403 stays a refusal whatever it mentions, a 401 a log-in that failed', () => {
    expect(readPveError(answer(403, { message: 'user does not exist' })).code).toBe('permission-denied');
    expect(readPveError(answer(401, { message: 'no such user' })).code).toBe('auth-failed');
  });

  it('of QEMU stand in the log alone', () => {
    const error = taskError(
      'Unable to start VM train-1 (100)',
      'start failed: QEMU exited with code 1',
      [
        'generating',
        'kvm: -device vfio-pci: vfio 0000:26:00.0: error getting device from group 15: No such device',
        '',
      ],
      { upid: 'UPID:x' },
    );
    expect(error.code).toBe('host-not-ready');
    expect(error.message).toMatch(/Unable to start VM train-1 \(100\): start failed: .*error getting device/);
    expect(error.details?.log).toHaveLength(2);
  });
});

describe('ids of tasks', () => {
  const hex = fc.integer({ min: 0, max: 0xffff_ffff });
  const word = fc.stringMatching(/^[a-z][a-z0-9]{0,12}$/);
  const upids = fc.record({
    node: word,
    pid: hex,
    processStart: fc.integer({ min: 0, max: 0xf_ffff_ffff }),
    startTime: hex,
    type: word,
    id: fc.oneof(fc.constant(''), fc.integer({ min: 100, max: 999_999_999 }).map(String)),
    user: fc.oneof(
      word.map((name) => `${name}@pam`),
      word.map((name) => `root@pam!${name}`),
    ),
  });

  it('come back as they were printed', () => {
    fc.assert(
      fc.property(upids, (upid) => {
        expect(parseUpid(printUpid(upid))).toEqual(upid);
      }),
    );
  });

  it('are told from other texts', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(tryParseUpid(`${text}:`)).toBeUndefined();
      }),
    );
    expect(() => parseUpid('UPID:pve1')).toThrow(/not the id of a task/);
  });
});

describe('paths and limits', () => {
  it('keep every inserted value in its place', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (text) => {
        const path = at`/nodes/${text}/qemu`;
        expect(path.split('/').length).toBe(4);
        expect(decodeURIComponent(path.split('/')[2] ?? '')).toBe(text);
      }),
    );
  });

  it.each([
    [{}, 30],
    [{ memory: '8192', hostpci0: 'mapping=x' }, 120],
    [{ memory: '131072', hostpci0: 'mapping=x', net0: 'virtio' }, 517],
    [{ memory: '4096', hugepages: '2' }, 150],
    [{ net0: 'virtio', net1: 'virtio' }, 40],
  ])('a VM with %o may take %i s to start', (options, seconds) => {
    expect(startTimeoutMs(options)).toBe(seconds * 1000);
  });
});

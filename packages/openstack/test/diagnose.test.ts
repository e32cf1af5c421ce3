import { describe, expect, it } from 'vitest';
import { diagnose, type FaultInput } from '../src/translate/diagnose.ts';

const none = 'No valid host was found. ';
const exhausted =
  'Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance 831854d3.';

/** Source: nova/api/openstack/wsgi.py, expected_errors. */
const unexpected = (name: string) => ({
  computeFault: {
    code: 500,
    message: `Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class '${name}'>`,
  },
});
const asking = (extraSpecs: Readonly<Record<string, string>>, input: FaultInput) =>
  diagnose({ ...input, extraSpecs }).causes[0];

describe('diagnose', () => {
  it.each<[string, FaultInput, string]>([
    [
      'an alias nobody defines',
      { status: 400, body: { badRequest: { code: 400, message: 'PCI alias nope is not defined' } } },
      'api',
    ],
    [
      'a wrong alias line',
      {
        status: 400,
        body: {
          badRequest: { message: "Invalid PCI alias definition: Device type mismatch for alias 'a10'" },
        },
      },
      'api',
    ],
    [
      'a malformed extra spec',
      {
        status: 400,
        body: { badRequest: { message: "Validation failed; 'nope' is not of the format '[^:]+'" } },
      },
      'flavor',
    ],
    [
      'flavor against image',
      {
        status: 403,
        body: {
          forbidden: { message: "Image property 'hw_pci_numa_affinity_policy' is not permitted to override" },
        },
      },
      'api',
    ],
    ['a quota', { status: 403, body: { forbidden: { message: 'Quota exceeded for instances' } } }, 'quota'],
    ['a fault of nova-api itself', { status: 500, body: unexpected('TypeError') }, 'api'],
    ['Placement without candidates', { fault: { code: 500, message: none } }, 'placement'],
    [
      'a filter that rejects all',
      { fault: { code: 500, message: `${none}There are not enough hosts available.` } },
      'filters',
    ],
    [
      'a request filter',
      { fault: { code: 500, message: `${none}A host aggregate is required` } },
      'prefilter',
    ],
    ['failing builds', { fault: { code: 500, message: exhausted } }, 'compute'],
    [
      'a lost claim behind them',
      {
        fault: { code: 500, message: exhausted },
        events: [
          {
            event: 'compute__do_build_and_run_instance',
            result: 'Error',
            details: 'Insufficient compute resources: Claim pci failed.',
          },
        ],
      },
      'compute',
    ],
    [
      'an unviable group behind them',
      {
        fault: {
          message: exhausted,
          details: 'Traceback\nlibvirt.libvirtError: vfio 0000:41:00.0: group 17 is not viable',
        },
      },
      'host',
    ],
    [
      'a live migration',
      {
        status: 400,
        body: {
          badRequest: { message: 'This request does not explicitly request live-migratable devices.' },
        },
      },
      'migration',
    ],
    [
      'a translated text',
      { fault: { code: 500, message: 'Kein gültiger Host.' }, server: { host: null, launched_at: null } },
      'placement',
    ],
    ['nothing known', { fault: { message: 'boom' }, server: { host: 'h' } }, 'unknown'],
  ])('recognises %s', (_, input, stage) => {
    const found = diagnose(input);
    expect(found.stage).toBe(stage);
    expect(found.remedies.length).toBeGreaterThan(0);
  });

  it('takes the deepest cause, and an older release’s limits', () => {
    const claim = diagnose({
      fault: { message: exhausted },
      events: [{ result: 'Error', details: 'Claim pci failed.' }],
    });
    expect(claim.causes[0]).toContain('took the device');
    const old = diagnose({
      status: 400,
      body: 'does not explicitly request live-migratable devices',
      release: 'zed',
    });
    expect(old.remedies[0]).toContain('31.0.0');
  });
});

describe('HTTP 500', () => {
  const failed = { status: 500, body: unexpected('ValueError') };

  it.each(['a10', 'a10:1,', 'a10:1:2', 'a10:x', 'a10:', ''])('names the malformed alias "%s"', (alias) => {
    expect(asking({ 'pci_passthrough:alias': alias }, failed)).toContain('alias is malformed');
  });

  it.each(['a10:1', 'a10:1,t4:2', 'a10: 1 , t4:1'])('does not blame the alias "%s"', (alias) => {
    expect(asking({ 'pci_passthrough:alias': alias }, failed)).toContain('failed by itself');
  });

  it('does not blame a malformed alias for another error, nor without one', () => {
    const other = { status: 500, body: unexpected('sqlalchemy.exc.OperationalError') };
    expect(asking({ 'pci_passthrough:alias': 'a10' }, other)).toContain('failed by itself');
    expect(asking({ 'hw:cpu_policy': 'shared' }, failed)).toContain('failed by itself');
    expect(diagnose(failed).causes[0]).toContain('failed by itself');
  });

  it('names the message bus', () => {
    const silent = unexpected('oslo_messaging.exceptions.MessagingTimeout');
    expect(asking({ 'pci_passthrough:alias': 'a10' }, { status: 500, body: silent })).toContain(
      'message bus',
    );
  });
});

describe('retries that are used up', () => {
  const input = { fault: { code: 500, message: exhausted } };

  it('are about NUMA where the flavor asks for a topology, with or without a GPU', () => {
    const numa = { 'hw:numa_nodes': '1' };
    expect(asking(numa, input)).toContain('NUMATopologyFilter');
    expect(asking({ 'pci_passthrough:alias': 'a10:1', ...numa }, input)).toContain('NUMATopologyFilter');
    expect(asking({ 'hw:pci_numa_affinity_policy': 'required' }, input)).toContain('NUMATopologyFilter');
  });

  it('are about PCI devices where the flavor asks for some', () => {
    expect(asking({ 'pci_passthrough:alias': 'a10:1' }, input)).toContain('PciPassthroughFilter');
  });

  it('are told in general otherwise, and for keys that only look like it', () => {
    const general = 'every host that was tried';
    expect(asking({ 'resources:VGPU': '1' }, input)).toContain(general);
    expect(asking({ 'hw:numa_nodes_of_theirs': '1' }, input)).toContain(general);
    expect(diagnose(input).causes[0]).toContain(general);
  });

  it('give way to what the host said', () => {
    const details =
      'Requested instance NUMA topology together with requested PCI devices cannot fit the given host NUMA topology';
    const events = [{ result: 'Error', details }];
    expect(diagnose({ ...input, events }).evidence).toBe(details);
    expect(diagnose({ ...input, events: [{ result: 'Success', details }] }).evidence).toBe(exhausted);
  });
});

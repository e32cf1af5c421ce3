import { describe, expect, it } from 'vitest';
import { diagnose, type FaultInput } from '../src/translate/diagnose.ts';

const none = 'No valid host was found. ';
const exhausted =
  'Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance 831854d3.';

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
    [
      'a stored malformed alias',
      { status: 500, body: { computeFault: { message: 'Unexpected API Error.' } } },
      'api',
    ],
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

/** Extra specs that Nova does not show to a login: not the same as a flavor that has none. */
import { describe, expect, it } from 'vitest';
import { getWholeFlavor } from '../src/client/flavors.ts';
import type { OsPort, ServiceRequest } from '../src/client/port.ts';
import { openstackTranslator } from '../src/index.ts';

const flavor = { id: 'f1', name: 'gpu', vcpus: 4, ram: 8192, disk: 40 };

function cloud(answers: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const request = async (_service: string, { path }: ServiceRequest) => {
    asked.push(path);
    const answer = answers[path];
    if (answer instanceof Error) throw answer;
    return { status: answer === undefined ? 404 : 200, json: () => answer };
  };
  return { asked, os: { request } as unknown as OsPort };
}

describe('a flavor', () => {
  it('that shows them costs one request', async () => {
    const { os, asked } = cloud({ '/flavors/f1': { flavor: { ...flavor, extra_specs: {} } } });
    expect(await getWholeFlavor(os, 'f1', {})).toEqual({ ...flavor, extra_specs: {} });
    expect(asked).toEqual(['/flavors/f1']);
    expect(await getWholeFlavor(os, 'f2', {})).toBeNull();
  });

  it('that hides them is asked for them, and the refusal is not passed over', async () => {
    const path = '/flavors/f1/os-extra_specs';
    const specs = { 'pci_passthrough:alias': 'a10:1' };
    const shown = cloud({ '/flavors/f1': { flavor }, [path]: { extra_specs: specs } });
    expect(await getWholeFlavor(shown.os, 'f1', {})).toEqual({ ...flavor, extra_specs: specs });
    const refused = cloud({ '/flavors/f1': { flavor }, [path]: new Error('Policy does not allow it') });
    await expect(getWholeFlavor(refused.os, 'f1', {})).rejects.toThrow('Policy does not allow it');
  });

  it('that hides them is read as one whose GPUs are not known', () => {
    const server = { id: 's1', name: 'train', status: 'ACTIVE', flavor: { ...flavor, original_name: 'gpu' } };
    const codes = (native: unknown) =>
      openstackTranslator.toIntent(native as never).diagnostics.map(({ code }) => code);
    expect(codes({ server, flavor })).toContain('openstack.extra-specs-hidden');
    expect(codes({ server, flavor: { ...flavor, extra_specs: {} } })).not.toContain(
      'openstack.extra-specs-hidden',
    );
  });
});

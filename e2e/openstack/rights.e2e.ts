/**
 * Least rights on the real services: the life of a server, and of what a platform keeps ready for it, by roles that have exactly the
 * rules that vmgpu states for the scope, and nothing else; then without one of them, and what vmgpu says has to name it. Policies are
 * read anew by the services.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GpuVm, isVmgpuError } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import { type OpenStackGrant, type OpenStackProvider, platformRole, vmRole } from '@vmgpu/openstack';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bringUp,
  configOf,
  gpuHost,
  leftovers,
  openCloud,
  restartNova,
  restoreNova,
  smallVm,
  sql,
  stateDirectory,
  stopAll,
} from './cloud.ts';
import { cleanCloud, rest, testUser } from './rest.ts';

/** Where the services look for their policy; rules of other services are passed over. */
const policies = ['', 'keystone.d', 'placement.d'].map((directory) =>
  join(stateDirectory, 'conf', directory, 'policy.yaml'),
);
const rulesOf = (grants: readonly OpenStackGrant[]) => grants.flatMap(({ rules }) => rules);
const everyRule = [...new Set([...rulesOf(vmRole), ...rulesOf(platformRole)])];

/** Zed's own defaults still let everybody of a project do much: what a role shall not have is said, too. */
function grant(role: string, grants: readonly OpenStackGrant[], denied?: string): void {
  const others = 'role:admin or role:service';
  const has = (rule: string) => rule !== denied && rulesOf(grants).includes(rule);
  const text = everyRule
    .map((rule) => `"${rule}": "${has(rule) ? `role:${role} or ` : ''}${others}"\n`)
    .join('');
  for (const path of policies) writeFileSync(path, text);
}

const fragments = {
  '50-gpu.conf': `[DEFAULT]
allow_resize_to_same_host = true
[pci]
device_spec = {"vendor_id": "10de", "product_id": "2236"}
alias = {"name": "a10", "vendor_id": "10de", "product_id": "2236", "device_type": "type-PF"}
[filter_scheduler]
enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,PciPassthroughFilter
[devices]
enabled_mdev_types = nvidia-63
`,
};
const facts = { hosts: [gpuHost], config: configOf(fragments) };

const server = smallVm('least', [{ name: 'gpu0', mode: 'passthrough', device: { name: 'a10' } }], {
  flavor: { name: 'least' },
});

/** What a platform keeps ready: flavor, names in Placement, properties of an image, a limit. */
const platformWith = (limit: number, specs: Readonly<Record<string, string>> = {}) =>
  smallVm('least-platform', [{ name: 'gpu0', mode: 'vgpu', profile: 'P4-1Q' }], {
    flavor: { name: 'least-platform', extraSpecs: { 'trait:CUSTOM_LEAST': 'required', ...specs } },
    gpus: { gpu0: { resourceClass: 'CUSTOM_LEAST_VGPU' } },
    image: { properties: { hw_video_model: 'none' } },
    limits: { 'class:CUSTOM_LEAST_VGPU': limit },
  });

interface Told {
  /** Rights that errors and gaps name. */
  readonly rights: readonly string[];
  /** What the user is told where it ended. */
  readonly text?: string;
}

/** What a walk that was refused has left. */
async function cleanNames(): Promise<void> {
  await rest('placement', 'DELETE', '/traits/CUSTOM_LEAST', undefined, { accept: [404] });
  await rest('placement', 'DELETE', '/resource_classes/CUSTOM_LEAST_VGPU', undefined, { accept: [404] });
  const { body } = await rest<{ registered_limits: readonly { id: string }[] }>(
    'identity',
    'GET',
    '/registered_limits?resource_name=class:CUSTOM_LEAST_VGPU',
  );
  for (const { id } of body.registered_limits) await rest('identity', 'DELETE', `/registered_limits/${id}`);
}

/** Plans, applies and reads each, and takes all of it back; what was refused on the way, and by which rule. */
async function walk(
  provider: OpenStackProvider,
  scope: 'vm' | 'platform',
  ...vms: readonly GpuVm[]
): Promise<Told> {
  const rights: string[] = [];
  const said = (error: unknown): void => {
    if (!isVmgpuError(error)) return;
    if (typeof error.details?.right === 'string') rights.push(error.details.right);
    said(error.cause);
  };
  const journals: ReturnType<ReturnType<typeof apply>['toJSON']>[] = [];
  try {
    for (const vm of vms) {
      const { name } = vm.metadata;
      const snapshot = await provider.snapshot(scope, { vm: { name } });
      rights.push(...(snapshot.gaps ?? []).flatMap(({ needs }) => needs ?? []));
      const planned = provider.translate.plan(vm, snapshot);
      // Files of the hosts are written by other means.
      const steps = planned.steps.filter((step) => step.scope === scope && !/config$/.test(step.kind));
      const operation = apply({ ...planned, steps }, provider);
      await operation;
      journals.push(operation.toJSON());
      if (scope === 'vm') await provider.describe({ name });
    }
    for (const journal of journals.reverse()) await undo(journal, provider);
    return { rights };
  } catch (error) {
    said(error);
    return { rights, text: isVmgpuError(error) ? `${error.message}; ${error.hint}` : String(error) };
  }
}

describe('least rights on the real services', () => {
  beforeAll(async () => {
    await bringUp();
    // A service that has never seen the file may look for it only once.
    for (const path of policies) writeFileSync(path, '{}\n');
    await stopAll();
    await bringUp();
    expect(await restartNova(fragments)).toMatchObject({ ok: true });
  });
  afterAll(async () => {
    await cleanCloud();
    await cleanNames();
    // Emptied, not removed: oslo.policy 4 fails in every request once a file that it has read is gone.
    for (const path of policies) writeFileSync(path, '{}\n');
    // Glance goes by the old rules until it is started anew.
    await stopAll();
    await bringUp();
    await restoreNova();
  });

  const makeFlavor = async () => {
    const flavor = { name: 'least', id: 'least', ram: 1024, vcpus: 2, disk: 1 };
    await rest('compute', 'POST', '/flavors', { flavor });
    const extra_specs = { 'pci_passthrough:alias': 'a10:1' };
    await rest('compute', 'POST', '/flavors/least/os-extra_specs', { extra_specs });
  };

  /** On an empty cloud, made ready, by a login that has these grants in that project, and nothing else. */
  async function walkBy(
    who: {
      readonly role: string;
      readonly grants: readonly OpenStackGrant[];
      readonly project: string;
      readonly denied: string | undefined;
    },
    makeReady: () => Promise<void>,
    scope: 'platform' | 'vm',
    ...vms: readonly GpuVm[]
  ): Promise<Told> {
    const { role, grants, project, denied } = who;
    await cleanCloud();
    await makeReady();
    grant(role, grants, denied);
    const { login } = await testUser(`${role}_user`, role, project);
    const { provider } = openCloud({ ...facts, login });
    const told = await walk(provider, scope, ...vms);
    await provider.close?.();
    return told;
  }

  describe('of scope vm', () => {
    const role = 'vmgpu_vm';
    const walkAs = (denied?: string) =>
      walkBy({ role, grants: vmRole, project: 'vmgpu-least', denied }, makeFlavor, 'vm', server);

    it('exactly these rules carry a server through its life', async () => {
      expect(await walkAs()).toEqual({ rights: [] });
      expect(await sql('select display_name from nova.instances where deleted = 0')).toEqual([]);
    });

    it.each([
      'os_compute_api:servers:create',
      'os_compute_api:servers:detail',
      'os_compute_api:servers:show',
      'os_compute_api:limits',
      'get_images',
    ])('without %s, vmgpu names it', async (rule) => {
      expect((await walkAs(rule)).rights).toContain(rule);
      await cleanCloud();
    });
  });

  describe('of scope platform', () => {
    const role = 'vmgpu_platform';
    // Glance lets only the owner's project and whoever its `context_is_admin` names change a public image.
    const who = { role, grants: platformRole, project: 'admin' };
    const walkAs = (denied?: string) =>
      walkBy(
        { ...who, denied },
        cleanNames,
        'platform',
        platformWith(3),
        platformWith(4, { 'quota:cpu_shares': '512' }),
      );

    it('exactly these rules carry what a platform keeps ready through its life', async () => {
      expect(await walkAs()).toEqual({ rights: [] });
      expect(await leftovers()).toEqual([]);
    });

    it.each(rulesOf(platformRole))('without %s, vmgpu names it', async (rule) => {
      const { rights, text } = await walkAs(rule);
      // Glance hides what get_image keeps from the login.
      const named = rule === 'get_image' ? 'there is no image tiny' : rule;
      expect(`${rights.join(' ')} ${text}`).toContain(named);
    });
  });
});

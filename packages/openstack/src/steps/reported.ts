import { isVmgpuError, type Step, type StepContext, VmgpuError } from '@vmgpu/core';
import { getInventories, listProviders } from '../client/placement.ts';
import type { ConfigState } from '../translate/config-steps.ts';
import { normalClass } from '../translate/names.ts';
import { read, type StepEnv } from './env.ts';

/** A resource class that nova-compute must report after its restart, and of what. */
export interface Report {
  readonly resource: string;
  readonly of: string;
}

/**
 * What Placement must show when nova-compute runs with these settings: PCI devices where they are reported, and vGPUs. Source:
 * Nova 32, nova/compute/pci_placement_translator.py (names of classes); nova/virt/libvirt/driver.py (VGPU, mdev_class).
 */
export function reportsOf({ kind, after }: Step): readonly Report[] {
  const { service, sections = [] } = after as ConfigState;
  if (kind !== 'openstack.config' || service !== 'nova-compute') return [];
  const valuesOf = (section: string, ...keys: readonly string[]) =>
    sections
      .filter((one) => one.section === section)
      .flatMap(({ options }) => options.filter(({ key }) => keys.includes(key)))
      .flatMap(({ values }) => values);
  const reported = valuesOf('pci', 'report_in_placement').at(-1) === 'true';
  const devices = reported ? valuesOf('pci', 'device_spec', 'passthrough_whitelist') : [];
  const types = valuesOf('devices', 'enabled_mdev_types', 'enabled_vgpu_types').flatMap((value) =>
    value.split(','),
  );
  const reports = [
    ...devices.flatMap(pciReport),
    ...types.map((type) => ({
      resource: valuesOf(`mdev_${type}`, 'mdev_class').at(-1) ?? 'VGPU',
      of: `the vGPU type ${type}`,
    })),
  ];
  return reports.filter(
    ({ resource }, index) => reports.findIndex((other) => other.resource === resource) === index,
  );
}

function pciReport(spec: string): readonly Report[] {
  try {
    const { resource_class, vendor_id, product_id } = JSON.parse(spec) as Readonly<Record<string, string>>;
    const ofIds = vendor_id && product_id ? `CUSTOM_PCI_${vendor_id}_${product_id}` : undefined;
    const own = resource_class ?? ofIds;
    return own === undefined ? [] : [{ resource: normalClass(own), of: `device_spec ${spec}` }];
  } catch {
    // Nova refuses it in its own words.
    return [];
  }
}

/**
 * Waits until Placement shows what the configured hosts must report. Rejects with `host-not-ready`. A login that may not ask
 * Placement proves nothing; that is told as progress.
 */
export async function waitForReports(env: StepEnv, step: Step, context: StepContext): Promise<void> {
  const { host } = step.after as { host?: string };
  let lacking = reportsOf(step);
  if (lacking.length === 0) return;
  try {
    await context.retry.poll(
      async () => {
        const seen = await classesBelow(env, context, host);
        lacking = lacking.filter(({ resource }) => !seen.has(resource));
        return lacking.length === 0
          ? { done: true, value: undefined }
          : { done: false, seen: `no ${lacking.map(({ resource }) => resource).join(', ')}` };
      },
      { what: 'The report of the GPUs', minMs: 1_000, maxMs: 5_000, timeoutMs: env.timeouts.reportMs },
    );
  } catch (error) {
    if (!isVmgpuError(error)) throw error;
    if (error.code === 'permission-denied') {
      context.emit({ message: 'the login may not ask Placement; whether it has the GPUs is not proved' });
      return;
    }
    if (error.code !== 'timeout') throw error;
    throw new VmgpuError(
      'host-not-ready',
      `nova-compute${host ? ` on ${host}` : ''} runs with the new configuration, but Placement shows no ${lacking.map(({ resource, of }) => `${resource} (${of})`).join(', ')}`,
      {
        expected: 'an inventory of it below a compute host',
        hint: lacking.some(({ of }) => of.startsWith('device_spec'))
          ? 'compare the ids and the address with lspci -nn on the host; nova-compute’s log names devices it leaves out'
          : 'does the host’s driver offer the type? See /sys/class/mdev_bus/*/mdev_supported_types there',
        details: { stage: 'placement', missing: lacking.map(({ resource }) => resource) },
      },
    );
  }
}

/** Resource classes of all providers below compute hosts, or below one. */
async function classesBelow(
  { os }: StepEnv,
  context: StepContext,
  host: string | undefined,
): Promise<ReadonlySet<string>> {
  const all = await read(context, (options) => listProviders(os, {}, options));
  const roots = new Map(all.map(({ uuid, name }) => [uuid, name]));
  const found = new Set<string>();
  for (const { uuid, parent_provider_uuid, root_provider_uuid } of all) {
    const root = roots.get(root_provider_uuid) ?? '';
    if (parent_provider_uuid === null) continue;
    if (host !== undefined && root !== host && !root.startsWith(`${host}.`)) continue;
    const inventories = await read(context, (options) => getInventories(os, uuid, options));
    for (const [resource, { total }] of Object.entries(inventories)) if (total > 0) found.add(resource);
  }
  return found;
}

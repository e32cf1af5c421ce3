import { type Step, type StepContext, VmgpuError } from '@vmgpu/core';
import { listNodes } from '../client/nodes.ts';
import { getVmConfig, listVms, type VmConfigAnswer, type VmItem, type VmPlace } from '../client/vms.ts';
import { read, type StepEnv } from './env.ts';

export interface FoundVm {
  readonly place: VmPlace;
  readonly config: VmConfigAnswer;
}

export function tagList(tags: string | undefined): readonly string[] {
  return (tags ?? '').split(/[;, ]+/).filter(Boolean);
}

/** The VM with this id where it was last, or, when it has moved, where it is now; undefined when there is none. */
export async function findById(
  env: StepEnv,
  context: StepContext,
  vmid: number,
  node: string | undefined,
): Promise<FoundVm | undefined> {
  const configAt = (place: VmPlace) => read(context, (options) => getVmConfig(env.pve, place, options));
  if (node !== undefined) {
    const config = await configAt({ node, vmid });
    if (config) return { place: { node, vmid }, config };
  }
  const items = await read(context, (options) => listVms(env.pve, options));
  const item = items.find((candidate) => candidate.vmid === vmid);
  if (!item || item.node === node) return undefined;
  const place = { node: item.node, vmid };
  const config = await configAt(place);
  return config ? { place, config } : undefined;
}

/**
 * The VM of this name that carries all of these tags; with `tagged` empty, the name alone decides. Throws `conflict` when
 * there are several.
 */
export async function findByName(
  env: StepEnv,
  context: StepContext,
  name: string,
  tagged: readonly string[],
): Promise<VmItem | undefined> {
  const items = await read(context, (options) => listVms(env.pve, options));
  const found = items.filter(
    (item) => item.name === name && tagged.every((tag) => tagList(item.tags).includes(tag)),
  );
  if (found.length <= 1) return found[0];
  throw new VmgpuError('conflict', `${found.length} VMs are called ${name}`, {
    found: found.map(({ vmid }) => vmid).join(', '),
    hint: 'name one by its id: providerOptions.proxmox.vmid',
  });
}

export function noSuchVm(step: Step): VmgpuError {
  return new VmgpuError('not-found', `there is no VM ${step.target.name}`, {
    hint: 'it was destroyed since the plan was made, or you may not see it (VM.Audit); make a new plan',
  });
}

/** The cluster's only node, for plans that do not say one. */
export async function onlyNode(env: StepEnv, context: StepContext): Promise<string> {
  const nodes = await read(context, (options) => listNodes(env.pve, options));
  const [first] = nodes;
  if (first && nodes.length === 1) return first.node;
  throw new VmgpuError('bad-input', 'the plan does not say on which node the VM shall lie', {
    expected: `one of ${nodes.map(({ node }) => node).join(', ')}`,
    hint: 'set providerOptions.proxmox.node',
  });
}

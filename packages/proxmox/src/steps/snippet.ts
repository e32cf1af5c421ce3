import { type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { listNodes } from '../client/nodes.ts';
import { listSnippets } from '../client/storage.ts';
import type { SnippetState } from '../translate/steps.ts';
import { read, type StepEnv, type StepHandler } from './env.ts';

/**
 * Says whether the file lies where cloud-init will look for it. It cannot be put there: the upload call takes iso, vztmpl and
 * import, no snippets (pve-storage, `PVE::API2::Storage::Status`), and no call reads a snippet's content.
 */
async function doSnippet({ pve }: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const { storage, file, node } = step.after as SnippetState;
  const volume = `${storage}:snippets/${file}`;
  const on = node ?? (await read(context, (options) => listNodes(pve, options)))[0]?.node ?? '';
  const snippets = await read(context, (options) => listSnippets(pve, on, storage, options));
  if (snippets.includes(volume)) return { status: 'unchanged' };
  throw new VmgpuError('host-not-ready', `the snippet ${volume} is not there, and the API cannot upload it`, {
    expected: `the user data as file ${file} in the snippets folder of storage ${storage} on ${on}`,
    hint: 'copy proxmox/snippets/ of `vmgpu render` to /var/lib/vz/snippets/ (storage local), and allow content type snippets on the storage',
    details: { kind: 'host-not-ready', node: on, storage, file },
  });
}

/** Nothing is ever changed, so there is nothing to take back. */
export const snippetStep: StepHandler = { do: doSnippet, undo: async () => undefined };

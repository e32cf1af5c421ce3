import { type StepContext, VmgpuError } from '@vmgpu/core';
import { getFlavor } from '../client/flavors.ts';
import type { NovaFlavor } from '../translate/snapshot.ts';
import { read, type StepEnv } from './env.ts';

/** The flavor of this id, asked for once a session. Rejects with `not-found`. */
export async function flavorOf(env: StepEnv, context: StepContext, id: string): Promise<NovaFlavor> {
  const known = env.flavors.get(id);
  if (known) return known;
  const flavor = await read(context, (options) => getFlavor(env.os, id, options));
  if (!flavor) {
    throw new VmgpuError('not-found', `there is no flavor ${id}`, {
      expected: 'a flavor that the project may use',
      hint: 'an administrator makes it: apply the plan of scope platform first',
    });
  }
  env.flavors.set(id, flavor);
  return flavor;
}

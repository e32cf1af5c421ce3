import type { HostFacts } from '../facts/host-facts.ts';
import { assessHost } from '../modules/index.ts';
import { findGpu } from '../modules/select.ts';
import { assemble } from './assemble.ts';
import { bindFunctions, functionsToBind, keepDevices, loadModules } from './binding.ts';
import { settleArguments, settleConflicts, settleNouveau } from './conflicts.ts';
import { createDraft, faults } from './draft.ts';
import { settleContainers, settleDriver } from './drivers.ts';
import { bootFamily } from './family.ts';
import type { HostGoal, HostPlan, HostPlanOptions } from './host-plan.ts';
import { settleHugepages, settleMemlock } from './memory.ts';
import { refuseDangers } from './refusals.ts';
import { settleIds } from './vfio-ids.ts';
import { settleFunctions, settleVgpus } from './vgpu.ts';

export { describeHostPlan, type FileChange, unifiedDiff } from './describe.ts';
export {
  type DriverRule,
  devicePlugin,
  driverRule,
  type GuestOptions,
  gpuWorkload,
  guestCloudConfig,
  guestUserData,
} from './guest.ts';
export { type GuestGoal, planGuest } from './guest-plan.ts';
export * from './host-plan.ts';
export { isPrepared, planHostRemoval } from './removal.ts';

/**
 * What must be done so that a host serves a goal: ordered steps with before and after, and what stands in the way. Minimal:
 * a host that serves the goal already gets a plan without steps. Pure and deterministic. Throws `not-found` for a GPU that
 * is not there, `bad-input` for a goal that contradicts itself.
 */
export function planHost(facts: HostFacts, goal: HostGoal, options: HostPlanOptions = {}): HostPlan {
  const { mode, devices } = goal;
  const { platform } = options;
  const readiness = assessHost(facts, {
    mode,
    ...(devices === undefined ? {} : { devices }),
    ...(platform === undefined ? {} : { platform }),
  });
  const gpus = readiness.devices.map(({ address }) => findGpu(facts, address));
  const family = bootFamily(facts);
  const draft = createDraft(facts, goal, readiness);
  refuseDangers(draft, gpus, family);
  settleArguments(draft);
  settleConflicts(draft);
  settleNouveau(draft, gpus);
  const functions = gpus.flatMap((gpu) => functionsToBind(draft, gpu));
  const ids = settleIds(draft, gpus, functions);
  if (mode === 'vm-passthrough') bindFunctions(draft, gpus, family, ids);
  else keepDevices(draft, family, (address) => !functions.some((item) => item.address === address));
  loadModules(draft);
  settleHugepages(draft);
  settleMemlock(draft);
  const hasNvidia = gpus.some(({ vendor }) => vendor === 'nvidia');
  settleDriver(draft, hasNvidia);
  settleContainers(draft, hasNvidia);
  if (mode === 'vm-vgpu') {
    settleVgpus(draft, gpus);
    settleFunctions(draft, gpus);
  }
  for (const { id } of faults(draft, 'H24')) draft.rebuildFor.add(id);
  return assemble(draft, family);
}

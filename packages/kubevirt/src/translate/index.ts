import type { Translator } from '@vmgpu/core';
import { plan } from './plan.ts';
import { render } from './render.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';
import { toIntent } from './to-intent.ts';

/** GpuVm to KubeVirt and back. Pure: no network, no clock. The native form is the parsed manifest of a VM or VMI. */
export const kubevirtTranslator: Translator<KubeVirtSnapshot, unknown> = {
  specVersion: 'v1',
  platform: 'kubevirt',
  plan,
  render,
  toIntent,
};

export { isCompanion, isExpandedTwin } from './expand.ts';
export type { Manifest } from './manifest.ts';
export { mergeKubeVirt } from './merge.ts';
export { pluginDeviceName, pluginVgpuName, resourceNameProblem } from './names.ts';
export type { KubeVirtOptions } from './options.ts';
export { applyPatch } from './patch.ts';
export { type PermittedDevice, permittedDevices } from './permitted.ts';
export type { KubeVirtStepKind } from './plan.ts';
export { repairManifest } from './repair.ts';
export { deviceOfResource, type NamedDevice } from './reverse-names.ts';
export {
  type ConfigObject,
  configObject,
  type KubeVirtDistribution,
  type KubeVirtNode,
  type KubeVirtProvider,
  type KubeVirtSnapshot,
  type OfflineOptions,
  offlineSnapshot,
  parseSnapshot,
  type SnapshotGap,
} from './snapshot.ts';
export { atLeast } from './version.ts';

import { VmgpuError } from '@vmgpu/core';
import type { Manifest } from '../translate/manifest.ts';

/** A kind of object as the API server addresses it. */
export interface KubeResource {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const define = (path: string, kind: string, namespaced = true): KubeResource => {
  const [plural = '', version = '', group = ''] = path.split('/').reverse();
  return { group, version, plural, kind, namespaced };
};

/** Everything the adapter speaks of. */
export const resources = {
  nodes: define('v1/nodes', 'Node', false),
  pods: define('v1/pods', 'Pod'),
  events: define('v1/events', 'Event'),
  configMaps: define('v1/configmaps', 'ConfigMap'),
  secrets: define('v1/secrets', 'Secret'),
  namespaces: define('v1/namespaces', 'Namespace', false),
  deployments: define('apps/v1/deployments', 'Deployment'),
  storageClasses: define('storage.k8s.io/v1/storageclasses', 'StorageClass', false),
  kubeVirts: define('kubevirt.io/v1/kubevirts', 'KubeVirt'),
  virtualMachines: define('kubevirt.io/v1/virtualmachines', 'VirtualMachine'),
  instances: define('kubevirt.io/v1/virtualmachineinstances', 'VirtualMachineInstance'),
  instancetypes: define(
    'instancetype.kubevirt.io/v1beta1/virtualmachineinstancetypes',
    'VirtualMachineInstancetype',
  ),
  clusterInstancetypes: define(
    'instancetype.kubevirt.io/v1beta1/virtualmachineclusterinstancetypes',
    'VirtualMachineClusterInstancetype',
    false,
  ),
  preferences: define(
    'instancetype.kubevirt.io/v1beta1/virtualmachinepreferences',
    'VirtualMachinePreference',
  ),
  clusterPreferences: define(
    'instancetype.kubevirt.io/v1beta1/virtualmachineclusterpreferences',
    'VirtualMachineClusterPreference',
    false,
  ),
  controllerRevisions: define('apps/v1/controllerrevisions', 'ControllerRevision'),
  hyperConvergeds: define('hco.kubevirt.io/v1beta1/hyperconvergeds', 'HyperConverged'),
  clusterPolicies: define('nvidia.com/v1/clusterpolicies', 'ClusterPolicy', false),
  dataVolumes: define('cdi.kubevirt.io/v1beta1/datavolumes', 'DataVolume'),
  deviceClasses: define('resource.k8s.io/v1/deviceclasses', 'DeviceClass', false),
  resourceSlices: define('resource.k8s.io/v1/resourceslices', 'ResourceSlice', false),
  claimTemplates: define('resource.k8s.io/v1/resourceclaimtemplates', 'ResourceClaimTemplate'),
} as const;

/** The same kind in another version of its group. */
export function inVersion(resource: KubeResource, version: string): KubeResource {
  return { ...resource, version };
}

/** The resource of an object, by its kind and apiVersion. Throws `unsupported` for a kind the adapter does not know. */
export function resourceOf({ apiVersion = '', kind = '' }: Manifest): KubeResource {
  const known = Object.values<KubeResource>(resources).find((resource) => resource.kind === kind);
  if (!known) throw new VmgpuError('unsupported', 'no objects of this kind are written', { found: kind });
  return inVersion(known, apiVersion.split('/').at(-1) || known.version);
}

import { type Cluster, ids, referenceTo } from '../cluster.ts';
import { clone, dicts } from '../json.ts';
import type { KubeObject } from '../types.ts';

export interface Volumes {
  readonly ready: boolean;
  readonly missing?: string;
}

/** Makes the DataVolumes of the VM's templates; ready when all of them are filled and all claims are there. */
export function dataVolumes(cluster: Cluster, vm: KubeObject): Volumes {
  const { namespace } = vm.metadata;
  const templates = dicts(vm.spec?.dataVolumeTemplates);
  let ready = true;
  if (cluster.serves(ids.dataVolumes)) {
    for (const { metadata, spec } of templates) {
      const volume = cluster.get(ids.dataVolumes, namespace, metadata?.name);
      if (volume === undefined) {
        const owned = { ...metadata, namespace, ownerReferences: [referenceTo(vm)] };
        cluster.create(ids.dataVolumes, {
          apiVersion: 'cdi.kubevirt.io/v1beta1',
          kind: 'DataVolume',
          metadata: owned,
          spec: clone(spec ?? {}),
        });
      }
      ready &&= volume?.status?.phase === 'Succeeded';
    }
  }
  const made = new Set(templates.map(({ metadata }) => metadata?.name));
  for (const { persistentVolumeClaim, dataVolume } of dicts(vm.spec?.template?.spec?.volumes)) {
    const name = persistentVolumeClaim?.claimName ?? dataVolume?.name;
    if (name === undefined || made.has(name) || cluster.get(ids.claims, namespace, name)) continue;
    return { ready: false, missing: name };
  }
  return { ready };
}

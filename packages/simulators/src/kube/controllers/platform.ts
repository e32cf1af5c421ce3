import { type Cluster, ids, withCondition } from '../cluster.ts';
import { dicts, equal } from '../json.ts';
import type { Hardware } from '../scenario.ts';
import type { Dict, KubeObject } from '../types.ts';

/** virt-operator: the KubeVirt CR gets its status. */
export function createVirtOperator(cluster: Cluster, version: string) {
  return (cr: KubeObject): void => {
    if (cr.metadata.deletionTimestamp) {
      cluster.change(ids.kubevirts, cr, ({ metadata }) => {
        metadata.finalizers = [];
      });
      return;
    }
    cluster.change(ids.kubevirts, cr, (draft) => {
      const now = cluster.loop.timestamp();
      let { conditions } = draft.status ?? {};
      for (const [type, status] of [
        ['Available', 'True'],
        ['Progressing', 'False'],
        ['Degraded', 'False'],
      ]) {
        conditions = withCondition(conditions, { type, status, reason: 'AllComponentsReady' }, now);
      }
      draft.status = {
        ...draft.status,
        phase: 'Deployed',
        observedKubeVirtVersion: version,
        targetKubeVirtVersion: version,
        operatorVersion: version,
        defaultArchitecture: 'amd64',
        observedGeneration: draft.metadata.generation,
        conditions,
      };
    });
  };
}

const target = 'kubevirt-kubevirt-hyperconverged';

/** HyperConverged owns a KubeVirt CR: it makes it, keeps its own part of it, and reverts what a hand changed there. */
export function createHyperConverged(cluster: Cluster) {
  return (hco: KubeObject): void => {
    const { namespace = 'kubevirt-hyperconverged' } = hco.metadata;
    const wanted = configurationFrom(hco.spec ?? {});
    const cr = cluster.get(ids.kubevirts, namespace, target);
    if (cr === undefined) {
      cluster.create(ids.kubevirts, {
        apiVersion: 'kubevirt.io/v1',
        kind: 'KubeVirt',
        metadata: {
          name: target,
          namespace,
          labels: { 'app.kubernetes.io/managed-by': 'hco-operator', app: 'kubevirt-hyperconverged' },
        },
        spec: { configuration: wanted },
      });
    } else if (!equal(cr.spec?.configuration, wanted)) {
      cluster.change(ids.kubevirts, cr, (draft) => {
        draft.spec = { ...draft.spec, configuration: wanted };
      });
    }
    cluster.change(ids.hyperconvergeds, hco, (draft) => {
      const now = cluster.loop.timestamp();
      const done = { type: 'ReconcileComplete', status: 'True', reason: 'ReconcileCompleted' };
      let conditions = withCondition(draft.status?.conditions, done, now);
      conditions = withCondition(
        conditions,
        { type: 'Available', status: 'True', reason: 'ReconcileCompleted' },
        now,
      );
      draft.status = { ...draft.status, observedGeneration: draft.metadata.generation, conditions };
    });
  };
}

function configurationFrom(spec: Dict): Dict {
  const { pciHostDevices, mediatedDevices, usbHostDevices } = spec.permittedHostDevices ?? {};
  const enabled = (list: unknown) =>
    dicts(list)
      .filter(({ disabled }) => disabled !== true)
      .map(({ disabled: _, pciDeviceSelector, ...entry }) => ({
        ...(pciDeviceSelector && { pciVendorSelector: pciDeviceSelector }),
        ...entry,
      }));
  const featureGates = ['HostDevices'];
  if (spec.featureGates?.disableMDevConfiguration) featureGates.push('DisableMDEVConfiguration');
  return {
    developerConfiguration: { featureGates },
    ...(spec.permittedHostDevices && {
      permittedHostDevices: {
        ...(pciHostDevices && { pciHostDevices: enabled(pciHostDevices) }),
        ...(mediatedDevices && { mediatedDevices: enabled(mediatedDevices) }),
        ...(usbHostDevices && { usb: enabled(usbHostDevices) }),
      },
    }),
    ...(spec.mediatedDevicesConfiguration && {
      mediatedDevicesConfiguration: spec.mediatedDevicesConfiguration,
    }),
  };
}

/** KubeVirt's own device plugin: entries without `externalResourceProvider`, on cards that are bound to vfio-pci. */
export function publishBuiltin(
  cluster: Cluster,
  configuration: Dict,
  hardware: Readonly<Record<string, Hardware>>,
): void {
  const entries = dicts(configuration.permittedHostDevices?.pciHostDevices).filter(
    ({ externalResourceProvider }) => !externalResourceProvider,
  );
  for (const [name, { cards }] of Object.entries(hardware)) {
    const node = cluster.get(ids.nodes, undefined, name);
    if (node === undefined) continue;
    const published: Record<string, string> = {};
    for (const { id, count, boundToVfio } of boundCards(cards)) {
      const entry = entries.findLast(
        ({ pciVendorSelector }) => pciVendorSelector?.toLowerCase() === id.toLowerCase(),
      );
      if (boundToVfio && entry) published[entry.resourceName] = String(count);
    }
    if (Object.keys(published).length === 0) continue;
    cluster.change(ids.nodes, node, (draft) => {
      draft.status ??= {};
      for (const list of ['capacity', 'allocatable'])
        draft.status[list] = { ...draft.status[list], ...published };
    });
  }
}

const boundCards = (cards: Hardware['cards']) => cards.filter(({ boundToVfio }) => boundToVfio);

/** CDI: a DataVolume fills a claim of its name. */
export function importDataVolume(cluster: Cluster, volume: KubeObject): void {
  const { name, namespace } = volume.metadata;
  if (cluster.get(ids.claims, namespace, name) === undefined) {
    const storage = volume.spec?.storage ?? volume.spec?.pvc ?? {};
    cluster.create(ids.claims, {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name,
        namespace: namespace as string,
        ownerReferences: [
          {
            apiVersion: volume.apiVersion,
            kind: volume.kind,
            name,
            uid: volume.metadata.uid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: { accessModes: ['ReadWriteOnce'], ...storage },
      status: { phase: 'Bound', capacity: storage.resources?.requests },
    });
  }
  cluster.change(ids.dataVolumes, volume, (draft) => {
    draft.status = { phase: 'Succeeded', progress: '100.0%', claimName: name };
  });
}

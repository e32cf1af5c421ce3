import type { ApiRequest } from '../api/request.ts';
import { denied, invalid, type StatusCause } from '../api/status.ts';
import { type Cluster, ids } from '../cluster.ts';
import { clone, equal } from '../json.ts';
import type { KubeVirtConfiguration } from '../scenario.ts';
import type { Dict, KubeObject } from '../types.ts';
import { selectorCauses } from './claims.ts';
import { findNamed, instanceOf, matcherCauses } from './instancetype.ts';
import { kubevirtCauses, kubevirtWarnings } from './kubevirt-cr.ts';
import { instanceCauses, machineCauses } from './machine.ts';
import { fillDefaults, fillPreferred } from './mutate.ts';
import { podCauses } from './pod.ts';

export interface Review {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  readonly request: ApiRequest;
  readonly object: KubeObject;
  readonly old?: KubeObject;
}

export interface Admission {
  /** The object as webhooks leave it; throws what they refuse. */
  admit(review: Review): KubeObject;
  /** KubeVirt's own answer to an instance that virt-controller creates; throws. */
  admitInstance(object: KubeObject): KubeObject;
}

/** The KubeVirt CR that counts: with no Deployed phase the whole CR is ignored (kubevirt v1.9.0, seen). */
export function deployedKubeVirt(cluster: Cluster): KubeObject | undefined {
  if (!cluster.serves(ids.kubevirts)) return undefined;
  return cluster.list(ids.kubevirts).find(({ status }) => status?.phase === 'Deployed');
}

export const configurationOf = (cluster: Cluster): KubeVirtConfiguration =>
  deployedKubeVirt(cluster)?.spec?.configuration ?? {};

/** A CR that KubeVirt ignores leaves its built-in default, the architecture it runs on. */
function defaultArchitecture(cluster: Cluster): string {
  const cr = deployedKubeVirt(cluster);
  if (cr === undefined) return 'amd64';
  return (
    cr.spec?.configuration?.architectureConfiguration?.defaultArchitecture ??
    cr.status?.defaultArchitecture ??
    ''
  );
}

/** Holds an instance until its launcher pod is gone (virt-api, vmi-create-mutator). */
const instanceFinalizer = 'foregroundDeleteVirtualMachine';

const handlerAccount = 'system:serviceaccount:kubevirt:kubevirt-handler';
const ownAccount = /^system:serviceaccount:[^:]+:kubevirt-(handler|controller|apiserver|operator)$/;

export function createAdmission(cluster: Cluster, makeUid: () => string, taintNewNodes: boolean): Admission {
  const refuse = (webhook: string, causes: readonly StatusCause[]) => {
    if (causes.length > 0) throw denied(webhook, causes);
  };

  function admitInstance(object: KubeObject): KubeObject {
    const made = clone(object);
    made.spec ??= {};
    fillDefaults(made.spec, defaultArchitecture(cluster), makeUid);
    made.metadata.finalizers = [...new Set([...(made.metadata.finalizers ?? []), instanceFinalizer])];
    refuse(
      'virtualmachineinstances-create-validator.kubevirt.io',
      instanceCauses(made, configurationOf(cluster)),
    );
    return made;
  }

  function admitMachine(object: KubeObject, operation: string): KubeObject {
    const made = clone(object);
    const spec: Dict | undefined = made.spec?.template?.spec;
    refuse('virtualmachines-mutator.kubevirt.io', matcherCauses(made));
    if (operation === 'CREATE' && spec) fillPreferred(spec, findNamed(cluster, made, 'preference'));
    const architecture = defaultArchitecture(cluster);
    if (operation === 'CREATE' && spec) fillDefaults(spec, architecture, makeUid);
    if (spec?.architecture === '') delete spec.architecture;
    const { causes, ...template } = instanceOf(cluster, made);
    refuse('virtualmachine-validator.kubevirt.io', causes);
    const whole = made.spec?.template ? { ...made, spec: { ...made.spec, template } } : made;
    refuse('virtualmachine-validator.kubevirt.io', machineCauses(whole, configurationOf(cluster)));
    return made;
  }

  /** Status belongs to KubeVirt's accounts, the spec to nobody; a handler may only touch instances of its node. */
  function admitInstanceChange({ request, object, old }: Review): KubeObject {
    const { name, extra } = request.user;
    if (name === handlerAccount) {
      const node = extra['authentication.kubernetes.io/node-name']?.[0];
      const owner = old?.status?.nodeName ?? old?.metadata.labels?.['kubevirt.io/nodeName'];
      const webhook = 'virtualmachineinstances-update-validator.kubevirt.io';
      if (node === undefined) {
        throw denied(
          webhook,
          [],
          'Node restriction failed, virt-handler service account is missing node name',
        );
      }
      if (node !== owner) {
        throw denied(webhook, [], 'Node restriction, virt-handler is only allowed to modify VMIs it owns');
      }
    }
    if (ownAccount.test(name)) return object;
    if (!equal(object.spec, old?.spec)) {
      refuse('virtualmachineinstances-update-validator.kubevirt.io', [
        { reason: 'FieldValueNotSupported', message: 'update of VMI object is restricted', field: 'spec' },
      ]);
    }
    const { status: _, ...rest } = object;
    return { ...rest, ...(old?.status && { status: old.status }) } as KubeObject;
  }

  function admitKubeVirt({ operation, request, object, old }: Review): void {
    if (operation === 'CREATE' && cluster.list(ids.kubevirts).length > 0) {
      throw denied('kubevirt-create-validator.kubevirt.io', [], 'Kubevirt is already created');
    }
    if (operation !== 'UPDATE' || old === undefined) return;
    refuse('kubevirt-update-validator.kubevirt.io', kubevirtCauses(object));
    request.warnings.push(...kubevirtWarnings(object, old));
  }

  function admitNode(object: KubeObject): KubeObject {
    if (!taintNewNodes) return object;
    const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
    const taints: Dict[] = object.spec?.taints ?? [];
    if (taints.some(({ key }) => key === taint.key)) return object;
    return { ...object, spec: { ...object.spec, taints: [...taints, taint] } };
  }

  return {
    admitInstance,
    admit(review) {
      const { operation, request, object } = review;
      if (request.path.subresource === 'status') return object;
      switch (operation === 'DELETE' ? '' : request.type.id) {
        case ids.vms:
          return object.metadata.deletionTimestamp ? object : admitMachine(object, operation);
        case ids.vmis:
          return operation === 'CREATE' ? admitInstance(object) : admitInstanceChange(review);
        case ids.kubevirts:
          admitKubeVirt(review);
          return object;
        case ids.nodes:
          return operation === 'CREATE' ? admitNode(object) : object;
        case ids.pods: {
          const causes = operation === 'CREATE' ? podCauses(object) : [];
          if (causes.length > 0) {
            throw invalid({ group: '', plural: 'pods', kind: 'Pod', name: object.metadata.name }, causes);
          }
          return operation === 'CREATE' ? { ...object, status: { phase: 'Pending' } } : object;
        }
        case ids.deviceClasses:
        case ids.resourceClaims:
        case ids.claimTemplates: {
          const { group, plural, kind } = request.type;
          const causes = selectorCauses(object);
          if (causes.length > 0) throw invalid({ group, plural, kind, name: object.metadata.name }, causes);
          return object;
        }
        default:
          return object;
      }
    },
  };
}

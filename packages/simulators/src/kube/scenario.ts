import type { Product } from './store/definitions.ts';
import type { Dict, KubeObject, StructuralSchema } from './types.ts';

/** Milliseconds that the simulated parts take. All have short defaults. */
export interface Timings {
  /** From a scheduled pod to a running one. */
  readonly kubelet: number;
  /** From a running launcher pod to a running instance, and from stop to the end of the guest. */
  readonly handler: number;
  /** Until pods of the GPU Operator run. */
  readonly operator: number;
  /** Time the vGPU device manager stays in `pending`. */
  readonly vgpuConfig: number;
  /** Until HyperConverged or virt-operator reconcile. */
  readonly reconcile: number;
  /** Import of a DataVolume. */
  readonly dataVolume: number;
}

export const defaultTimings: Timings = {
  kubelet: 5,
  handler: 5,
  operator: 10,
  vgpuConfig: 10,
  reconcile: 10,
  dataVolume: 10,
};

/** Cards of one kind in one node: facts of the hardware, which no API object says. */
export interface Cards {
  /** `10de:2236` */
  readonly id: string;
  readonly count: number;
  /** Resource that the device plugin of this release makes of it; may differ from what one predicts. */
  readonly resourceName: string;
  readonly vgpu?: {
    /** `vendor-vfio`: no mdev, so the vGPU device manager fails with `no parent devices found`. */
    readonly framework: 'mdev' | 'vendor-vfio';
    /** Type and how many of it one card takes: `{ "A10-24Q": 1 }`. */
    readonly types: Readonly<Record<string, number>>;
    /** What stands before the type in the mdev's name. Default: `NVIDIA`. */
    readonly brand?: string;
  };
  /** The cards are on vfio-pci without any operator. Default: false. */
  readonly boundToVfio?: boolean;
}

export interface Hardware {
  readonly cards: readonly Cards[];
  /** The host has its own NVIDIA driver: vfio-manager leaves the cards alone. */
  readonly preInstalledDriver?: boolean;
}

/** A failure that launcher pods or instances meet on purpose. */
export interface LauncherFailure {
  /** Name of the VM, or a resource it asks for. */
  readonly vm?: string;
  readonly resource?: string;
  readonly node?: string;
  /** `kubelet`: the pod fails admission on the node; `sync`: virt-launcher cannot define the domain. */
  readonly at: 'kubelet' | 'sync';
  readonly reason?: string;
  readonly message: string;
}

export interface User {
  readonly name: string;
  readonly groups?: readonly string[];
  /** Bearer token. Without it the user comes by client certificate (common name) only. */
  readonly token?: string;
  /** Milliseconds of the simulator's clock after which the token is refused with 401. */
  readonly tokenExpiresAt?: number;
  /** ClusterRoles bound in the whole cluster, by name. */
  readonly clusterRoles?: readonly string[];
  /** ClusterRoles bound in single namespaces. */
  readonly roles?: Readonly<Record<string, readonly string[]>>;
}

/** A cluster to start with: plain JSON. */
export interface Scenario {
  /** Default: kubevirt. What is installed, that is: which CustomResourceDefinitions are there. */
  readonly products?: readonly Product[];
  readonly objects?: readonly KubeObject[];
  /** By node name. */
  readonly hardware?: Readonly<Record<string, Hardware>>;
  /** Default: `admin` with token `admin-token` in group `system:masters`. */
  readonly users?: readonly User[];
  readonly launcherFailures?: readonly LauncherFailure[];
}

export interface Controllers {
  readonly scheduler: boolean;
  readonly virtController: boolean;
  /** Fake kubelet and virt-handler. */
  readonly nodeAgent: boolean;
  readonly gpuOperator: boolean;
  readonly hco: boolean;
  readonly virtOperator: boolean;
  readonly dataVolumes: boolean;
  readonly garbageCollector: boolean;
}

export interface KubeOptions {
  readonly scenario?: Scenario;
  /** 0 takes a free port. */
  readonly port?: number;
  /** `true` makes a CA and certificates with openssl; or PEM texts. Default: plain HTTP. */
  readonly tls?: boolean | { readonly ca: string; readonly cert: string; readonly key: string };
  /** Structural schemas by kind (`VirtualMachine`), as in a CRD's `openAPIV3Schema`. */
  readonly schemas?: Readonly<Record<string, StructuralSchema>>;
  /** `manual`: nothing moves until `advance`. Default: `real`. */
  readonly clock?: 'real' | 'manual';
  readonly timings?: Partial<Timings>;
  /** All on by default. */
  readonly controllers?: Partial<Controllers>;
  /** Taint nodes that are created by request, as TaintNodesByCondition does. Default: true. */
  readonly taintNewNodes?: boolean;
  /** Behave as with an etcd before 3.4.31. Default: false. */
  readonly oldEtcd?: boolean;
  /** How long a request waits for a resource version of the future, in ms of real time. Default: 3000. */
  readonly freshnessTimeout?: number;
  /** Real time between bookmarks, in ms. Default: 60000. */
  readonly bookmarkInterval?: number;
  /** Changes kept for each resource, from which watches may start. Default: 20000. */
  readonly history?: number;
  readonly serverVersion?: string;
  readonly kubevirtVersion?: string;
}

/** The `spec.configuration` that KubeVirt goes by: that of the Deployed CR, else its defaults. */
export type KubeVirtConfiguration = Dict;

import type { GpuVm } from '@vmgpu/core';
import {
  anything,
  boolean,
  check,
  choice,
  dictionary,
  exactShape,
  type Infer,
  integer,
  list,
  optional,
  text,
} from '@vmgpu/core/schema';

const given = optional(exactShape({ value: anything(), own: optional(anything()) }));

const schema = exactShape({
  /** What to make of the intent; `VirtualMachine` when not given. */
  kind: optional(choice('VirtualMachine', 'VirtualMachineInstance')),
  namespace: optional(text()),
  /** Node resource by request name, when it is known better than by prediction: `nvidia.com/GA102GL_A10`. */
  resources: optional(dictionary(text())),
  /** Requests that go to `devices.hostDevices` instead of `devices.gpus`. */
  hostDevices: optional(list(text())),
  /** Existing DRA claims by request name. `claimName` is the entry of the VM's `resourceClaims`. */
  claims: optional(dictionary(exactShape({ claimName: text(), requestName: text() }))),
  /** Name of the DataVolume by disk name, where it is not `<vm>-<disk>`. */
  dataVolumes: optional(dictionary(text())),
  /** The field that carries the memory; `guest` when not given. */
  memoryField: optional(choice('guest', 'requests')),
  /** Take a VM that no node has room for now: it is made and starts by itself once devices are free. */
  acceptWaiting: optional(boolean()),
  /**
   * Fields that the VM's instance type and preference give, as they were read (`value`), and what the VM says of them itself
   * (`own`). They are left to the instance type as long as they stay as they were read.
   */
  given: optional(
    exactShape({
      guestOs: given,
      cpu: given,
      memory: given,
      hugepages: given,
      machine: given,
      firmware: given,
      numa: given,
      hideHypervisor: given,
      gpus: given,
    }),
  ),
  /** Nodes to label for the NVIDIA GPU Operator. */
  nodes: optional(list(text())),
  /** vgpu-device-manager: the configuration to make or to name. */
  vgpuConfig: optional(
    exactShape({
      /** Key of `vgpu-configs`, the value of the node label; the profile's name when not given. */
      name: optional(text()),
      /** ConfigMap with own configurations; the operator's own table when not given. */
      configMap: optional(text()),
      /** vGPUs of each type on one GPU. */
      devices: optional(dictionary(integer())),
    }),
  ),
  /** The vGPU manager image that the operator pulls, and how to build it. */
  vgpuManager: optional(
    exactShape({
      repository: text(),
      version: text(),
      image: optional(text()),
      imagePullSecrets: optional(list(text())),
      /** Operating system of the nodes, `ubuntu22.04`: with it the build script is rendered too. */
      osTag: optional(text()),
      cudaVersion: optional(text()),
    }),
  ),
  /** Strategic merge patch over the VM: everything KubeVirt can say and the neutral words cannot. */
  patch: optional(dictionary(anything())),
});

/** `spec.providerOptions.kubevirt`. */
export type KubeVirtOptions = Infer<typeof schema>;

/** Reads the options of the intent. Throws `bad-input` for unknown keys and wrong types. */
export function kubeVirtOptions(intent: GpuVm): KubeVirtOptions {
  return check(
    schema,
    intent.spec.providerOptions?.kubevirt ?? {},
    'spec.providerOptions.kubevirt is not right',
  );
}

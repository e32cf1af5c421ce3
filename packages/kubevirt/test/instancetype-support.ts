import type { Manifest } from '../src/translate/manifest.ts';

export const a10 = 'nvidia.com/GA102GL_A10';

export const instancetype = (spec: object, name = 'gpu.large'): Manifest => ({
  apiVersion: 'instancetype.kubevirt.io/v1beta1',
  kind: 'VirtualMachineClusterInstancetype',
  metadata: { name },
  spec: { cpu: { guest: 4 }, memory: { guest: '8Gi' }, ...spec },
});

export const preference = (spec: object, name = 'linux'): Manifest => ({
  apiVersion: 'instancetype.kubevirt.io/v1beta1',
  kind: 'VirtualMachineClusterPreference',
  metadata: { name },
  spec,
});

/** A VM that names `gpu.large` and `linux`; `vmi` is its instance's spec. */
export const namingVm = (vmi: object = {}, spec: object = {}): Manifest => ({
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachine',
  metadata: { name: 'train-1', namespace: 'vms' },
  spec: {
    runStrategy: 'Always',
    instancetype: { name: 'gpu.large' },
    preference: { name: 'linux' },
    template: { metadata: {}, spec: { domain: { devices: {} }, ...vmi } },
    ...spec,
  },
});

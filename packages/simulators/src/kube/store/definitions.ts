import type { KubeObject } from '../types.ts';

type Row = readonly [
  group: string,
  versions: string,
  kind: string,
  plural: string,
  flags: string,
  short?: string,
];

/**
 * CustomResourceDefinitions by the product that brings them. Versions: the stored one first. Flags: n namespaced,
 * s status subresource (a VirtualMachineInstance has none: kubevirt v1.9.0).
 */
const products = {
  kubevirt: [
    ['kubevirt.io', 'v1,v1alpha3', 'KubeVirt', 'kubevirts', 'ns', 'kv'],
    ['kubevirt.io', 'v1,v1alpha3', 'VirtualMachine', 'virtualmachines', 'ns', 'vm'],
    ['kubevirt.io', 'v1,v1alpha3', 'VirtualMachineInstance', 'virtualmachineinstances', 'n', 'vmi'],
    ['instancetype.kubevirt.io', 'v1beta1', 'VirtualMachineInstancetype', 'virtualmachineinstancetypes', 'n'],
    [
      'instancetype.kubevirt.io',
      'v1beta1',
      'VirtualMachineClusterInstancetype',
      'virtualmachineclusterinstancetypes',
      '',
    ],
    ['instancetype.kubevirt.io', 'v1beta1', 'VirtualMachinePreference', 'virtualmachinepreferences', 'n'],
    [
      'instancetype.kubevirt.io',
      'v1beta1',
      'VirtualMachineClusterPreference',
      'virtualmachineclusterpreferences',
      '',
    ],
  ],
  hco: [['hco.kubevirt.io', 'v1beta1,v1', 'HyperConverged', 'hyperconvergeds', 'ns', 'hco']],
  'gpu-operator': [['nvidia.com', 'v1', 'ClusterPolicy', 'clusterpolicies', 's']],
  cdi: [['cdi.kubevirt.io', 'v1beta1', 'DataVolume', 'datavolumes', 'ns', 'dv']],
} as const satisfies Record<string, readonly Row[]>;

export type Product = keyof typeof products;

/** The CustomResourceDefinitions of a product, as its installation makes them. */
export function definitionsOf(product: Product): readonly KubeObject[] {
  return products[product].map(([group, versions, kind, plural, flags, short]: Row) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: flags.includes('n') ? 'Namespaced' : 'Cluster',
      names: { kind, plural, singular: kind.toLowerCase(), ...(short && { shortNames: [short] }) },
      versions: versions.split(',').map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        ...(flags.includes('s') && { subresources: { status: {} } }),
      })),
    },
    status: {
      conditions: [
        { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts' },
        { type: 'Established', status: 'True', reason: 'InitialNamesAccepted' },
      ],
    },
  }));
}

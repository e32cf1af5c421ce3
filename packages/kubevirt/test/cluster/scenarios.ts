/** Clusters that differ from the sample: other distributions, other ways to hand out GPUs. */
import {
  type KubeObject,
  type Scenario,
  sampleKubeVirt,
  sampleNamespace,
  sampleNode,
  sampleScenario,
} from '@vmgpu/simulators/kube';

/** KubeVirt lives elsewhere than in `kubevirt`. */
export function withKubeVirtIn(namespace: string, cr: KubeObject = sampleKubeVirt()): Scenario {
  const { objects = [], ...rest } = sampleScenario();
  const moved = { ...cr, metadata: { ...cr.metadata, namespace } };
  const others = objects.filter(({ kind }) => kind !== 'KubeVirt');
  return { ...rest, objects: [...others, sampleNamespace(namespace), moved] };
}

/** OpenShift Virtualization: HyperConverged owns the KubeVirt object. */
export function openShift(hcoSpec: object = {}): Scenario {
  const namespace = 'openshift-cnv';
  const cr = sampleKubeVirt();
  const owned = { ...cr, metadata: { name: 'kubevirt-kubevirt-hyperconverged' } };
  const { objects = [], products = [], ...rest } = withKubeVirtIn(namespace, owned);
  const hco: KubeObject = {
    apiVersion: 'hco.kubevirt.io/v1beta1',
    kind: 'HyperConverged',
    metadata: { name: 'kubevirt-hyperconverged', namespace },
    spec: hcoSpec,
  };
  return { ...rest, products: [...products, 'hco'], objects: [...objects, hco] };
}

/** One whole GPU as NVIDIA's DRA driver offers it (dra-driver-nvidia-gpu, cmd/gpu-kubelet-plugin/deviceinfo.go). */
export interface VfioGpu {
  readonly node: string;
  /** `0000:65:00.0` */
  readonly address: string;
  /** `0x2236` */
  readonly deviceID: string;
  readonly productName: string;
}

export const a10s: readonly VfioGpu[] = ['gpu-1', 'gpu-2'].flatMap((node) =>
  ['0000:65:00.0', '0000:b3:00.0'].map((address) => ({
    node,
    address,
    deviceID: '0x2236',
    productName: 'GA102GL [A10]',
  })),
);

/** No GPU Operator: NVIDIA's DRA driver publishes the GPUs, and KubeVirt takes them by claims. */
export function draCluster(gpus = a10s, deviceClass = vfioClass()): Scenario {
  const nodes = [...new Set(gpus.map(({ node }) => node))];
  return {
    products: ['kubevirt', 'cdi'],
    objects: [
      ...['default', 'kubevirt', 'vms'].map(sampleNamespace),
      sampleNode('cpu-1'),
      ...nodes.map((name) => sampleNode(name, { nvidia: true })),
      sampleKubeVirt(),
      deviceClass,
      ...nodes.map((node) =>
        resourceSlice(
          node,
          gpus.filter((gpu) => gpu.node === node),
        ),
      ),
    ],
  };
}

/** The class as the driver's chart makes it. */
export const vfioClass = (expressions = vfioOnly): KubeObject => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'DeviceClass',
  metadata: { name: 'vfio.gpu.nvidia.com' },
  spec: { selectors: expressions.map((expression) => ({ cel: { expression } })) },
});

const vfioOnly = ["device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'vfio'"];

function resourceSlice(node: string, gpus: readonly VfioGpu[]): KubeObject {
  const devices = gpus.map(({ address, deviceID, productName }, index) => ({
    name: `gpu-vfio-${index}`,
    attributes: {
      type: { string: 'vfio' },
      uuid: { string: `${node}-${index}` },
      deviceID: { string: deviceID },
      vendorID: { string: '0x10de' },
      productName: { string: productName },
      iommuFDEnabled: { bool: false },
      'resource.kubernetes.io/pciBusID': { string: address },
    },
    capacity: { addressableMemory: { value: '32Gi' } },
  }));
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: `${node}-gpu.nvidia.com` },
    spec: {
      driver: 'gpu.nvidia.com',
      nodeName: node,
      pool: { name: node, generation: 1, resourceSliceCount: 1 },
      devices,
    },
  };
}

import { type GpuDevice, isUnknown } from '@vmgpu/core';
import {
  everyMode,
  fault,
  hostCheck,
  pass,
  passthrough,
  seen,
  skip,
  some,
  unclear,
  vgpu,
  warn,
} from './check.ts';
import { isKubernetes, isVfioDriver } from './drivers-in-use.ts';

const notKubernetes = 'This host is not meant as a Kubernetes node.';

const oneMode = hostCheck('K01', 'One purpose per node', 'blocker', everyMode, (facts, subject) => {
  if (!isKubernetes(subject)) return skip(notKubernetes);
  const gpus = facts.gpus.filter(({ vendor, role }) => vendor === 'nvidia' && role === 'physical');
  const unread = gpus.find(({ driver }) => isUnknown(driver));
  if (unread && isUnknown(unread.driver)) return unclear(`the driver of ${unread.address}`, unread.driver);
  const onVfio = (gpu: GpuDevice) => typeof gpu.driver === 'string' && isVfioDriver(gpu.driver);
  const given = gpus.filter(onVfio);
  const used = gpus.filter(({ driver }) => driver === 'nvidia');
  const evidence = gpus.map(({ address, driver }) =>
    seen(`/sys/bus/pci/devices/${address}/driver`, String(driver ?? 'none')),
  );
  return given.length === 0 || used.length === 0
    ? pass('All NVIDIA GPUs of the node serve one purpose.', ...evidence)
    : fault(
        `The GPU Operator gives a node one purpose (label nvidia.com/gpu.workload.config), but ${some(given.map(({ address }) => address))} is set up for virtual machines and ${some(used.map(({ address }) => address))} for the host's driver.`,
        evidence,
        'Prepare all GPUs of the node for the same purpose, or take the node out of the hands of the GPU Operator.',
      );
});

const hostDriver = hostCheck(
  'K02',
  'No NVIDIA driver on the host',
  'blocker',
  passthrough,
  (facts, subject) => {
    if (!isKubernetes(subject)) return skip(notKubernetes);
    const { smiPresent } = facts.nvidia;
    if (isUnknown(smiPresent)) return unclear('whether nvidia-smi is installed', smiPresent);
    if (!smiPresent)
      return pass('The host has no NVIDIA driver of its own.', seen('command -v nvidia-smi', 'not found'));
    const judgement = [
      'The host has nvidia-smi. The GPU Operator takes that for a driver it must respect, labels the node pre-installed and does not bind its GPUs to vfio-pci.',
      [seen('command -v nvidia-smi', 'found')],
      'Remove the NVIDIA packages from the host, then remove the label nvidia.com/gpu.deploy.driver from the node.',
    ] as const;
    const bound = subject.devices.every(({ driver }) => typeof driver === 'string' && isVfioDriver(driver));
    return bound ? warn(...judgement) : fault(...judgement);
  },
);

const mdevConfiguration = hostCheck(
  'K03',
  'KubeVirt leaves mediated devices alone',
  'warning',
  vgpu,
  (_facts, subject) =>
    isKubernetes(subject)
      ? {
          status: 'unknown',
          why: 'Whether KubeVirt has the feature gate DisableMDEVConfiguration stands in the cluster, not on the host. It is needed when the GPU Operator makes the vGPUs, or KubeVirt removes them.',
          evidence: [seen('KubeVirt resource', 'not part of a host capture')],
          remedy: 'Let `vmgpu inventory --from kubevirt` look, or plan against the cluster.',
          automatic: false,
        }
      : skip(notKubernetes),
);

/** What the GPU Operator and KubeVirt expect of a node. */
export const kubernetesChecks = [oneMode, hostDriver, mdevConfiguration];

import type { StatusCause } from '../api/status.ts';
import type { Cluster } from '../cluster.ts';
import { clone } from '../json.ts';
import type { Dict, KubeObject } from '../types.ts';

export interface Expanded {
  /** The template's spec with the instance type's CPUs, memory and devices in it. */
  readonly spec: Dict;
  readonly causes: readonly StatusCause[];
}

const group = 'instancetype.kubevirt.io';

/** The instance that a VM with an instance type stands for; both naming the same thing is a conflict. */
export function instanceOf(cluster: Cluster, { metadata, spec: vm }: KubeObject): Expanded {
  const spec: Dict = clone(vm?.template?.spec ?? {});
  const wanted = vm?.instancetype;
  if (!wanted?.name) return { spec, causes: [] };
  const isCluster = String(wanted.kind ?? 'VirtualMachineClusterInstancetype').includes('Cluster');
  const plural = isCluster ? 'virtualmachineclusterinstancetypes' : 'virtualmachineinstancetypes';
  const found = cluster.get(`${plural}.${group}`, isCluster ? undefined : metadata.namespace, wanted.name);
  if (found === undefined) {
    const message = `Failure to find instancetype: ${plural}.${group} "${wanted.name}" not found`;
    return { spec, causes: [{ reason: 'FieldValueNotFound', field: 'spec.instancetype', message }] };
  }
  const { cpu, memory, gpus, hostDevices } = found.spec ?? {};
  const domain: Dict = spec.domain ?? {};
  const devices: Dict = domain.devices ?? {};
  const clashes = [
    cpu && domain.cpu?.cores && 'domain.cpu.cores',
    memory && domain.memory?.guest && 'domain.memory',
    gpus?.length && devices.gpus?.length && 'domain.devices.gpus',
    hostDevices?.length && devices.hostDevices?.length && 'domain.devices.hostDevices',
  ].filter(Boolean);
  const causes = clashes.map((place) => ({
    reason: 'FieldValueInvalid',
    field: `spec.template.spec.${place}`,
    message: `VM field(s) spec.template.spec.${place} conflicts with selected instance type`,
  }));
  spec.domain = {
    ...domain,
    cpu: {
      ...domain.cpu,
      sockets: cpu?.guest ?? 1,
      ...(cpu?.dedicatedCPUPlacement && { dedicatedCpuPlacement: true }),
    },
    memory: { ...domain.memory, guest: memory?.guest },
    devices: { ...devices, ...(gpus?.length && { gpus }), ...(hostDevices?.length && { hostDevices }) },
  };
  return { spec, causes };
}

import { devicesOf, gateIsOn, isArm, isClaimed } from '../admission/input.ts';
import { dicts } from '../json.ts';
import { mebi, quantity } from '../quantity.ts';
import type { KubeVirtConfiguration } from '../scenario.ts';
import type { Dict } from '../types.ts';

export interface LauncherResources {
  readonly limits: Record<string, string>;
  readonly requests: Record<string, string>;
  readonly claims: readonly Dict[];
  readonly nodeSelector: Record<string, string>;
  readonly overhead: string;
}

/** The text with which virt-controller gives up rendering a launcher pod. */
export class RenderFailure extends Error {}

const lists = [
  ['gpus', 'GPU', 'GPUsWithDRA'],
  ['hostDevices', 'HostDevice', 'HostDevicesWithDRA'],
] as const;

/**
 * What the `compute` container of the launcher pod asks for (kubevirt v1.9.0, pkg/virt-controller/services, as run on
 * recorded cases). Throws RenderFailure for a device that is not permitted.
 */
export function launcherResources(spec: Dict, configuration: KubeVirtConfiguration): LauncherResources {
  const { cpu = {}, memory = {}, resources = {}, devices = {}, machine } = spec.domain ?? {};
  const dedicated = cpu.dedicatedCpuPlacement === true;
  const cpus = (cpu.cores ?? 1) * (cpu.sockets ?? 1) * (cpu.threads ?? 1);
  const overhead = overheadMebi(spec, cpus, dedicated);
  const { limits, claims } = deviceLimits(spec, configuration);
  const guest = resources.requests?.memory ?? memory.guest;
  const pageSize = memory.hugepages?.pageSize;
  const onPages = pageSize ? 0 : quantity(guest) / mebi;
  const total = `${Math.ceil(onPages + overhead)}Mi`;

  limits['devices.kubevirt.io/kvm'] = '1';
  limits['devices.kubevirt.io/tun'] = '1';
  if (devices.interfaces?.length > 0) limits['devices.kubevirt.io/vhost-net'] = '1';
  if (gateIsOn(configuration, 'IOMMUFD')) limits['devices.kubevirt.io/iommufd'] = '1';
  if (pageSize) limits[`hugepages-${pageSize}`] = String(guest ?? pageSize);
  const requests: Record<string, string> = { ...limits, 'ephemeral-storage': '50M', memory: total };
  requests.cpu = dedicated ? String(cpus) : (resources.requests?.cpu ?? `${cpus * 100}m`);
  if (dedicated) Object.assign(limits, { cpu: String(cpus), memory: total });

  const type = machine?.type ?? (isArm(spec) ? 'virt' : 'q35');
  const nodeSelector = {
    ...spec.nodeSelector,
    'kubevirt.io/schedulable': 'true',
    'kubernetes.io/arch': spec.architecture || 'amd64',
    [`machine-type.node.kubevirt.io/${type}`]: 'true',
    ...(dedicated && { 'kubevirt.io/cpumanager': 'true' }),
  };
  return { limits, requests, claims, nodeSelector, overhead: `${overhead}Mi` };
}

/** Memory beside the guest's own: 260 MiB, 8 for a virtual CPU, 32 for graphics (in the 260), 1 GiB for VFIO. */
function overheadMebi(spec: Dict, cpus: number, dedicated: boolean): number {
  const { devices = {}, memory = {} } = spec.domain ?? {};
  const usesVfio = devices.gpus?.length > 0 || devices.hostDevices?.length > 0;
  return (
    260 +
    8 * cpus +
    (usesVfio ? 1024 : 0) +
    (dedicated ? 100 : 0) +
    (isArm(spec) ? 128 : 0) -
    (devices.autoattachGraphicsDevice === false ? 32 : 0) +
    Math.ceil(quantity(memory.reservedOverhead?.addedOverhead) / mebi)
  );
}

function deviceLimits(spec: Dict, configuration: KubeVirtConfiguration) {
  const limits: Record<string, string> = {};
  const claims: Dict[] = [];
  const allowed = configuration.permittedHostDevices;
  const names = ['pciHostDevices', 'mediatedDevices', 'usb'].flatMap((list) =>
    dicts(allowed?.[list]).map(({ resourceName }) => resourceName),
  );
  for (const [list, what, gate] of lists) {
    for (const device of devicesOf(spec, list)) {
      const { deviceName = '', claimName, requestName } = device;
      if (isClaimed(device) && gateIsOn(configuration, gate)) {
        if (deviceName === '' && claimName)
          claims.push({ name: claimName, ...(requestName && { request: requestName }) });
        continue;
      }
      if (allowed !== undefined && !names.includes(deviceName)) {
        throw new RenderFailure(
          `${what} ${deviceName} is not permitted in permittedHostDevices configuration`,
        );
      }
      limits[deviceName] = String(Number(limits[deviceName] ?? 0) + 1);
    }
  }
  return { limits, claims };
}

import type { GpuVm, HostRequirement, HostRequirementDevice } from '@vmgpu/core';
import { parseBytes } from '@vmgpu/core';
import { snippetOf } from './cloud-init.ts';
import type { WantedDevice } from './gpu-devices.ts';
import type { ProxmoxNode } from './inventory.ts';
import type { ProxmoxOptions } from './provider-options.ts';

/** What the node must offer before the VM can start. */
export function requirementsOf(
  intent: GpuVm,
  devices: readonly WantedDevice[],
  node: ProxmoxNode | undefined,
  native: ProxmoxOptions,
): readonly HostRequirement[] {
  const host = node?.name ?? native.node;
  const at = host === undefined ? {} : { host };
  const { spec } = intent;
  const gpus = (spec.gpus ?? []).flatMap((request, index): HostRequirement[] => {
    const path = `spec.gpus[${index}]`;
    const mode = request.mode === 'vgpu' ? 'vm-vgpu' : 'vm-passthrough';
    const common = { ...at, mode, path } as const;
    const wanted = devices.find(({ name }) => name === request.name);
    const device = deviceOf(request.device?.id, request.device?.address, wanted);
    const iommu: HostRequirement = {
      kind: 'iommu',
      ...common,
      why: 'Proxmox VE passes devices through VFIO, which needs an active IOMMU',
    };
    if (request.mode === 'passthrough') {
      if (!device || wanted?.device.driver === 'keep') return [iommu];
      const { companions } = request;
      return [
        iommu,
        {
          kind: 'driver',
          ...common,
          driver: 'vfio-pci',
          device: { ...device, ...(companions === undefined ? {} : { companions }) },
          why: 'the node must not use the card when the VM starts',
        },
      ];
    }
    const count = request.count ?? 1;
    const onVirtualFunctions = wanted?.candidates.some((item) => item.physfn !== undefined);
    const profile: HostRequirement = {
      kind: 'vgpu-profile',
      ...common,
      profile: request.profile,
      count,
      ...(device ? { device } : {}),
      why: 'the vGPU is made when the VM starts',
    };
    return onVirtualFunctions && device
      ? [
          iommu,
          {
            kind: 'virtual-functions',
            ...common,
            device,
            why: 'this card makes vGPUs on its virtual functions only',
          },
          profile,
        ]
      : [iommu, profile];
  });
  return [...gpus, ...hugepages(intent, at), ...snippet(intent, at, native)];
}

function deviceOf(
  id: string | undefined,
  address: string | undefined,
  wanted: WantedDevice | undefined,
): HostRequirementDevice | undefined {
  if (address !== undefined) return { address };
  if (id !== undefined) return { id };
  const first = wanted?.candidates[0];
  if (first) return { id: `${first.vendor}:${first.device}`.replaceAll('0x', '') };
  const host = wanted?.device.host;
  return host !== undefined && /\.\w$/.test(host) && !host.includes(';') ? { address: host } : undefined;
}

function hugepages({ spec }: GpuVm, at: { readonly host?: string }): HostRequirement[] {
  if (spec.hugepages === undefined || spec.memory === undefined) return [];
  return [
    {
      kind: 'hugepages',
      ...at,
      mode: 'vm-passthrough',
      pageSize: parseBytes(spec.hugepages),
      total: parseBytes(spec.memory),
      path: 'spec.hugepages',
      why: 'the guest’s memory is taken from huge pages',
    },
  ];
}

function snippet(intent: GpuVm, at: { readonly host?: string }, native: ProxmoxOptions): HostRequirement[] {
  if (intent.spec.userData === undefined) return [];
  const { storage, file } = snippetOf(intent.metadata.name, native);
  return [
    {
      kind: 'config-file',
      ...at,
      mode: 'vm-passthrough',
      file: storage === 'local' ? `/var/lib/vz/snippets/${file}` : `${storage}:snippets/${file}`,
      restart: [],
      path: 'spec.userData',
      why: 'cloud-init reads its user data from a snippet, which the API cannot upload',
    },
  ];
}

import type { GpuDevice, GpuVm, GpuVmSpec, HostInventory, PciAddress, PciId, Plan } from '@vmgpu/core';
import { apiVersion } from '@vmgpu/core';
import type { FlavorState, OpenStackNative, ServerState } from '../src/index.ts';

export function vm(spec: GpuVmSpec, name = 'train-1'): GpuVm {
  return { apiVersion, kind: 'GpuVm', metadata: { name }, spec };
}

export const full: GpuVmSpec = {
  cpu: { cores: 16 },
  memory: '64GiB',
  disks: [{ name: 'root', size: '100GiB', image: 'ubuntu-24.04' }],
};

export function gpu(address: string, id: string, more: Partial<GpuDevice> = {}): GpuDevice {
  return {
    address: address as PciAddress,
    id: id as PciId,
    class: '0302',
    driver: 'nvidia',
    iommuGroup: 1,
    numaNode: 0,
    vendor: 'nvidia',
    role: 'physical',
    virtualFunctions: [],
    sriovTotal: null,
    companions: [],
    groupNeighbours: [],
    bootVga: false,
    resetMethods: ['flr'],
    bars: [],
    vgpuFramework: 'none',
    vgpuTypes: [],
    ...more,
  };
}

export function host(name: string, ...gpus: readonly GpuDevice[]): HostInventory {
  return { host: name, gpus };
}

/** A server as Nova would answer it after the plan was carried out. */
export function nativeOf(plan: Plan): OpenStackNative {
  const after = <T>(kind: string) => plan.steps.find((step) => step.kind === kind)?.after as T | undefined;
  const state = after<FlavorState>('openstack.flavor');
  const server = after<ServerState>('openstack.server');
  const image = after<{ properties: Record<string, string> }>('openstack.image-properties');
  if (state === undefined || server === undefined) throw new Error('the plan makes no server');
  const { name, networks, imageRef, metadata, user_data, ...rest } = server.server;
  const names = (text: unknown) => String(text).replace(/^\$\{\w+:(.*)\}$/, '$1');
  const addresses =
    networks === 'none'
      ? {}
      : Array.isArray(networks)
        ? Object.fromEntries(networks.map((network: { uuid: string }) => [names(network.uuid), []]))
        : undefined;
  const zone = rest.availability_zone;
  const {
    id: _,
    name: flavorName,
    swap = 0,
    'OS-FLV-EXT-DATA:ephemeral': ephemeral = 0,
    ...sizes
  } = state.flavor;
  return {
    server: {
      ...rest,
      id: '6f1c1f9e-0000-4000-8000-000000000001',
      name,
      flavor: { ...sizes, original_name: flavorName, swap, ephemeral, extra_specs: state.extraSpecs },
      image: { id: 'an-id' },
      metadata: metadata ?? {},
      ...(addresses === undefined ? {} : { addresses }),
      ...(user_data === undefined ? {} : { 'OS-EXT-SRV-ATTR:user_data': user_data }),
      ...(zone === undefined ? {} : { 'OS-EXT-AZ:availability_zone': zone }),
    },
    image: { id: 'an-id', name: names(imageRef), ...image?.properties },
  } as OpenStackNative;
}

export function codes(plan: Plan, kind?: string): readonly string[] {
  return plan.diagnostics.filter((one) => kind === undefined || one.kind === kind).map(({ code }) => code);
}

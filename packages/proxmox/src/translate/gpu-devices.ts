/** Which device, mapping and mediated type each wanted GPU becomes. */
import {
  type Catalog,
  type GpuRequest,
  isHostTypeId,
  nearest,
  tryParsePciAddress,
  tryParseVgpuProfile,
  type VgpuRequest,
} from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { candidatesOf, checkGroups, devicePath } from './gpu-candidates.ts';
import { mapped, type ResolvedGpu, reportTooFew } from './gpu-mappings.ts';
import type { HostPci } from './hostpci.ts';
import { functionsAt, type PciItem, type ProxmoxNode } from './inventory.ts';
import type { PciMapping } from './mapping.ts';
import type { ProxmoxOptions } from './provider-options.ts';

export interface GpuContext {
  readonly nodes: readonly ProxmoxNode[];
  /** Node the VM lies on, when it is known. */
  readonly node: ProxmoxNode | undefined;
  readonly mappings: readonly PciMapping[] | undefined;
  readonly native: ProxmoxOptions;
  readonly catalog: Catalog | undefined;
  readonly report: Report;
}

/** One wanted hostpci. */
export interface WantedDevice {
  readonly name: string;
  readonly path: string;
  readonly index?: number;
  readonly device: HostPci;
  /** Functions that can become this device on the chosen node; empty when that is not known. */
  readonly candidates: readonly PciItem[];
}

export interface ResolvedGpus {
  readonly devices: readonly WantedDevice[];
  /** Mappings to create or extend, as they shall be. */
  readonly mappings: readonly PciMapping[];
}

/** Resolves all wanted GPUs of a VM. */
export function resolveGpus(requests: readonly GpuRequest[], context: GpuContext): ResolvedGpus {
  const mappings = new Map<string, PciMapping>();
  const known = context.mappings ?? [];
  const devices = requests.flatMap((request, position) => {
    const path = `spec.gpus[${position}]`;
    const current = [...mappings.values(), ...known.filter((mapping) => !mappings.has(mapping.id))];
    const resolved = resolveGpu(request, path, { ...context, mappings: context.mappings && current });
    if (resolved.mapping) mappings.set(resolved.mapping.id, resolved.mapping);
    const { index, ...keys } = context.native.hostpci?.[request.name] ?? {};
    return Array.from({ length: request.count ?? 1 }, (_, n): WantedDevice => {
      const device: HostPci = {
        ...resolved.device,
        ...(resolved.hosts ? { host: resolved.hosts[n] ?? '' } : {}),
        ...keys,
      };
      return {
        name: request.name,
        path,
        ...(index === undefined ? {} : { index: index + n }),
        device,
        candidates: resolved.candidates,
      };
    });
  });
  return { devices, mappings: [...mappings.values()] };
}

function resolveGpu(request: GpuRequest, path: string, context: GpuContext): ResolvedGpu {
  const keys = context.native.hostpci?.[request.name] ?? {};
  const items = context.node?.pci ?? [];
  const mdev = request.mode === 'vgpu' ? mediatedType(request, path, context) : {};
  if (request.mode === 'vgpu' && request.display !== undefined) {
    context.report.add(
      'unsupported',
      'vgpu-display',
      `${path}.display`,
      'Proxmox VE cannot show a vGPU on the VM’s console',
      'use a remote desktop inside the guest, with providerOptions.proxmox.options.vga: none',
    );
  }
  if (keys.host !== undefined || keys.mapping !== undefined) {
    return {
      device: mdev,
      candidates:
        keys.host === undefined ? [] : keys.host.split(';').flatMap((part) => functionsAt(items, part)),
    };
  }
  checkBoard(request, path, context);
  const candidates = candidatesOf(request, path, context.node, context, mdev.mdev);
  checkGroups(candidates, path, context);
  if (context.native.raw) return rawAddresses(request, path, candidates, items, mdev, context);
  return mapped(request, path, candidates, mdev, context);
}

function checkBoard({ device }: GpuRequest, path: string, { catalog, report }: GpuContext): void {
  if (device?.board === undefined || (catalog && catalog.boardsByName(device.board).length > 0)) return;
  const guesses = nearest(
    device.board,
    (catalog?.boards ?? []).map(({ name }) => name),
  );
  report.add(
    'blocked',
    'board-unknown',
    `${path}.device.board`,
    catalog ? `the catalogue has no board ${device.board}` : 'board names need the catalogue',
    guesses.length > 0 ? `did you mean ${guesses.join(' or ')}?` : 'give the id: vendor:device',
  );
}

function rawAddresses(
  request: GpuRequest,
  path: string,
  candidates: readonly PciItem[],
  items: readonly PciItem[],
  device: HostPci,
  { report }: GpuContext,
): ResolvedGpu {
  const count = request.count ?? 1;
  const selected =
    request.device?.address === undefined ? undefined : tryParsePciAddress(request.device.address);
  const paths =
    candidates.length > 0
      ? candidates.map((gpu) => devicePath(request, items, gpu))
      : selected
        ? [selected]
        : [];
  // Mediated devices of the classic kind share their parent.
  const shared = request.mode === 'vgpu' && candidates.some((gpu) => !gpu.nvidia);
  const hosts = shared ? Array.from({ length: count }, (_, n) => paths[n % paths.length] ?? '') : paths;
  if (hosts.length < count) reportTooFew(count, paths.length, path, report);
  return { device, hosts, candidates };
}

/** The mediated type on the chosen node: by the profile's name, which is stable, not by its number, which is not. */
function mediatedType(request: VgpuRequest, path: string, { node, native, report }: GpuContext): HostPci {
  const given = native.hostpci?.[request.name]?.mdev;
  if (given !== undefined) return { mdev: given };
  const wanted = tryParseVgpuProfile(request.profile)?.short ?? request.profile;
  const offered = Object.values(node?.mdevTypes ?? {}).flat();
  const ids = new Set(
    offered
      .filter(
        ({ type, name }) =>
          type === request.profile ||
          (name !== undefined && (tryParseVgpuProfile(name)?.short ?? name) === wanted),
      )
      .map(({ type }) => type),
  );
  const [type] = ids;
  if (type !== undefined) return { mdev: type };
  if (isHostTypeId(request.profile)) return { mdev: request.profile };
  const names = [...new Set(offered.map(({ type: id, name }) => name ?? id))].sort();
  report.add(
    'blocked',
    'profile-unresolved',
    `${path}.profile`,
    names.length > 0
      ? `no device of ${node?.name} offers ${request.profile}; there are ${names.join(', ')}`
      : `the type id of ${request.profile} on the node is not known`,
    names.length > 0
      ? 'choose one of these, or another node'
      : 'give a snapshot that lists the node’s mediated types, or the type id itself in providerOptions.proxmox.hostpci',
  );
  return {};
}

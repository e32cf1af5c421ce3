import type { GpuVm, GpuVmSpec } from '@vmgpu/core';
import { toQuantity } from './amounts.ts';
import type { Report } from './diagnostics.ts';
import { buildDisk } from './disks.ts';
import { buildGpus, type PlacedGpu } from './gpus.ts';
import { compact, dnsLabel, type Json, type Manifest } from './manifest.ts';
import type { KubeVirtOptions } from './options.ts';
import { applyPatch } from './patch.ts';

/** Longest user data that may stand in the VM itself, in bytes (kubevirt v1.9.0, VMI create admitter). */
export const inlineUserDataLimit = 2048;
export const cloudInitDisk = 'cloudinitdisk';
/** Annotation in which OpenShift's templates name the guest's system; KubeVirt has no field for it. */
export const guestOsAnnotation = 'vm.kubevirt.io/os';

export interface BuiltVm {
  readonly manifest: Manifest;
  /** Secret with the user data, when it is too long to stand in the VM. */
  readonly secret?: Manifest;
  /** DataVolumes that must be there first; a VirtualMachine carries its own as templates. */
  readonly dataVolumes: readonly Manifest[];
}

/** What stands above the VM's own words: where it lies, and claims that the plan makes for it. */
export interface VmFrame {
  readonly namespace: string;
  readonly resourceClaims: readonly Json[];
}

/**
 * The VirtualMachine (or VirtualMachineInstance) of an intent. Only what the intent says, and four things that KubeVirt
 * or the GPU forces: `runStrategy` (required; RerunOnFailure, so that a guest that shuts itself down stays down),
 * `evictionStrategy: None` with GPUs (a VM with a VFIO device cannot move, and a drain would hang), `secureBoot` beside UEFI
 * (KubeVirt's default true needs SMM) and a bus for disks. The options' patch comes last.
 */
export function buildVm(
  intent: GpuVm,
  options: KubeVirtOptions,
  placed: readonly PlacedGpu[],
  frame: VmFrame,
  report: Report,
): BuiltVm {
  const { spec } = intent;
  const { name, labels } = intent.metadata;
  const kind = options.kind ?? 'VirtualMachine';
  const owner = { name, namespace: frame.namespace, dataVolumes: options.dataVolumes ?? {} };
  const disks = (spec.disks ?? []).map((disk, index) =>
    buildDisk(disk, `spec.disks[${index}]`, owner, report),
  );
  const cloudInit = buildCloudInit(intent, frame.namespace);
  const lists = buildGpus(placed, options, report);
  const networks = (spec.networks ?? []).map(({ name: network }, index) =>
    buildNetwork(network, `spec.networks[${index}]`, report),
  );
  const templates = disks.flatMap(({ template }) => (template === undefined ? [] : [template]));
  const vmiSpec = compact({
    architecture: spec.machine?.startsWith('virt') ? 'arm64' : undefined,
    domain: buildDomain(spec, options, report, {
      disks: filled([...disks.map(({ disk }) => disk), ...cloudInit.disks]),
      interfaces: filled(networks.map(({ iface }) => iface)),
      gpus: filled(lists.gpus),
      hostDevices: filled(lists.hostDevices),
      // Without it KubeVirt gives a VM that names no network the pod's.
      autoattachPodInterface: spec.networks?.length === 0 ? false : undefined,
    }),
    evictionStrategy: placed.length > 0 ? 'None' : undefined,
    networks: filled(networks.map(({ network }) => network)),
    resourceClaims: filled(frame.resourceClaims),
    volumes: filled([...disks.map(({ volume }) => volume), ...cloudInit.volumes]),
  });
  const metadata = compact({ name, namespace: frame.namespace, labels });
  const annotations =
    spec.guestOs === undefined ? {} : { annotations: { [guestOsAnnotation]: spec.guestOs } };
  const base =
    kind === 'VirtualMachine'
      ? {
          apiVersion: 'kubevirt.io/v1',
          kind,
          metadata,
          spec: compact({
            runStrategy: 'RerunOnFailure',
            dataVolumeTemplates: filled(templates),
            template: { metadata: annotations, spec: vmiSpec },
          }),
        }
      : { apiVersion: 'kubevirt.io/v1', kind, metadata: { ...metadata, ...annotations }, spec: vmiSpec };
  return {
    manifest: applyPatch(base, options.patch ?? {}) as Manifest,
    ...(cloudInit.secret === undefined ? {} : { secret: cloudInit.secret }),
    dataVolumes:
      kind === 'VirtualMachine'
        ? []
        : templates.map(({ metadata: own, spec: dataVolume }) => ({
            apiVersion: 'cdi.kubevirt.io/v1beta1',
            kind: 'DataVolume',
            metadata: { ...(own as Json), namespace: frame.namespace },
            spec: dataVolume,
          })),
  };
}

function buildDomain(spec: GpuVmSpec, options: KubeVirtOptions, report: Report, lists: Json): Json {
  const memory = spec.memory === undefined ? undefined : toQuantity(spec.memory);
  const asRequest = options.memoryField === 'requests';
  const firmware = buildFirmware(spec, report);
  return compact({
    cpu: buildCpu(spec, report),
    devices: compact({ ...lists, tpm: spec.firmware?.tpm === true ? {} : undefined }),
    features: filledObject(
      compact({
        kvm: spec.hideHypervisor === undefined ? undefined : { hidden: spec.hideHypervisor },
        smm: firmware.secure ? { enabled: true } : undefined,
      }),
    ),
    firmware: firmware.bootloader && { bootloader: firmware.bootloader },
    machine: buildMachine(spec.machine, report),
    memory: filledObject(
      compact({
        guest: asRequest ? undefined : memory,
        hugepages: spec.hugepages === undefined ? undefined : { pageSize: toQuantity(spec.hugepages) },
      }),
    ),
    resources: asRequest && memory !== undefined ? { requests: { memory } } : undefined,
  });
}

function buildCpu({ cpu, numa, hugepages }: GpuVmSpec, report: Report): Json | undefined {
  const { cores, sockets, threads, model, dedicated } = cpu ?? {};
  const share = (sockets ?? 1) * (threads ?? 1);
  if (cores !== undefined && cores % share !== 0) {
    const message = `${cores} virtual CPUs cannot be dealt evenly to ${sockets ?? 1} sockets of ${threads ?? 1} threads a core`;
    report('blocked', 'cpu-topology', 'spec.cpu', message, 'make cores a multiple of sockets × threads');
  }
  const affinity = numa?.gpuAffinity ?? 'none';
  const path = 'spec.numa.gpuAffinity';
  const canMap = dedicated === true && hugepages !== undefined;
  if (affinity !== 'none' && !canMap) {
    report(
      affinity === 'required' ? 'blocked' : 'lossy',
      'numa-needs-dedicated',
      path,
      'the NUMA layout of the host reaches the guest only with dedicated CPUs and huge pages',
      'say cpu.dedicated: true and hugepages',
    );
  } else if (affinity === 'required') {
    report(
      'approximated',
      'numa-required',
      path,
      'KubeVirt maps the host NUMA nodes into the guest; that GPU and CPUs share one is decided by the kubelet',
      'set the kubelet topologyManagerPolicy to single-numa-node on GPU nodes',
    );
  }
  return filledObject(
    compact({
      cores: cores === undefined ? undefined : Math.max(1, Math.floor(cores / share)),
      sockets,
      threads,
      model: model === 'host' ? 'host-passthrough' : model,
      dedicatedCpuPlacement: dedicated,
      numa: affinity !== 'none' && canMap ? { guestMappingPassthrough: {} } : undefined,
    }),
  );
}

function buildFirmware({ firmware }: GpuVmSpec, report: Report): { bootloader?: Json; secure: boolean } {
  const { type, secureBoot } = firmware ?? {};
  if (type === 'bios') {
    if (secureBoot) {
      report(
        'blocked',
        'secure-boot-bios',
        'spec.firmware',
        'secure boot needs UEFI',
        'say firmware.type: uefi',
      );
    }
    return { bootloader: { bios: {} }, secure: false };
  }
  if (type === undefined && !secureBoot) return { secure: false };
  return { bootloader: { efi: { secureBoot: secureBoot ?? false } }, secure: secureBoot ?? false };
}

function buildMachine(machine: string | undefined, report: Report): Json | undefined {
  if (machine === undefined) return undefined;
  if (/^(pc-)?q35|^virt/.test(machine)) return { type: machine };
  const message = `KubeVirt has no machine type ${machine}; on amd64 it allows q35* and pc-q35*`;
  report('approximated', 'machine', 'spec.machine', `${message}, so q35 is used`);
  return { type: 'q35' };
}

function buildNetwork(name: string, path: string, report: Report): { network: Json; iface: Json } {
  if (name === 'default') return { network: { name, pod: {} }, iface: { name, masquerade: {} } };
  const attachment = dnsLabel(name);
  if (attachment !== name) {
    const message = `network attachments have DNS names: ${name} is looked up as ${attachment}`;
    report('approximated', 'network-name', `${path}.name`, message);
  }
  return { network: { name, multus: { networkName: attachment } }, iface: { name, bridge: {} } };
}

function buildCloudInit(
  { metadata, spec }: GpuVm,
  namespace: string,
): { disks: Json[]; volumes: Json[]; secret?: Manifest } {
  const { userData, guestOs } = spec;
  if (userData === undefined) return { disks: [], volumes: [] };
  // cloudbase-init for Windows reads the config drive.
  const source = guestOs === 'windows' ? 'cloudInitConfigDrive' : 'cloudInitNoCloud';
  const disks = [{ name: cloudInitDisk, disk: { bus: 'virtio' } }];
  if (new TextEncoder().encode(userData).length <= inlineUserDataLimit) {
    return { disks, volumes: [{ name: cloudInitDisk, [source]: { userData } }] };
  }
  const name = `${metadata.name}-cloudinit`;
  return {
    disks,
    volumes: [{ name: cloudInitDisk, [source]: { secretRef: { name } } }],
    secret: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      stringData: { userdata: userData },
    },
  };
}

function filled<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function filledObject<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}

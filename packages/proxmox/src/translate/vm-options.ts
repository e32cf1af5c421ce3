/** The neutral words of a VM as Proxmox VE's options. Source: qemu-server 9.2.6, API schema of create_vm. */
import { type GpuVm, type GpuVmSpec, parseBytes, toMiB } from '@vmgpu/core';
import { cloudInitOptions } from './cloud-init.ts';
import type { Report } from './diagnostics.ts';
import { cpuFormat, machineFormat, numaFormat } from './formats.ts';
import { printProperties, tryParseProperties } from './property-string.ts';
import type { ProxmoxOptions } from './provider-options.ts';
import { diskOptions, firmwareOptions, networkOptions } from './vm-devices.ts';

export interface ComposeContext {
  /** A new VM: what a GPU needs is added even when the intent does not say it. */
  readonly create: boolean;
  /** Storage for new disks, when one is known. */
  readonly storage: string | undefined;
  /** The GPUs' NUMA node, when it is known and the same for all. */
  readonly numaNode: number | undefined;
  readonly report: Report;
}

/** Tag that marks VMs made by vmgpu. */
export const markTag = 'vmgpu';

/** The VM's options, hostpci and native overrides apart. */
export function composeOptions(
  intent: GpuVm,
  native: ProxmoxOptions,
  context: ComposeContext,
): Readonly<Record<string, string>> {
  const { spec } = intent;
  if (Object.keys(intent.metadata.labels ?? {}).length > 0) {
    context.report.add(
      'unsupported',
      'labels',
      'metadata.labels',
      'Proxmox VE has tags, not labels with values; they are left out',
      'say providerOptions.proxmox.tags',
    );
  }
  const withGpus = context.create && (spec.gpus?.length ?? 0) > 0;
  const legacyIgd = Object.values(native.hostpci ?? {}).some((device) => device['legacy-igd']);
  const options: Record<string, string | undefined> = {
    ...(context.create ? { name: intent.metadata.name, tags: tagsOf(native) } : {}),
    ostype: spec.guestOs && (spec.guestOs === 'windows' ? 'win11' : 'l26'),
    machine: machineOf(spec, withGpus, legacyIgd, native, context.report),
    ...cpuOptions(spec, withGpus, native, context.report),
    ...memoryOptions(spec, withGpus, context.report),
    ...numaOptions(spec, context),
    ...(legacyIgd && context.create ? { vga: 'none' } : {}),
    ...firmwareOptions(spec, native, context),
    ...diskOptions(spec, native, context),
    ...networkOptions(spec, native, context),
    ...cloudInitOptions(intent, native, context),
  };
  return Object.fromEntries(Object.entries(options).filter((entry) => entry[1] !== undefined)) as Record<
    string,
    string
  >;
}

function tagsOf(native: ProxmoxOptions): string | undefined {
  const tags = native.tags ?? [markTag];
  return tags.length > 0 ? [...tags].sort().join(';') : undefined;
}

function machineOf(
  spec: GpuVmSpec,
  withGpus: boolean,
  legacyIgd: boolean,
  native: ProxmoxOptions,
  report: Report,
): string | undefined {
  if (spec.machine !== undefined) return knownMachine(spec.machine, report);
  if (!withGpus || native.options?.machine !== undefined) return undefined;
  const machine = legacyIgd ? 'pc' : 'q35';
  report.add(
    'approximated',
    'machine-for-gpu',
    'spec.machine',
    legacyIgd
      ? 'machine pc is used: legacy IGD assignment does not work on q35'
      : 'machine q35 is used: only it has PCI Express ports for the GPU, and Proxmox VE would take i440fx',
    `say machine: ${machine} to silence this`,
  );
  return machine;
}

/** Versions of other distributions' QEMU (`pc-q35-rhel9.6.0`) do not exist here; their family does. */
function knownMachine(machine: string, report: Report): string | undefined {
  if (tryParseProperties(machineFormat, machine).ok) return machine;
  const family = /q35/.test(machine) ? 'q35' : /i440fx|^pc/.test(machine) ? 'pc' : undefined;
  report.add(
    family ? 'approximated' : 'unsupported',
    'machine-unknown',
    'spec.machine',
    `Proxmox VE has no machine ${machine}${family ? `; ${family} is used` : ''}`,
  );
  return family;
}

/** libvirt's and KubeVirt's words for the CPU of the host. */
const hostModels = /^(host-passthrough|host-model|maximum)$/;

function cpuOptions(spec: GpuVmSpec, withGpus: boolean, native: ProxmoxOptions, report: Report) {
  const { cores, sockets, threads, model, dedicated } = spec.cpu ?? {};
  if (dedicated) {
    report.add(
      'unsupported',
      'cpu-dedicated',
      'spec.cpu.dedicated',
      'Proxmox VE has no dedicated CPUs; a CPU list can be given by hand',
      'as root@pam set providerOptions.proxmox.options.affinity, e.g. "0-15"',
    );
  }
  if (threads !== undefined && threads > 1) {
    report.add(
      'lossy',
      'cpu-threads',
      'spec.cpu.threads',
      'Proxmox VE has no threads: every virtual CPU is a core of its own',
    );
  }
  let type = model;
  if (type === undefined && withGpus && native.options?.cpu === undefined) {
    type = 'host';
    report.add(
      'approximated',
      'cpu-for-gpu',
      'spec.cpu.model',
      'CPU type host is used: the default kvm64 lacks AVX, and with OVMF caps addresses at 40 bits, too few for large BARs',
      'say cpu.model: host to silence this',
    );
  }
  if (type !== undefined && hostModels.test(type)) {
    report.add('approximated', 'cpu-model', 'spec.cpu.model', `CPU type host is used for ${type}`);
    type = 'host';
  }
  const hidden = spec.hideHypervisor;
  const perSocket =
    cores !== undefined && sockets !== undefined ? Math.max(1, Math.round(cores / sockets)) : cores;
  if (cores !== undefined && sockets !== undefined && perSocket !== cores / sockets) {
    report.add(
      'approximated',
      'cpu-topology',
      'spec.cpu.cores',
      `${cores} CPUs do not divide into ${sockets} sockets; each gets ${perSocket}`,
    );
  }
  return {
    cores: asText(perSocket),
    sockets: asText(sockets),
    cpu:
      type === undefined && hidden === undefined
        ? undefined
        : printProperties(cpuFormat, {
            ...(type === undefined ? {} : { cputype: type }),
            ...(hidden === undefined ? {} : { hidden: hidden ? '1' : '0' }),
          }),
  };
}

function memoryOptions(spec: GpuVmSpec, withGpus: boolean, report: Report) {
  const bytes = spec.memory === undefined ? undefined : parseBytes(spec.memory);
  if (bytes !== undefined && bytes % 2 ** 20 !== 0) {
    report.add(
      'approximated',
      'memory-rounded',
      'spec.memory',
      `memory is counted in MiB: ${toMiB(bytes)} MiB are given`,
    );
  }
  return {
    memory: bytes === undefined ? undefined : String(toMiB(bytes)),
    // All guest memory is pinned for the device, so a balloon frees nothing and only costs.
    balloon: withGpus ? '0' : undefined,
    hugepages: hugepagesOf(spec, report),
  };
}

function hugepagesOf(spec: GpuVmSpec, report: Report): string | undefined {
  if (spec.hugepages === undefined) return undefined;
  const size = { [2 ** 21]: '2', [2 ** 30]: '1024' }[parseBytes(spec.hugepages)];
  if (size === undefined) {
    report.add(
      'unsupported',
      'hugepages-size',
      'spec.hugepages',
      'Proxmox VE knows huge pages of 2 MiB and 1 GiB only',
    );
  }
  return size;
}

function numaOptions(spec: GpuVmSpec, { numaNode, report }: ComposeContext) {
  const affinity = spec.numa?.gpuAffinity;
  if (affinity === undefined || affinity === 'none') return {};
  const { cores } = spec.cpu ?? {};
  if (numaNode === undefined || cores === undefined || spec.memory === undefined) {
    report.add(
      affinity === 'required' ? 'lossy' : 'approximated',
      'numa-node-unknown',
      'spec.numa.gpuAffinity',
      'NUMA is switched on, but the VM is not bound to the GPU’s node: that needs cpu.cores, memory and a capture that tells the node',
      'give a snapshot made with a host capture, or set providerOptions.proxmox.options.numa0',
    );
    return { numa: '1' };
  }
  return {
    numa: '1',
    numa0: printProperties(numaFormat, {
      cpus: cores > 1 ? `0-${cores - 1}` : '0',
      hostnodes: String(numaNode),
      memory: String(toMiB(parseBytes(spec.memory))),
      policy: affinity === 'required' ? 'bind' : 'preferred',
    }),
  };
}

function asText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

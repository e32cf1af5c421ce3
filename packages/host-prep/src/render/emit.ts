import type { HostPlan, HostStep } from '../plan/host-plan.ts';
import { own } from '../plan/own-files.ts';

type WriteFile = Extract<HostStep, { kind: 'write-file' }>;

function written(plan: HostPlan): readonly WriteFile[] {
  return plan.steps.filter((step): step is WriteFile => step.kind === 'write-file');
}

/** `vendor:device` of the functions to bind, for systems that cannot bind by address. */
function ids(plan: HostPlan): readonly string[] {
  const list = written(plan).find(({ path }) => path === own.devices)?.after ?? '';
  const lines = list.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return [...new Set(lines.map((line) => line.split(' ').slice(1, 3).join(':')))];
}

function modprobeLines(plan: HostPlan): readonly string[] {
  const text = written(plan).find(({ path }) => path === own.modprobe)?.after ?? '';
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/**
 * OpenShift's MachineConfig: Ignition 3.2 files and units, and kernel arguments (machineconfiguration.openshift.io/v1).
 * The operator drains and reboots each node of the role.
 */
export function machineConfig(plan: HostPlan, role: string): Readonly<Record<string, unknown>> {
  const units = written(plan).filter(
    ({ path }) => path.startsWith('/etc/systemd/system/') && path.endsWith('.service'),
  );
  const files = written(plan).filter((file) => !units.includes(file));
  return {
    apiVersion: 'machineconfiguration.openshift.io/v1',
    kind: 'MachineConfig',
    metadata: { name: `99-${role}-vmgpu`, labels: { 'machineconfiguration.openshift.io/role': role } },
    spec: {
      config: {
        ignition: { version: '3.2.0' },
        storage: {
          files: files.map(({ path, mode, after }) => ({
            path,
            mode,
            overwrite: true,
            contents: { source: `data:text/plain;charset=utf-8;base64,${base64(after)}` },
          })),
        },
        systemd: {
          units: units.map(({ path, after }) => ({
            name: path.split('/').at(-1),
            enabled: true,
            contents: after,
          })),
        },
      },
      kernelArguments: plan.kernelArguments.add,
    },
  };
}

/**
 * Talos has neither shell nor initramfs of one's own: ids and kernel arguments only (machine configuration v1alpha1:
 * `machine.install.extraKernelArgs`, which unified kernel images ignore; there they belong into the schematic).
 */
export function talosPatch(plan: HostPlan): Readonly<Record<string, unknown>> {
  const list = ids(plan);
  return {
    machine: {
      install: {
        extraKernelArgs: [
          ...plan.kernelArguments.add,
          ...(list.length === 0 ? [] : [`vfio-pci.ids=${list.join(',')}`]),
        ],
      },
      ...(list.length === 0
        ? {}
        : { kernel: { modules: [{ name: 'vfio_pci' }, { name: 'vfio_iommu_type1' }] } }),
    },
  };
}

/** A module for configuration.nix. By ids: NixOS makes its initramfs from this file alone. */
export function nixosModule(plan: HostPlan): string {
  const list = ids(plan);
  const options = [
    ...modprobeLines(plan),
    ...(list.length === 0 ? [] : [`options vfio-pci ids=${list.join(',')}`]),
  ];
  const modules = list.length === 0 ? [] : ['vfio_pci', 'vfio', 'vfio_iommu_type1'];
  return [
    '# Made by vmgpu; import it into configuration.nix, then nixos-rebuild boot.',
    '{ ... }:',
    '{',
    `  boot.kernelParams = [ ${plan.kernelArguments.add.map(nixText).join(' ')} ];`,
    `  boot.initrd.kernelModules = [ ${modules.map(nixText).join(' ')} ];`,
    `  boot.extraModprobeConfig = ${nixText(options.map((line) => `${line}\n`).join(''))};`,
    '}',
    '',
  ].join('\n');
}

/** The arguments as rpm-ostree takes them: staged into a new deployment, in effect after a reboot. */
export function ostreeArguments({ kernelArguments: { add, remove } }: HostPlan): readonly string[] {
  return [
    'rpm-ostree',
    'kargs',
    ...add.map((word) => `--append-if-missing=${word}`),
    ...remove.map((word) => `--delete-if-present=${word}`),
  ];
}

/** A string of the Nix language: `"`, `\` and `${` have a meaning in it. */
function nixText(text: string): string {
  const escaped = text.replace(/["\\]/g, (found) => `\\${found}`).replaceAll('${', '\\${');
  return `"${escaped.replaceAll('\n', '\\n')}"`;
}

function base64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

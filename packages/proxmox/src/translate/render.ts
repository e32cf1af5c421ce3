import { type Artifact, type Plan, type Step, shellCommand } from '@vmgpu/core';
import type { PciMapping } from './mapping.ts';
import { printPciConfig } from './pci-config.ts';
import type { SnippetState, VmStepState } from './steps.ts';
import { printVmConfig } from './vm-config.ts';

/** The plan's steps as files: `pci.cfg` entries, the VM's configuration, user data, and one script that does it all. */
export function render(plan: Plan): readonly Artifact[] {
  const of = <T>(kind: string) =>
    plan.steps.filter((step) => step.kind === kind).map((step) => ({ step, after: step.after as T }));
  const mappings = of<PciMapping>('proxmox.mapping');
  const vms = of<VmStepState>('proxmox.vm');
  const artifacts: Artifact[] = [];
  if (mappings.length > 0) {
    artifacts.push({
      path: 'proxmox/pci.cfg',
      content: { format: 'text', text: printPciConfig(mappings.map(({ after }) => after)) },
      scope: 'platform',
      apply: 'What /etc/pve/mapping/pci.cfg will contain; proxmox/mappings.sh makes it so',
    });
    artifacts.push(
      script(
        'proxmox/mappings.sh',
        'platform',
        'as an administrator',
        mappings.map(({ step, after }) => mappingCommand(step, after)),
      ),
    );
  }
  for (const { after } of of<SnippetState>('proxmox.snippet')) {
    artifacts.push({
      path: `proxmox/snippets/${after.file}`,
      // cloud-init knows its formats by their first line, so nothing may be put above it.
      content: { format: 'text', text: after.content.endsWith('\n') ? after.content : `${after.content}\n` },
      scope: 'platform',
      apply: `Copy to the snippets folder of storage ${after.storage} (local: /var/lib/vz/snippets/)`,
      mode: 0o600,
    });
  }
  for (const { step, after } of vms) {
    const starts = plan.steps.some(({ kind }) => kind === 'proxmox.vm-start');
    artifacts.push({
      path: `proxmox/${after.vmid ?? step.target.name}.conf`,
      content: { format: 'text', text: printVmConfig({ options: after.options }) },
      scope: 'vm',
      apply: 'The options as they will stand in /etc/pve/qemu-server; volumes are made by proxmox/vm.sh',
    });
    artifacts.push(script('proxmox/vm.sh', 'vm', 'on the node', vmCommands(after, starts)));
  }
  return artifacts;
}

function script(path: string, scope: Artifact['scope'], who: string, lines: readonly string[]): Artifact {
  return {
    path,
    content: { format: 'text', text: `#!/bin/sh\nset -eu\n${lines.join('\n')}\n`, comment: '#' },
    scope,
    apply: `Run ${who}: sh ${path}`,
    mode: 0o755,
  };
}

function mappingCommand(step: Step, mapping: PciMapping): string {
  const options = [
    ...mapping.map.flatMap((entry) => ['--map', entry]),
    ...(['mdev', 'live-migration-capable'] as const).flatMap((key) =>
      mapping[key] ? [`--${key}`, '1'] : [],
    ),
    ...(mapping.description === undefined ? [] : ['--description', mapping.description]),
  ];
  const path = '/cluster/mapping/pci';
  return step.before === null || step.before === undefined
    ? shellCommand(['pvesh', 'create', path, '--id', mapping.id, ...options])
    : shellCommand(['pvesh', 'set', `${path}/${mapping.id}`, ...options]);
}

function vmCommands(state: VmStepState, start: boolean): readonly string[] {
  const arguments_ = [
    ...Object.entries(state.options).flatMap(([key, value]) => [`--${key}`, value]),
    ...(state.delete.length > 0 ? ['--delete', state.delete.join(',')] : []),
  ];
  // The next free id is asked for when the script runs; the variable is ours, so nothing foreign is expanded.
  const id = state.vmid === undefined ? '"$VMID"' : String(state.vmid);
  return [
    ...(state.vmid === undefined ? ['VMID=$(pvesh get /cluster/nextid)'] : []),
    `qm ${state.request === 'create' ? 'create' : 'set'} ${id} ${shellCommand(arguments_)}`,
    ...(start ? [`qm start ${id}`] : []),
  ];
}

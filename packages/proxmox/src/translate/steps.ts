import type { GpuVm, PlanOptions, Step } from '@vmgpu/core';
import { snippetOf } from './cloud-init.ts';
import type { PciMapping } from './mapping.ts';
import type { VmOptions } from './option-text.ts';
import type { ProxmoxOptions } from './provider-options.ts';
import type { ProxmoxSnapshot, ProxmoxVm } from './snapshot.ts';

/** What a `proxmox.vm` step leaves: the options it manages, and those that go. */
export interface VmStepState {
  /** Absent when the snapshot does not tell where the VM shall lie. */
  readonly node?: string;
  /** Absent: the next free id. */
  readonly vmid?: number;
  /** `create`: POST /nodes/N/qemu. `PUT`: synchronous, for changes without disks. `POST`: a task, when disks are made. */
  readonly request: 'create' | 'PUT' | 'POST';
  readonly options: VmOptions;
  readonly delete: readonly string[];
}

/** What a `proxmox.snippet` step leaves: a file in a storage of content type snippets. */
export interface SnippetState {
  readonly storage: string;
  readonly file: string;
  readonly content: string;
  /** Node on which the VM will look for it, when the plan knows. */
  readonly node?: string;
}

export function stepsOf(
  intent: GpuVm,
  native: ProxmoxOptions,
  snapshot: ProxmoxSnapshot,
  mappings: readonly PciMapping[],
  state: VmStepState,
  vm: ProxmoxVm | undefined,
  create: boolean,
): readonly Step[] {
  const name = vm?.name ?? intent.metadata.name;
  const before = mappings.map((mapping): Step => {
    const known = snapshot.mappings?.find(({ id }) => id === mapping.id);
    return {
      id: `mapping/${mapping.id}`,
      kind: 'proxmox.mapping',
      target: { type: 'pci-mapping', name: mapping.id },
      ...(snapshot.mappings === undefined ? {} : { before: known ?? null }),
      after: mapping,
      scope: 'platform',
      risk: 'none',
      reversible: true,
      summary: `${known ? 'Extend' : 'Create'} PCI mapping ${mapping.id} (${mapping.map.length} ${mapping.map.length === 1 ? 'device' : 'devices'})`,
    };
  });
  const { userData } = intent.spec;
  if (userData !== undefined) {
    const snippet = snippetOf(intent.metadata.name, native);
    const content: SnippetState = {
      ...snippet,
      content: userData,
      ...(state.node === undefined ? {} : { node: state.node }),
    };
    before.push({
      id: `snippet/${snippet.file}`,
      kind: 'proxmox.snippet',
      target: { type: 'snippet', name: snippet.file, in: snippet.storage },
      after: content,
      scope: 'platform',
      risk: 'none',
      reversible: true,
      summary: `Put user data as snippet ${snippet.file} on storage ${snippet.storage}`,
    });
  }
  const touched = [...Object.keys(state.options), ...state.delete];
  const vmStep: Step = {
    id: `vm/${name}`,
    kind: 'proxmox.vm',
    target: { type: 'vm', name, ...(state.node === undefined ? {} : { in: state.node }) },
    ...(vm
      ? {
          before: {
            options: Object.fromEntries(
              touched.flatMap((key) => (vm.config[key] === undefined ? [] : [[key, vm.config[key]]])),
            ),
          },
        }
      : create && snapshot.vms
        ? { before: null }
        : {}),
    after: state,
    scope: 'vm',
    risk:
      vm?.status === 'running' && touched.some((key) => vm.config[key] !== state.options[key])
        ? 'vm-restart'
        : 'none',
    reversible: true,
    summary: `${create ? 'Create' : 'Change'} VM ${name}${state.vmid === undefined ? '' : ` (${state.vmid})`}: ${summaryOf(state)}`,
    ...(before.length > 0 ? { needs: before.map((step) => step.id) } : {}),
  };
  const start: Step = {
    id: `vm-start/${name}`,
    kind: 'proxmox.vm-start',
    target: vmStep.target,
    after: { status: 'running', ...(state.vmid === undefined ? {} : { vmid: state.vmid }) },
    scope: 'vm',
    risk: 'none',
    reversible: true,
    summary: `Start VM ${name}`,
    needs: [vmStep.id],
  };
  return [...before, vmStep, ...(native.start ? [start] : [])];
}

function summaryOf({ options, delete: remove }: VmStepState): string {
  const devices = Object.entries(options).filter(([key]) => key.startsWith('hostpci'));
  const parts = [...devices.map(([key, value]) => `${key}=${value}`), ...remove.map((key) => `no ${key}`)];
  return parts.length > 0 ? parts.join(' ') : `${Object.keys(options).length} options`;
}

export function inScope(steps: readonly Step[], { scope }: PlanOptions): readonly Step[] {
  if (scope === undefined) return steps;
  const kept = steps.filter((step) => step.scope === scope);
  const ids = new Set(kept.map((step) => step.id));
  return kept.map(({ needs, ...step }) => {
    const left = (needs ?? []).filter((id) => ids.has(id));
    return left.length > 0 ? { ...step, needs: left } : step;
  });
}

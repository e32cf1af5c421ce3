import {
  apiVersion,
  deepFreeze,
  type GpuRequest,
  type GpuVm,
  isAttachment,
  type Plan,
  type PlanOptions,
  parseBytes,
  type Step,
} from '@vmgpu/core';
import { askInputs, selects } from './ask.ts';
import { configSteps, filterList } from './config-steps.ts';
import { allGpus, note, type PlanContext, planContext } from './context.ts';
import { type Asked, extraSpecs, hasTopology } from './extra-spec-keys.ts';
import { noteGaps } from './gaps.ts';
import { configFiles } from './layout.ts';
import { askPassthrough } from './passthrough.ts';
import { addSetting } from './pci-settings.ts';
import { limitSteps, nameSteps, providerSteps } from './platform-steps.ts';
import { noteQuota } from './quota.ts';
import { since } from './releases.ts';
import type { OpenStackSnapshot } from './snapshot.ts';
import { askVgpu } from './vgpu.ts';
import { existingVm, newVm } from './vm-steps.ts';

/** Intent and snapshot to steps: configuration, names in Placement, limits, image, flavor, and the server. */
export function planOpenStack(intent: GpuVm, snapshot: OpenStackSnapshot, options: PlanOptions = {}): Plan {
  const context = planContext(intent, snapshot, options);
  const asked = askInputs(context).map((input) => ({
    input,
    asks: input.request.mode === 'passthrough' ? askPassthrough(context, input) : askVgpu(context, input),
  }));
  const specs = extraSpecs(context, asked);
  schedule(context, asked, specs);
  noteSeveralVgpuClasses(context, asked);
  noteClaimedTwice(context);
  noteUnsaid(context);

  const platform = [
    ...configSteps(context),
    ...providerSteps(context),
    ...nameSteps(context, asked, specs),
    ...limitSteps(context),
  ];
  const own = options.vm === undefined ? newVm(context, specs) : existingVm(context, specs, options.vm);
  if (options.scope !== 'platform') noteQuota(context, own);
  const steps = [...platform, ...own].filter(
    ({ scope }) => options.scope === undefined || scope === options.scope,
  );
  const ids = new Set(steps.map(({ id }) => id));
  requireFiles(context, steps);
  noteGaps(context, steps);
  return deepFreeze({
    apiVersion,
    kind: 'Plan',
    platform: 'openstack',
    platformVersion: snapshot.version,
    vm: options.vm ?? intent.metadata.name,
    steps: steps.map((step) => ({
      ...step,
      ...(step.needs === undefined ? {} : { needs: step.needs.filter((id) => ids.has(id)) }),
    })),
    diagnostics: context.diagnostics,
    requirements: context.requirements,
  });
}

/**
 * Nova 26 claims all of them in Placement, starts the server with the mediated device of one, and says so in nova-compute's log only.
 * Source: seen on Nova 26.2.2; nova/virt/libvirt/driver.py, _allocate_mdevs; several groups since 33.0.0.
 */
function noteSeveralVgpuClasses(context: PlanContext, asked: readonly Asked[]): void {
  if (since(context.release, 'severalVgpuGroups')) return;
  const classes = new Set(
    asked.flatMap(({ input, asks }) =>
      input.request.mode === 'vgpu' ? asks.flatMap((ask) => (ask.kind === 'class' ? ask.name : [])) : [],
    ),
  );
  if (classes.size < 2) return;
  note(
    context,
    'unsupported',
    'several-vgpu-classes',
    'spec.gpus',
    `before 33.0.0 Nova gives a server vGPUs of one class: of ${[...classes].join(', ')} all but one are reserved and missing in the guest`,
    'Use one profile for the server, or upgrade to 33.0.0 (2026.1).',
  );
}

/** Filters that the scheduler needs, and Placement's settings for hosts with many like devices. */
function schedule(
  context: PlanContext,
  asked: readonly Asked[],
  specs: Readonly<Record<string, string>>,
): void {
  const topology = hasTopology(specs);
  const pci = specs['pci_passthrough:alias'] !== undefined;
  const needed = [...(topology ? ['NUMATopologyFilter'] : []), ...(pci ? ['PciPassthroughFilter'] : [])];
  if (needed.length > 0) {
    addSetting(
      context,
      'nova-scheduler',
      'filter_scheduler',
      'enabled_filters',
      filterList(context, needed).join(','),
    );
  }
  const most = Math.max(0, ...asked.flatMap(({ asks }) => asks.map(({ count }) => count)));
  const likes = context.snapshot.hosts.map(
    ({ gpus }) => gpus.filter(({ role }) => role === 'physical').length,
  );
  if (most <= 4 || !context.placement || (likes.length > 0 && Math.max(...likes) < 8)) return;
  // Placement 13 and its back-ports to 2024.1; without them six of eight devices took 38 s to place, with them 0.2 s.
  if (context.release.nova < 29) {
    note(
      context,
      'approximated',
      'slow-placement',
      'spec.gpus',
      `Placement before 2024.1 needs minutes to place ${most} devices on a host that has 8 or more`,
      'Ask for 4 at most, or schedule without Placement (providerOptions.openstack.pciInPlacement: false).',
    );
    return;
  }
  addSetting(context, 'placement-api', 'placement', 'max_allocation_candidates', '1000');
  addSetting(
    context,
    'placement-api',
    'placement',
    'allocation_candidates_generation_strategy',
    'breadth-first',
  );
  if (context.release.nova >= 31) {
    addSetting(context, 'placement-api', 'workarounds', 'optimize_for_wide_provider_trees', 'true');
  }
}

/** What Nova has no words for. */
function noteUnsaid(context: PlanContext): void {
  const { spec } = context.intent;
  if (spec.cpu?.model !== undefined) {
    note(
      context,
      'unsupported',
      'cpu-model',
      'spec.cpu.model',
      'the CPU model belongs to the compute host, not to the server',
      spec.cpu.model === 'host'
        ? 'Set [libvirt] cpu_mode = host-passthrough on the GPU hosts if all their servers may have it.'
        : `Set [libvirt] cpu_mode = custom and cpu_models = ${spec.cpu.model} on the GPU hosts if all their servers may have it.`,
    );
  }
  if (spec.firmware?.tpm === false) {
    note(
      context,
      'approximated',
      'tpm-unsaid',
      'spec.firmware.tpm',
      'without a TPM is what Nova does anyway; it is not said',
    );
  }
  if (isAttachment(context.intent) || spec.memory === undefined) return;
  const passes = (spec.gpus ?? []).reduce(
    (sum, gpu) => sum + (gpu.mode === 'passthrough' ? (gpu.count ?? 1) : 0),
    0,
  );
  const specs = context.options.flavor?.extraSpecs ?? {};
  if (passes > 1 && parseBytes(spec.memory) >= 256 * 2 ** 30 && specs['hw:maxphysaddr_mode'] === undefined) {
    note(
      context,
      'approximated',
      'large-memory',
      'spec.memory',
      'several GPUs next to 256 GiB or more of memory may not fit into the guest’s address space (BARs: "no space")',
      'Add hw:maxphysaddr_mode = emulate and hw:maxphysaddr_bits = 46 (the host’s number, virsh capabilities) to providerOptions.openstack.flavor.extraSpecs; 29.0.0 and later.',
    );
  }
}

/** Files of compute hosts; those of controllers stand in the steps only. */
function requireFiles({ intent, requirements }: PlanContext, steps: readonly Step[]): void {
  const passes = intent.spec.gpus?.some(({ mode }) => mode === 'passthrough') ?? true;
  for (const { file, restart, hosts } of configFiles(steps)) {
    if (!restart.some((service) => /nova.compute/.test(service))) continue;
    for (const host of hosts ?? [undefined]) {
      requirements.push({
        kind: 'config-file',
        file,
        restart,
        ...(host === undefined ? {} : { host }),
        mode: passes ? 'vm-passthrough' : 'vm-vgpu',
        path: 'spec.gpus',
        why: 'nova-compute reads this only from its files, when it starts',
      });
    }
  }
}

/** A card that is handed out whole cannot make vGPUs, and Nova does not see that both mean the same card. */
function noteClaimedTwice(context: PlanContext): void {
  const inputs = askInputs(context);
  const of = (mode: 'passthrough' | 'vgpu') => inputs.filter(({ request }) => request.mode === mode);
  for (const { request, path } of of('vgpu')) {
    const clash = allGpus(context).find(
      ({ gpu }) =>
        gpu.vgpuTypes.length > 0 &&
        selects(context, request.device, gpu) &&
        of('passthrough').some(
          (other) => namesDevice(other.request) && selects(context, other.request.device, gpu),
        ),
    );
    if (clash === undefined) continue;
    note(
      context,
      'blocked',
      'claimed-twice',
      `${path}.device`,
      `${clash.gpu.address} on ${clash.host} is asked for as a whole and as maker of vGPUs`,
      'Say with device.address which card is for which.',
    );
  }
}

function namesDevice({ device }: GpuRequest): boolean {
  return device?.id !== undefined || device?.board !== undefined || device?.address !== undefined;
}

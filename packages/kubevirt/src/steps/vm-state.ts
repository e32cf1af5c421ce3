import { VmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import type { Judgement } from '../client/wait.ts';
import { at, type Json, listAt, type Manifest, textAt } from '../translate/manifest.ts';

/** True when KubeVirt shall keep the VM running by itself; a VMI always runs. */
export function wantsToRun({ kind, spec }: Manifest): boolean {
  if (kind === 'VirtualMachineInstance') return true;
  const strategy = textAt(spec, 'runStrategy');
  return at(spec, 'running') === true || /^(Always|RerunOnFailure|Once)$/.test(strategy ?? '');
}

export function isRunning(vm: Manifest): boolean {
  return stateOf(vm) === 'Running';
}

/** The state in KubeVirt's words. A VM tells also what its instance and its launcher pod tell. */
export function stateOf(vm: Manifest): string | undefined {
  return textAt(vm, 'status', vm.kind === 'VirtualMachineInstance' ? 'phase' : 'printableStatus');
}

export function condition(vm: Manifest, type: string): Json | undefined {
  return listAt(vm, 'status', 'conditions').find((entry) => entry.type === type);
}

export function isTrue(vm: Manifest, type: string): boolean {
  return condition(vm, type)?.status === 'True';
}

/** One look at a VM that is to run. */
export function judgeRunning(vm: Manifest | undefined): Judgement<Manifest> {
  if (!vm) {
    return {
      done: false,
      seen: 'gone',
      trouble: new VmgpuError('not-found', 'somebody deleted it meanwhile'),
    };
  }
  if (isRunning(vm)) return { done: true, value: vm };
  const seen = stateOf(vm) ?? 'not seen by KubeVirt yet';
  const trouble = troubleOf(vm);
  return { done: false, seen, ...(trouble && { trouble }) };
}

interface Sign {
  readonly code: VmgpuErrorCode;
  readonly hint: string;
}

/** `printableStatus` values that do not pass by themselves (kubevirt v1.9.0, api core/v1/types.go, VirtualMachinePrintableStatus). */
const badStates: Readonly<Record<string, Sign>> = {
  ErrorUnschedulable: {
    code: 'capacity',
    hint: 'free a GPU, ask for fewer, or wait: it starts by itself then',
  },
  ErrImagePull: { code: 'refused', hint: 'check the image and the pull secret of its disk' },
  ImagePullBackOff: { code: 'refused', hint: 'check the image and the pull secret of its disk' },
  ErrorPvcNotFound: { code: 'not-found', hint: 'create the volume first' },
  DataVolumeError: { code: 'refused', hint: 'see the conditions of its DataVolume' },
  CrashLoopBackOff: { code: 'host-not-ready', hint: 'see the log of its virt-launcher pod' },
};

/** The scheduler gives up a pod for an error of its own when a selector fails (kube-scheduler v1.36, DynamicResources). */
const badClaim: Sign = {
  code: 'refused',
  hint: 'see the CEL selectors of its resource claims and of their device class',
};

/** What the launcher and virt-handler say when a device cannot be given, and what it means (kubevirt and QEMU texts). */
const launcherTexts: readonly (readonly [RegExp, string])[] = [
  [
    /number of device plugin (GPU|host device)\/?s? do not match/i,
    'the resource is published by a plugin that hands out no addresses to KubeVirt',
  ],
  [
    /group .*is not viable|failed to setup container/i,
    'another device of its IOMMU group is not bound to vfio-pci',
  ],
  [/VFIO_MAP_DMA|Cannot allocate memory/i, 'the locked-memory limit is too low for several VFIO devices'],
  [/error getting device from group/i, 'the card is in use by another VM or by the host'],
  [/invalid alias/i, 'the name of a GPU has a character that libvirt does not take'],
];

/** A known reason for which a VM does not get on; undefined while it may still come. */
export function troubleOf(vm: Manifest): VmgpuError | undefined {
  const sync = condition(vm, 'Synchronized');
  const failure = condition(vm, 'Failure');
  const said = [
    sync?.status === 'False' ? sync : undefined,
    failure?.status === 'True' ? failure : undefined,
  ].find((entry) => typeof entry?.message === 'string' && entry.message !== '');
  if (said) return failed(vm, String(said.message), textAt(said, 'reason'));
  const state = stateOf(vm) ?? '';
  const scheduled = condition(vm, 'PodScheduled');
  const refused = scheduled?.status === 'False' ? scheduled : undefined;
  if (refused?.reason === 'SchedulerError') return trouble(vm, badClaim, String(refused.message));
  const unschedulable = refused?.reason === 'Unschedulable';
  const sign = badStates[state] ?? (unschedulable ? badStates.ErrorUnschedulable : undefined);
  if (sign) return trouble(vm, sign, unschedulable ? String(refused.message) : state);
  if (state === 'Failed')
    return trouble(vm, { code: 'host-not-ready', hint: 'see the log of its virt-launcher pod' }, state);
  return undefined;
}

function failed(vm: Manifest, message: string, reason: string | undefined): VmgpuError {
  if (/is not permitted in permittedHostDevices/.test(message)) {
    const hint = 'an administrator has to permit it: vmgpu plan --scope platform';
    return trouble(vm, { code: 'refused', hint }, message);
  }
  const meaning = launcherTexts.find(([pattern]) => pattern.test(message))?.[1];
  const code = meaning === undefined && reason === 'FailedCreate' ? 'refused' : 'host-not-ready';
  return trouble(
    vm,
    { code, hint: meaning ?? 'see the events of the VM and the log of its virt-launcher pod' },
    message,
  );
}

function trouble({ kind, metadata }: Manifest, { code, hint }: Sign, message: string): VmgpuError {
  const name = `${kind ?? 'VirtualMachine'} ${metadata?.namespace}/${metadata?.name}`;
  return new VmgpuError(code, `${name} does not start: ${message}`, { hint, details: { retryable: false } });
}

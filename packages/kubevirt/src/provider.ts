import {
  type CallOptions,
  type Clock,
  type Provider,
  type Scope,
  type Step,
  type StepContext,
  VmgpuError,
  type VmRef,
} from '@vmgpu/core';
import { retryCall, systemClock, withinDeadline } from '@vmgpu/core/resilience';
import { createKubePort } from './client/create-port.ts';
import { readBeside } from './client/instancetype.ts';
import type { KubePort, ObjectRef } from './client/port.ts';
import { type PowerAction, powerPath } from './client/power.ts';
import { resources } from './client/resources.ts';
import { readCluster, vmRef } from './client/snapshot.ts';
import { isNotFound } from './client/status.ts';
import { tidy } from './client/tidy.ts';
import { lazyTransport } from './client/transport.ts';
import type { Kubeconfig } from './client-node/kubeconfig.ts';
import { stepHandlers, stepKinds } from './steps/index.ts';
import type { StepTools, WaitTimes } from './steps/tools.ts';
import {
  type KubeVirtProvider,
  type KubeVirtSnapshot,
  kubevirtTranslator,
  type Manifest,
} from './translate/index.ts';

export interface KubeVirtSettings {
  /** A connection of one's own; excludes `kubeconfig`. */
  readonly port?: KubePort;
  /** A cluster by kubeconfig; the usual places (`$KUBECONFIG`, `~/.kube/config`, the pod's account) when neither is given. */
  readonly kubeconfig?: Kubeconfig;
  /** Namespace of VMs that name none; default `default`. */
  readonly namespace?: string;
  /** Who publishes the GPUs, where the cluster does not tell. */
  readonly gpuProvider?: KubeVirtProvider;
  /** Limits of waits; see `WaitTimes` for the defaults. */
  readonly waits?: Partial<WaitTimes>;
  /** Whether a running VM is restarted when a change takes effect only then; default `when-needed`. */
  readonly restart?: 'when-needed' | 'never';
  readonly clock?: Clock;
}

const defaultWaits: WaitTimes = {
  prepareMs: 20 * 60_000,
  advertiseMs: 5 * 60_000,
  runningMs: 10 * 60_000,
  goneMs: 3 * 60_000,
  troubleMs: 30_000,
};

export interface KubeVirtLive extends Provider<KubeVirtSnapshot, unknown> {
  /** Resolves when KubeVirt has taken the order. Rejects with `conflict` when the VM is in that state already. */
  power(vm: VmRef, action: PowerAction, options?: CallOptions): Promise<void>;
}

/** The KubeVirt adapter, live. Makes no request before it is asked for something. */
export function createKubeVirt(settings: KubeVirtSettings = {}): KubeVirtLive {
  const { clock = systemClock, namespace = 'default', restart = 'when-needed' } = settings;
  const port = settings.port ?? kubeconfigPort(settings, clock);
  const times = { ...defaultWaits, ...settings.waits };
  const tools = (context: StepContext): StepTools => ({ port, times, restart, context });

  const within = <T>(what: string, options: CallOptions, work: (signal: AbortSignal) => Promise<T>) =>
    withinDeadline(clock, what, options, work);

  return {
    specVersion: 'v1',
    platform: 'kubevirt',
    capabilities: {
      gpuModes: ['passthrough', 'vgpu'],
      selectors: ['id', 'board', 'name'],
      attach: true,
      stepKinds,
    },
    translate: kubevirtTranslator,
    snapshot: (scope: Scope, options = {}) =>
      within('reading the cluster', options, (signal) =>
        readCluster({ port, clock, namespace, provider: settings.gpuProvider }, scope, {
          signal,
          ...(options.vm && { vm: options.vm }),
        }),
      ),
    describe: (vm, options = {}) =>
      within(`reading VM ${vm.name}`, options, (signal) =>
        retryCall(() => describeVm(port, vmRef(vm, namespace), signal), { clock, signal }),
      ),
    doStep: (step, context) => handlerOf(step).run(step, tools(context)),
    undoStep: (step, outcome, context) => handlerOf(step).undo(step, outcome, tools(context)),
    power: (vm, action, options = {}) => port.order(powerPath(vmRef(vm, namespace), action), {}, options),
    close: async () => port.close(),
  };
}

function kubeconfigPort({ kubeconfig = {} }: KubeVirtSettings, clock: Clock): KubePort {
  const load = async () => (await import('./client-node/index.ts')).kubeconfigTransport(kubeconfig);
  return createKubePort(lazyTransport(load), { clock });
}

function handlerOf({ kind }: Step) {
  const handler = Object.hasOwn(stepHandlers, kind)
    ? stepHandlers[kind as keyof typeof stepHandlers]
    : undefined;
  if (handler) return handler;
  throw new VmgpuError('unsupported', "this kind of step is not KubeVirt's", { found: kind });
}

/** The VM; a `List` with what it names, when it names an instance type or a preference. */
async function describeVm(port: KubePort, ref: Required<ObjectRef>, signal: AbortSignal): Promise<Manifest> {
  const vm = await readVm(port, ref, signal);
  const { documents } = await readBeside(port, vm, { signal });
  return documents.length === 0 ? vm : { apiVersion: 'v1', kind: 'List', items: [vm, ...documents] };
}

/** The VM; where there is none, an instance that somebody made without one. */
async function readVm(port: KubePort, ref: Required<ObjectRef>, signal: AbortSignal): Promise<Manifest> {
  try {
    return tidy(await port.get(resources.virtualMachines, ref, { signal }));
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return port.get(resources.instances, ref, { signal }).then(tidy, (other) => {
      throw isNotFound(other) ? error : other;
    });
  }
}

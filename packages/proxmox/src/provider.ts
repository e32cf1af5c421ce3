import {
  type CallOptions,
  type Capabilities,
  type Clock,
  deepFreeze,
  type Provider,
  type Step,
  VmgpuError,
} from '@vmgpu/core';
import { retryCall, systemClock, withinDeadline } from '@vmgpu/core/resilience';
import { createHttp, type HttpPort, type TlsSettings } from '@vmgpu/http';
import { callerOf, createAuth, type ProxmoxLogin } from './client/auth.ts';
import { readPveError } from './client/errors.ts';
import { type NodeHostFacts, readNodeFacts } from './client/node-facts.ts';
import { createPvePort } from './client/port.ts';
import { type Reader, readSnapshot } from './client/read-snapshot.ts';
import { getVmConfig, listVms } from './client/vms.ts';
import type { ProxmoxTimeouts, StepEnv, StepHandler } from './steps/env.ts';
import { stepHandlers, stepKinds } from './steps/index.ts';
import { createVmidSource } from './steps/vmids.ts';
import { proxmoxTranslator } from './translate/index.ts';
import type { ProxmoxSnapshot } from './translate/snapshot.ts';
import type { ProxmoxNative } from './translate/to-intent.ts';

export interface ProxmoxSettings {
  /** Address of any node of the cluster: `https://pve1.example.org:8006`. */
  readonly url: string;
  readonly auth: ProxmoxLogin;
  /** By default the certificate is verified against Node's authorities; a cluster's own is given as `ca` or `fingerprint`. */
  readonly tls?: TlsSettings;
  /** Sends single requests, instead of the built-in binding (axios). */
  readonly http?: HttpPort;
  readonly clock?: Clock;
  /** For the jitter of retries. */
  readonly random?: () => number;
  readonly timeouts?: ProxmoxTimeouts;
  /** Connections at most; default 16. */
  readonly connections?: number;
}

/** The Proxmox VE adapter: the contract, and what a node says of its own readiness. */
export interface ProxmoxProvider extends Provider<ProxmoxSnapshot, ProxmoxNative> {
  /** What a node tells of itself, for whoever judges hosts. Needs Sys.Audit on `/`. */
  hostFactsOfNode(node: string, options?: CallOptions): Promise<NodeHostFacts>;
}

const capabilities: Capabilities = deepFreeze({
  gpuModes: ['passthrough', 'vgpu'],
  selectors: ['id', 'board', 'address', 'name'],
  attach: true,
  stepKinds,
});

const defaultTimeouts: Required<ProxmoxTimeouts> = {
  requestMs: 60_000,
  taskMs: 30 * 60_000,
  shutdownMs: 60_000,
};

/** Connects to nothing yet: the first call does. Throws `bad-input` for settings that cannot be. */
export function createProxmox(settings: ProxmoxSettings): ProxmoxProvider {
  const { clock = systemClock, random = Math.random, auth } = settings;
  const timeouts = { ...defaultTimeouts, ...settings.timeouts };
  const http = createHttp({
    baseUrl: apiUrl(settings.url),
    auth: createAuth(auth, clock),
    clock,
    random,
    tryTimeoutMs: timeouts.requestMs,
    readError: readPveError,
    // Repeated where it is known what a call means, and where it is told: in the step, or around a read.
    retry: { tries: 1 },
    ...(settings.tls ? { tls: settings.tls } : {}),
    ...(settings.http ? { transport: settings.http } : {}),
    ...(settings.connections === undefined ? {} : { connections: settings.connections }),
  });
  const pve = createPvePort(http);
  const env: StepEnv = {
    pve,
    vmids: createVmidSource(pve),
    timeouts,
    known: new Map(),
    newMarker: () => crypto.randomUUID(),
  };

  /** A reading of several calls, each repeated by itself. */
  const reading = <T>(what: string, options: CallOptions, work: (read: Reader) => Promise<T>): Promise<T> =>
    withinDeadline(clock, what, options, (signal) =>
      work((call) => retryCall(() => call(pve, { signal }), { clock, random, signal })),
    );

  return {
    specVersion: 'v1',
    platform: 'proxmox',
    capabilities,
    translate: proxmoxTranslator,
    snapshot: (scope, options = {}) =>
      reading('Reading the cluster', options, async (read) =>
        deepFreeze(await readSnapshot(read, callerOf(auth), scope, options.vm)),
      ),
    describe: (vm, options = {}) =>
      reading(`Reading VM ${vm.name}`, options, async (read) => {
        const items = await read((port, call) => listVms(port, call));
        const found = items.filter(
          ({ vmid, name, node }) =>
            (String(vmid) === vm.name || name === vm.name) && (vm.in === undefined || node === vm.in),
        );
        const [place] = found;
        if (found.length > 1) {
          throw new VmgpuError('conflict', `${found.length} VMs are called ${vm.name}`, {
            hint: `name one by its id: ${found.map(({ vmid }) => vmid).join(', ')}`,
          });
        }
        const answer = place && (await read((port, call) => getVmConfig(port, place, call)));
        if (!place || !answer) {
          throw new VmgpuError('not-found', `there is no VM ${vm.name}`, {
            expected: 'the id or name of a VM of this cluster that you may see (VM.Audit)',
          });
        }
        return { config: answer.options, vmid: place.vmid, node: place.node };
      }),
    hostFactsOfNode: (node, options = {}) =>
      reading(`Reading node ${node}`, options, (read) => readNodeFacts(read, node)),
    doStep: async (step, context) => handlerOf(step).do(env, step, context),
    undoStep: async (step, outcome, context) => handlerOf(step).undo(env, step, outcome, context),
    close: async () => http.close?.(),
  };
}

function handlerOf(step: Step): StepHandler {
  const handler = stepHandlers[step.kind];
  if (handler) return handler;
  throw new VmgpuError('unsupported', `step ${step.id} is of a kind that Proxmox VE does not have`, {
    found: step.kind,
  });
}

/** `https://pve1:8006`, with or without the path of the API. */
function apiUrl(url: string): string {
  return `${url.replace(/\/+$/, '').replace(/\/api2(\/json)?$/, '')}/api2/json`;
}

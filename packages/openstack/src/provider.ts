import {
  type CallOptions,
  type Capabilities,
  type Clock,
  deepFreeze,
  type HostInventory,
  type Provider,
  type Step,
  VmgpuError,
} from '@vmgpu/core';
import { retryCall, systemClock, withinDeadline } from '@vmgpu/core/resilience';
import type { HttpPort, TlsSettings } from '@vmgpu/http';
import type { OpenStackLogin } from './client/login.ts';
import type { OsPort } from './client/port.ts';
import { readServer } from './client/read-server.ts';
import { type Reader, readRelease, readSnapshot } from './client/read-snapshot.ts';
import type { Interface, ServiceType } from './client/services.ts';
import { createSession } from './client/session.ts';
import type { HostWork, OpenStackTimeouts, StepEnv, StepHandler } from './steps/env.ts';
import { stepHandlers, stepKinds } from './steps/index.ts';
import { createServerLooks } from './steps/server-looks.ts';
import { openstackTranslator } from './translate/index.ts';
import { parseRelease } from './translate/releases.ts';
import type { Deployment, NovaConfigText, OpenStackNative, OpenStackSnapshot } from './translate/snapshot.ts';

export interface OpenStackSettings {
  /** Keystone's address: `https://cloud.example.org:5000/v3`. */
  readonly authUrl: string;
  readonly login: OpenStackLogin;
  /** Needed where the catalogue has several. */
  readonly region?: string;
  /** In order of preference; default `public`. */
  readonly interfaces?: readonly Interface[];
  /** Addresses of services that win over the catalogue. */
  readonly endpoints?: Readonly<Partial<Record<ServiceType, string>>>;
  /** By default certificates are verified against Node's authorities. */
  readonly tls?: TlsSettings;
  /** Sends single requests, instead of the built-in binding (axios). */
  readonly http?: HttpPort;
  readonly proxy?: 'none' | 'env';
  readonly clock?: Clock;
  /** For the jitter of retries. */
  readonly random?: () => number;
  readonly timeouts?: OpenStackTimeouts;
  /** Connections per service at most; default 16. */
  readonly connections?: number;
  /** Nova's version or release name; told from microversions when not given, as exactly as these tell. */
  readonly release?: string;
  /** How the cloud was deployed; plain packages when not given. */
  readonly deployment?: Deployment;
  /** GPUs of the compute hosts, from captures: no API tells them. */
  readonly hosts?: readonly HostInventory[];
  /** nova.conf as it stands: no API tells it. Steps whose settings are in it are done. */
  readonly config?: readonly NovaConfigText[];
  /** Carries out steps of configuration; without it they reject with `unsupported`, unless `config` shows them done. */
  readonly hostWork?: HostWork;
}

export type OpenStackProvider = Provider<OpenStackSnapshot, OpenStackNative>;

const capabilities: Capabilities = deepFreeze({
  gpuModes: ['passthrough', 'vgpu'],
  selectors: ['id', 'board', 'address', 'name'],
  attach: true,
  stepKinds,
});

const minutes = 60_000;
const defaultTimeouts: Required<OpenStackTimeouts> = {
  requestMs: minutes,
  buildMs: 20 * minutes,
  deleteMs: 5 * minutes,
  resizeMs: 60 * minutes,
  reportMs: 2 * minutes,
};

/** The cloud's services themselves, for what is only looked at (`listDeviceProfiles`). Connects to nothing yet. */
export function openServices(settings: OpenStackSettings): OsPort {
  const { clock = systemClock, random = Math.random } = settings;
  const requestMs = settings.timeouts?.requestMs ?? defaultTimeouts.requestMs;
  return createSession({ ...settings, clock, random, newId: () => crypto.randomUUID(), requestMs });
}

/** Connects to nothing yet: the first call does. Throws `bad-input` for settings that cannot be. */
export function createOpenStack(settings: OpenStackSettings): OpenStackProvider {
  const { clock = systemClock, random = Math.random, release } = settings;
  const timeouts = { ...defaultTimeouts, ...settings.timeouts };
  if (release !== undefined) parseRelease(release);
  const os = openServices(settings);
  const readerOf =
    (signal: AbortSignal | undefined): Reader =>
    (call) =>
      // A signal of its own for each call: Node warns of a leak where more than ten listen to one.
      retryCall(() => call(os, signal ? { signal: AbortSignal.any([signal]) } : {}), {
        clock,
        random,
        ...(signal ? { signal } : {}),
      });
  const env: StepEnv = {
    os,
    timeouts,
    release: async ({ signal }) => (await readRelease(readerOf(signal), settings)).version,
    flavors: new Map(),
    closed: new Set(),
    looks: createServerLooks(os, clock),
    ids: new Map(),
    hostWork: settings.hostWork,
    newMarker: () => crypto.randomUUID(),
  };

  /** A reading of several calls, each repeated by itself. */
  const reading = <T>(what: string, options: CallOptions, work: (read: Reader) => Promise<T>): Promise<T> =>
    withinDeadline(clock, what, options, (signal) => work(readerOf(signal)));

  return {
    specVersion: 'v1',
    platform: 'openstack',
    capabilities,
    translate: openstackTranslator,
    snapshot: (scope, options = {}) =>
      reading('Reading the cloud', options, async (read) =>
        deepFreeze(await readSnapshot(read, settings, scope, options.vm)),
      ),
    describe: (vm, options = {}) =>
      reading(`Reading server ${vm.name}`, options, (read) => readServer(read, vm, settings.config)),
    doStep: async (step, context) => handlerOf(step).do(env, step, context),
    undoStep: async (step, outcome, context) => handlerOf(step).undo(env, step, outcome, context),
    close: async () => os.close(),
  };
}

function handlerOf(step: Step): StepHandler {
  const handler = stepHandlers[step.kind];
  if (handler) return handler;
  throw new VmgpuError('unsupported', `step ${step.id} is of a kind that OpenStack does not have`, {
    found: step.kind,
  });
}

import {
  apiVersion,
  type Diagnostic,
  deepFreeze,
  type GpuVm,
  type Plan,
  type PlanOptions,
  type Reading,
  type Step,
  sameJson,
  type Translator,
} from '@vmgpu/core';

/** A VM of the memory platform. */
export interface MemoryVm {
  readonly name: string;
  readonly cores?: number;
  readonly memory?: string;
  readonly devices?: readonly MemoryDevice[];
  readonly running?: boolean;
}
export interface MemoryDevice {
  readonly name: string;
  /** PCI id; the pool of that id must exist. */
  readonly id: string;
  readonly count: number;
}

export interface MemorySnapshot {
  readonly version: string;
  /** Ids of pools that exist. */
  readonly pools: readonly string[];
  readonly vms: Readonly<Record<string, MemoryVm>>;
}

const platform = 'memory';
const sayable = ['cpu', 'memory', 'gpus', 'providerOptions'];

/** GpuVm to the memory platform and back: the smallest translator that keeps every promise. */
export const memoryTranslator: Translator<MemorySnapshot, MemoryVm> = {
  specVersion: 'v1',
  platform,
  plan,
  render: ({ steps }) =>
    deepFreeze(
      steps.map(({ id, after, scope }) => ({
        path: `memory/${id.replace('/', '-')}.json`,
        content: { format: 'json' as const, document: after },
        scope,
        apply: 'vmgpu apply',
      })),
    ),
  toIntent,
};

function plan(intent: GpuVm, snapshot: MemorySnapshot, options: PlanOptions = {}): Plan {
  const { spec } = intent;
  const name = options.vm ?? intent.metadata.name;
  const now = snapshot.vms[name];
  const diagnostics: Diagnostic[] = [];
  const leaveOut = (path: string, code: string) =>
    diagnostics.push({
      kind: 'unsupported',
      code: `memory.${code}`,
      path,
      message: `${path} cannot be said here`,
    });
  for (const key of Object.keys(spec)) if (!sayable.includes(key)) leaveOut(`spec.${key}`, 'field');

  const devices = spec.gpus?.flatMap((gpu, index): MemoryDevice[] => {
    const id = gpu.mode === 'passthrough' ? gpu.device.id : undefined;
    if (id === undefined) leaveOut(`spec.gpus[${index}]`, 'gpu');
    return id === undefined ? [] : [{ name: gpu.name, id, count: gpu.count ?? 1 }];
  });
  const pools = [...new Set(devices?.map(({ id }) => id))].map((id): Step => {
    const before = snapshot.pools.includes(id) ? { id } : null;
    return step(
      `pool/${id.replace(':', '-')}`,
      'memory.pool',
      'pool',
      'platform',
      before,
      { id },
      `offer GPUs ${id}`,
    );
  });
  const after: MemoryVm = {
    name,
    ...(spec.cpu?.cores === undefined ? {} : { cores: spec.cpu.cores }),
    ...(spec.memory === undefined ? {} : { memory: spec.memory }),
    ...(devices === undefined ? {} : { devices }),
  };
  const vm: Step = {
    ...step(`vm/${name}`, 'memory.vm', 'vm', 'vm', now ? pick(now, after) : null, after, `write VM ${name}`),
    needs: pools.map(({ id }) => id),
  };
  const running = { running: now?.running ?? false };
  const power: Step = {
    ...step(`power/${name}`, 'memory.power', 'power', 'vm', running, { running: true }, `start ${name}`),
    needs: [vm.id],
  };
  const steps = [...pools, vm, power].filter(
    ({ scope }) => options.scope === undefined || options.scope === scope,
  );
  return deepFreeze({
    apiVersion,
    kind: 'Plan',
    platform,
    platformVersion: snapshot.version,
    vm: name,
    steps,
    diagnostics,
    requirements: [],
  });
}

function step(
  id: string,
  kind: string,
  type: string,
  scope: Step['scope'],
  before: unknown,
  after: unknown,
  summary: string,
): Step {
  const target = { type, name: id.slice(id.indexOf('/') + 1) };
  return { id, kind, target, before, after, scope, risk: 'none', reversible: true, summary };
}

/** The fields of the object that the wish is about. */
export function pick(object: object, wish: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key in wish));
}

function toIntent(native: MemoryVm): Reading {
  const { name, cores, memory, devices, running: _running, ...rest } = native;
  const diagnostics = Object.keys(rest)
    .filter((key) => !sameJson(rest[key as never], undefined))
    .map(
      (key): Diagnostic => ({
        kind: 'lossy',
        code: 'memory.foreign-field',
        path: key,
        message: `${key} has no neutral word`,
      }),
    );
  return deepFreeze({
    diagnostics,
    intent: {
      apiVersion,
      kind: 'GpuVm',
      metadata: { name },
      spec: {
        ...(cores === undefined ? {} : { cpu: { cores } }),
        ...(memory === undefined ? {} : { memory }),
        ...(devices === undefined
          ? {}
          : {
              gpus: devices.map((device) => ({
                name: device.name,
                mode: 'passthrough' as const,
                device: { id: device.id },
                ...(device.count === 1 ? {} : { count: device.count }),
              })),
            }),
      },
    },
  });
}

import type { StatusCause } from '../api/status.ts';
import { clone } from '../json.ts';
import { quantity, quantityText } from '../quantity.ts';
import type { Dict } from '../types.ts';

/** Puts an instance type onto a template, as pkg/instancetype/apply of kubevirt v1.9.0 does; answers its refusals. */
export function applyInstancetype(template: Dict, type: Dict, preference: Dict | undefined): StatusCause[] {
  const clashes: string[] = [];
  template.spec ??= {};
  const vmi: Dict = template.spec;
  vmi.domain ??= {};
  const { domain } = vmi;
  domain.devices ??= {};
  domain.cpu ??= {};
  const { resources = {}, devices } = domain;

  /** Takes a value over unless the VM has its own. */
  const take = (
    target: Dict,
    key: string,
    path: string,
    value: unknown,
    mine = target[key] !== undefined,
  ) => {
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return;
    if (mine) clashes.push(path);
    else if (value !== false) target[key] = clone(value);
  };
  take(vmi, 'nodeSelector', 'nodeSelector', type.nodeSelector);
  take(vmi, 'schedulerName', 'schedulerName', type.schedulerName, Boolean(vmi.schedulerName));

  const before = clashes.length;
  for (const bound of ['requests', 'limits']) {
    if (resources[bound]?.cpu !== undefined) clashes.push(`domain.resources.${bound}.cpu`);
  }
  for (const key of ['sockets', 'cores', 'threads']) if (domain.cpu[key]) clashes.push(`domain.cpu.${key}`);
  const { model, dedicatedCPUPlacement, isolateEmulatorThread, numa, realtime, maxSockets } = type.cpu;
  take(domain.cpu, 'model', 'domain.cpu.model', model, Boolean(domain.cpu.model));
  const isPinned = Boolean(domain.cpu.dedicatedCpuPlacement);
  take(
    domain.cpu,
    'dedicatedCpuPlacement',
    'domain.cpu.dedicatedCPUPlacement',
    dedicatedCPUPlacement,
    isPinned,
  );
  const isIsolated = Boolean(domain.cpu.isolateEmulatorThread);
  take(
    domain.cpu,
    'isolateEmulatorThread',
    'domain.cpu.isolateEmulatorThread',
    isolateEmulatorThread,
    isIsolated,
  );
  take(domain.cpu, 'numa', 'domain.cpu.numa', numa);
  take(domain.cpu, 'realtime', 'domain.cpu.realtime', realtime);
  if (clashes.length === before) {
    if (maxSockets !== undefined) domain.cpu.maxSockets = maxSockets;
    Object.assign(domain.cpu, topologyOf(type.cpu.guest, preference));
  }

  takeMemory(domain, type.memory, clashes);
  take(domain, 'ioThreadsPolicy', 'domain.ioThreadsPolicy', type.ioThreadsPolicy);
  const { supplementalPoolThreadCount } = type.ioThreads ?? {};
  if (supplementalPoolThreadCount !== undefined) {
    domain.ioThreads ??= {};
    const path = 'domain.ioThreads.supplementalPoolThreadCount';
    take(domain.ioThreads, 'supplementalPoolThreadCount', path, supplementalPoolThreadCount);
  }
  take(domain, 'launchSecurity', 'domain.launchSecurity', type.launchSecurity);
  for (const list of ['gpus', 'hostDevices']) {
    take(devices, list, `domain.devices.${list}`, type[list], devices[list]?.length > 0);
  }
  const paths = clashes.map((path) => `spec.template.spec.${path}`);
  const annotations: Dict = template.metadata?.annotations ?? {};
  for (const [key, value] of Object.entries(type.annotations ?? {})) {
    if (annotations[key] !== undefined && annotations[key] !== value) paths.push(`annotations.${key}`);
  }
  if (type.annotations) {
    template.metadata = { ...template.metadata, annotations: { ...type.annotations, ...annotations } };
  }
  return paths.map((field) => ({
    reason: 'FieldValueInvalid',
    field,
    message: `VM field(s) ${field} conflicts with selected instance type`,
  }));
}

function takeMemory(domain: Dict, memory: Dict, clashes: string[]): void {
  const { resources = {}, memory: own = {} } = domain;
  const clash = [
    own.guest !== undefined && 'memory.guest',
    own.hugepages && memory.hugepages && 'memory.hugepages',
    own.maxGuest && memory.maxGuest && 'memory.maxGuest',
    resources.requests?.memory !== undefined && 'resources.requests.memory',
    resources.limits?.memory !== undefined && 'resources.limits.memory',
  ].find(Boolean);
  if (clash) {
    clashes.push(`domain.${clash}`);
    return;
  }
  const { overcommitPercent = 0, ...given } = memory;
  domain.memory = { ...own, ...clone(given) };
  if (overcommitPercent === 0) return;
  // 32-bit floats, as KubeVirt has them.
  const { fround } = Math;
  const share = fround(1 - fround(overcommitPercent / 100));
  const bytes = Math.trunc(fround(fround(quantity(memory.guest)) * share));
  const request = quantityText(bytes, String(memory.guest).endsWith('i'));
  domain.resources = { ...resources, requests: { ...resources.requests, memory: request } };
}

interface Spread {
  readonly ratio: number;
  readonly across: string;
}

const topologyName = (preference: Dict | undefined): string =>
  String(preference?.cpu?.preferredCPUTopology ?? 'sockets')
    .replace(/^prefer/, '')
    .toLowerCase();

const spreadOf = (preference: Dict | undefined): Spread => ({
  ratio: preference?.cpu?.spreadOptions?.ratio ?? (preference?.preferSpreadSocketToCoreRatio || 2),
  across: preference?.cpu?.spreadOptions?.across ?? 'SocketsCores',
});

function topologyOf(count: number, preference: Dict | undefined): Dict {
  const one = { cores: 1, sockets: 1, threads: 1 };
  if (count === 1) return one;
  const name = topologyName(preference);
  if (name === 'cores' || name === 'threads') return { ...one, [name]: count };
  if (name !== 'spread') return { ...one, sockets: count };
  const { ratio, across } = spreadOf(preference);
  switch (across) {
    case 'CoresThreads':
      return { ...one, threads: ratio, cores: count / ratio };
    case 'SocketsCoresThreads':
      return { threads: 2, cores: ratio, sockets: count / 2 / ratio };
    default:
      return { ...one, cores: ratio, sockets: count / ratio };
  }
}

/** CPUs that cannot be dealt out as the preference wants (pkg/instancetype/preference/validation). */
export function spreadCauses(type: Dict | undefined, preference: Dict | undefined): StatusCause[] {
  if (type === undefined || topologyName(preference) !== 'spread') return [];
  const { ratio, across } = spreadOf(preference);
  const { guest } = type.cpu;
  const start = `${guest} vCPUs provided by the instance type are not divisible by the`;
  const byRatio = `Spec.PreferSpreadSocketToCoreRatio or Spec.CPU.PreferSpreadOptions.Ratio of ${ratio}`;
  const [isEven, rest] =
    across === 'SocketsCoresThreads'
      ? [guest % 2 === 0 && (guest / 2) % ratio === 0, `number of threads per core 2 and ${byRatio}`]
      : across === 'CoresThreads'
        ? [guest % ratio === 0, `number of threads per core ${ratio}`]
        : [guest % ratio === 0, `${byRatio} provided by the preference`];
  const field = 'instancetype.spec.cpu.guest';
  return isEven ? [] : [{ reason: 'FieldValueInvalid', field, message: `${start} ${rest}` }];
}

/** What a preference asks of the VM, checked on the expanded template (pkg/instancetype/preference/requirements). */
export function requirementCauses(vmi: Dict, type: Dict | undefined, preference: Dict): StatusCause[] {
  const { cpu, memory } = preference.requirements ?? {};
  const refuse = (field: string, message: string) => [
    { reason: 'FieldValueNotFound', field, message: `failure checking preference requirements: ${message}` },
  ];
  if (cpu) {
    if (type !== undefined && type.cpu.guest < cpu.guest) {
      const text = `insufficient CPU resources of ${type.cpu.guest} vCPU provided by instance type, preference requires ${cpu.guest} vCPU`;
      return refuse('spec.instancetype', text);
    }
    const path = 'spec.template.spec.domain.cpu';
    const own = vmi.domain?.cpu;
    if (type === undefined && own === undefined) {
      return refuse(
        path,
        `no CPU resources provided by VirtualMachine, preference requires ${cpu.guest} vCPU`,
      );
    }
    const name = topologyName(preference);
    if (
      type === undefined &&
      ['sockets', 'cores', 'threads'].includes(name) &&
      (own[name] ?? 0) < cpu.guest
    ) {
      const text = `insufficient CPU resources of ${own[name] ?? 0} vCPU provided by VirtualMachine, preference requires ${cpu.guest} vCPU provided as ${name}`;
      return refuse(`${path}.${name}`, text);
    }
  }
  const guest = type?.memory.guest ?? vmi.domain?.memory?.guest;
  if (memory && guest !== undefined && quantity(guest) < quantity(memory.guest)) {
    const [field, by] = type
      ? ['spec.instancetype', 'instance type']
      : ['spec.template.spec.domain.memory', 'VirtualMachine'];
    return refuse(
      field,
      `insufficient Memory resources of ${guest} provided by ${by}, preference requires ${memory.guest}`,
    );
  }
  return [];
}

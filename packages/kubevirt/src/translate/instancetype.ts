import { parseBytes } from '@vmgpu/core';
import { fromQuantity } from './amounts.ts';
import { at, compact, isObject, type Json, listAt, objectAt, setAt, textAt } from './manifest.ts';

/** The template of a VM as far as instance types and preferences change it: metadata and the instance's `spec`. */
export interface Template {
  readonly metadata?: Json;
  readonly spec?: Json;
  readonly [key: string]: unknown;
}

/** A refusal in the words of KubeVirt's webhook. */
export interface Conflict {
  readonly field: string;
  /** Keys of the field within the template; absent for what is wrong between instance type and preference. */
  readonly place?: readonly string[];
  readonly message: string;
}

/**
 * Fields of a template that an instance type does not suffer beside itself, in KubeVirt's order; the second word is the
 * instance type's field that must be set for it, none when any instance type is enough (kubevirt v1.9.0,
 * pkg/instancetype/apply).
 */
const rivals: readonly (readonly [field: string, given?: string])[] = [
  ['nodeSelector', 'nodeSelector'],
  ['schedulerName', 'schedulerName'],
  ['domain.resources.requests.cpu'],
  ['domain.resources.limits.cpu'],
  ['domain.cpu.sockets'],
  ['domain.cpu.cores'],
  ['domain.cpu.threads'],
  ['domain.cpu.model', 'cpu.model'],
  ['domain.cpu.dedicatedCpuPlacement', 'cpu.dedicatedCPUPlacement'],
  ['domain.cpu.isolateEmulatorThread', 'cpu.isolateEmulatorThread'],
  ['domain.cpu.numa', 'cpu.numa'],
  ['domain.cpu.realtime', 'cpu.realtime'],
  ['domain.memory.guest'],
  ['domain.memory.hugepages', 'memory.hugepages'],
  ['domain.memory.maxGuest', 'memory.maxGuest'],
  ['domain.resources.requests.memory'],
  ['domain.resources.limits.memory'],
  ['domain.ioThreadsPolicy', 'ioThreadsPolicy'],
  ['domain.ioThreads.supplementalPoolThreadCount', 'ioThreads.supplementalPoolThreadCount'],
  ['domain.launchSecurity', 'launchSecurity'],
  ['domain.devices.gpus', 'gpus'],
  ['domain.devices.hostDevices', 'hostDevices'],
];

const conflictOf = (field: string, place: readonly string[]): Conflict => ({
  field,
  place,
  message: `VM field(s) ${field} conflicts with selected instance type`,
});

/**
 * What KubeVirt refuses in a template beside an instance type. `spec` is that of the instance type; without it only what
 * every instance type refuses is told.
 */
export function instancetypeConflicts(template: Template, spec: Json | undefined): readonly Conflict[] {
  const vmi = objectAt(template, 'spec');
  const found = rivals
    .filter(([field, given]) => isSaid(vmi, field) && (given === undefined || isSaid(spec, given, true)))
    .map(([field]) => field);
  // Of the memory's fields KubeVirt names only the first.
  const [memory] = found.filter((field) => field.includes('memory'));
  const told = found.filter((field) => !field.includes('memory') || field === memory);
  const annotations = objectAt(template, 'metadata', 'annotations');
  const others = Object.entries(objectAt(spec, 'annotations')).filter(
    ([key, value]) => key in annotations && annotations[key] !== value,
  );
  return [
    ...told.map((field) =>
      // The webhook spells this one as the instance type does.
      conflictOf(`spec.template.spec.${field.replace('dedicatedCpu', 'dedicatedCPU')}`, [
        'spec',
        ...field.split('.'),
      ]),
    ),
    ...others.map(([key]) => conflictOf(`annotations.${key}`, ['metadata', 'annotations', key])),
  ];
}

/** True when a field is more than Go's zero; of an instance type `false` and 0 count, its fields are pointers. */
function isSaid(value: unknown, field: string, isPointer = false): boolean {
  const found = at(value, ...field.split('.'));
  if (found === undefined || found === null || found === '') return false;
  if (Array.isArray(found)) return found.length > 0;
  return isPointer || (found !== 0 && found !== false);
}

export interface Applied {
  readonly template: Template;
  readonly conflicts: readonly Conflict[];
}

/** The template with all that an instance type gives; unchanged when they are in conflict. */
export function applyInstancetype(template: Template, spec: Json, preference: Json | undefined): Applied {
  const topology = cpuTopology(spec, preference);
  // The webhook looks at this first, and then at nothing else.
  const conflicts = 'message' in topology ? [topology] : instancetypeConflicts(template, spec);
  if (conflicts.length > 0) return { template, conflicts };
  const { cpu, memory } = spec;
  const { domain: oldDomain, ...vmi } = objectAt(template, 'spec');
  const old = objectAt(oldDomain);
  const request = overcommitted(memory);
  const resources =
    request === undefined ? {} : { resources: setAt(old.resources, ['requests', 'memory'], request) };
  const devices = compact({
    ...objectAt(old, 'devices'),
    ...nonEmpty('gpus', spec),
    ...nonEmpty('hostDevices', spec),
  });
  const annotations = { ...objectAt(spec, 'annotations'), ...objectAt(template, 'metadata', 'annotations') };
  return {
    conflicts,
    template: {
      ...template,
      ...(Object.keys(annotations).length > 0
        ? { metadata: { ...objectAt(template, 'metadata'), annotations } }
        : {}),
      spec: {
        ...vmi,
        ...picked(spec, { nodeSelector: 'nodeSelector', schedulerName: 'schedulerName' }),
        domain: {
          ...old,
          ...picked(spec, { ioThreadsPolicy: 'ioThreadsPolicy', launchSecurity: 'launchSecurity' }),
          ...(isObject(spec.ioThreads)
            ? { ioThreads: { ...objectAt(old, 'ioThreads'), ...spec.ioThreads } }
            : {}),
          ...resources,
          cpu: {
            ...objectAt(old, 'cpu'),
            ...picked(cpu, {
              model: 'model',
              dedicatedCpuPlacement: 'dedicatedCPUPlacement',
              isolateEmulatorThread: 'isolateEmulatorThread',
              numa: 'numa',
              realtime: 'realtime',
              maxSockets: 'maxSockets',
            }),
            ...topology,
          },
          memory: {
            ...objectAt(old, 'memory'),
            ...picked(memory, { guest: 'guest', hugepages: 'hugepages', maxGuest: 'maxGuest' }),
          },
          devices,
        },
      },
    },
  };
}

/** The fields of `source` that are there, under their new names. */
function picked(source: unknown, names: Readonly<Record<string, string>>): Json {
  return compact(
    Object.fromEntries(Object.entries(names).map(([to, from]) => [to, at(source, from) || undefined])),
  );
}

function nonEmpty(key: string, spec: Json): Json {
  const list = listAt(spec, key);
  return list.length > 0 ? { [key]: list } : {};
}

interface Topology {
  readonly cores: number;
  readonly sockets: number;
  readonly threads: number;
}

const threadsPerCore = 2;

/**
 * How the virtual CPUs of an instance type are dealt out: as sockets, unless the preference wants something else. Older
 * objects say `preferCores`, newer ones `cores`.
 */
function cpuTopology(spec: Json, preference: Json | undefined): Topology | Conflict {
  const guest = Number(at(spec, 'cpu', 'guest') ?? 1);
  const one = { cores: 1, sockets: 1, threads: 1 };
  const wanted = textAt(preference, 'cpu', 'preferredCPUTopology') ?? 'sockets';
  switch (wanted.replace(/^prefer/, '').toLowerCase()) {
    case 'cores':
      return { ...one, cores: guest };
    case 'threads':
      return { ...one, threads: guest };
    case 'spread':
      return spread(guest, preference);
    default:
      return { ...one, sockets: guest };
  }
}

function spread(guest: number, preference: Json | undefined): Topology | Conflict {
  const options = objectAt(preference, 'cpu', 'spreadOptions');
  const ratio = Number(options.ratio ?? (at(preference, 'preferSpreadSocketToCoreRatio') || 2));
  const across = options.across ?? 'SocketsCores';
  const isEven =
    across === 'SocketsCoresThreads'
      ? guest % threadsPerCore === 0 && (guest / threadsPerCore) % ratio === 0
      : guest % ratio === 0;
  if (!isEven) {
    const ratioName = `Spec.PreferSpreadSocketToCoreRatio or Spec.CPU.PreferSpreadOptions.Ratio of ${ratio}`;
    const by =
      across === 'SocketsCoresThreads'
        ? `number of threads per core ${threadsPerCore} and ${ratioName}`
        : across === 'CoresThreads'
          ? `number of threads per core ${ratio}`
          : `${ratioName} provided by the preference`;
    return {
      field: 'instancetype.spec.cpu.guest',
      message: `${guest} vCPUs provided by the instance type are not divisible by the ${by}`,
    };
  }
  if (guest === 1) return { cores: 1, sockets: 1, threads: 1 };
  if (across === 'CoresThreads') return { cores: guest / ratio, sockets: 1, threads: ratio };
  if (across === 'SocketsCoresThreads') {
    return { cores: ratio, sockets: guest / threadsPerCore / ratio, threads: threadsPerCore };
  }
  return { cores: ratio, sockets: guest / ratio, threads: 1 };
}

/** The memory that the launcher pod asks for when an instance type overcommits: less than the guest sees. */
function overcommitted(memory: unknown): string | undefined {
  const percent = Number(at(memory, 'overcommitPercent') ?? 0);
  const guest = at(memory, 'guest');
  const amount = fromQuantity(guest);
  if (!(percent > 0) || amount === undefined) return undefined;
  // KubeVirt reckons in 32-bit floats.
  const share = Math.fround(1 - Math.fround(Math.fround(percent) / 100));
  const bytes = Math.trunc(Math.fround(Math.fround(parseBytes(amount)) * share));
  return shortest(bytes, /i$/.test(String(guest)) ? 1024 : 1000);
}

/** A quantity as Kubernetes writes it: the largest unit that leaves a whole number. */
function shortest(bytes: number, base: 1000 | 1024): string {
  const units = base === 1024 ? ['', 'Ki', 'Mi', 'Gi', 'Ti'] : ['', 'k', 'M', 'G', 'T'];
  let [value, unit] = [bytes, 0];
  while (value > 0 && value % base === 0 && unit < units.length - 1) [value, unit] = [value / base, unit + 1];
  return `${value}${units[unit]}`;
}

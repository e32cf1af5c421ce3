import type { Catalog } from '../model/gpu-board.ts';
import type { GpuRequest, GpuSelector, GpuVm } from '../model/gpu-vm.ts';
import { isHostTypeId } from '../model/vgpu-profile.ts';
import type { Diagnostic } from '../spec/v1/diagnostic.ts';
import type { Plan } from '../spec/v1/plan.ts';
import type { PlanOptions, Reading, Translator } from '../spec/v1/translator.ts';
import { deepFreeze } from '../util/freeze.ts';

export interface MigrationOptions extends Omit<PlanOptions, 'vm'> {
  /**
   * What the source platform's own names mean, where it did not say so itself: mapping, alias or resource name to a
   * selector (`{ "gt1030": { "id": "10de:1d01" } }`).
   */
  readonly devices?: Readonly<Record<string, GpuSelector>>;
  /** The same for type numbers, which belong to a driver branch: `{ "nvidia-593": "A10-4Q" }`. */
  readonly profiles?: Readonly<Record<string, string>>;
}

/** A VM read from one platform and planned on another. */
export interface Migration {
  readonly from: string;
  readonly to: string;
  /** The VM in neutral words, as it goes to the target. */
  readonly intent: GpuVm;
  readonly plan: Plan;
  /** Everything that is lost, approximated or open on the way: from reading, from leaving, from planning. */
  readonly report: readonly Diagnostic[];
}

/**
 * Plans a VM that was read from one platform on another. Pure. Whatever only the source platform knows is named in the
 * report, key by key: nothing is left behind silently.
 */
export function planMigration<Snapshot>(
  from: string,
  reading: Reading,
  target: Translator<Snapshot, never>,
  snapshot: Snapshot,
  options: MigrationOptions = {},
): Migration {
  const { devices, profiles, ...planOptions } = options;
  const left = leave(
    from,
    reading.intent,
    { devices: devices ?? {}, profiles: profiles ?? {} },
    options.catalog,
  );
  const plan = target.plan(left.intent, snapshot, planOptions);
  return deepFreeze({
    from,
    to: target.platform,
    intent: left.intent,
    plan,
    report: [...reading.diagnostics, ...left.diagnostics, ...plan.diagnostics],
  });
}

interface Names {
  readonly devices: Readonly<Record<string, GpuSelector>>;
  readonly profiles: Readonly<Record<string, string>>;
}

/** The intent without what belongs to the source platform, and a diagnostic for each thing left behind. */
function leave(
  from: string,
  intent: GpuVm,
  names: Names,
  catalog: Catalog | undefined,
): { intent: GpuVm; diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const say = (kind: Diagnostic['kind'], code: string, path: string, message: string, remedy?: string) =>
    diagnostics.push({
      kind,
      code: `migrate.${code}`,
      path,
      message,
      ...(remedy === undefined ? {} : { remedy }),
    });
  const { providerOptions, gpus, ...spec } = intent.spec;
  for (const [path, value] of leaves(providerOptions?.[from] ?? {}, `spec.providerOptions.${from}`)) {
    say(
      'lossy',
      'provider-option',
      path,
      `only ${from} knows this setting (${shorten(value)}); it stays behind`,
    );
  }
  for (const [index, disk] of (intent.spec.disks ?? []).entries()) {
    const about =
      disk.image === undefined
        ? ''
        : ` and its image ${JSON.stringify(disk.image)} is named in ${from}'s terms`;
    say(
      'approximated',
      'disk-content',
      `spec.disks[${index}]`,
      `disk ${JSON.stringify(disk.name)} is described, its content is not moved${about}`,
      'copy the disk, or name an image of the target platform',
    );
  }
  for (const [index, network] of (intent.spec.networks ?? []).entries()) {
    say(
      'approximated',
      'network-name',
      `spec.networks[${index}]`,
      `network ${JSON.stringify(network.name)} is a name of ${from}`,
      'check that the target has a network of that name',
    );
  }
  const moved = gpus?.map((gpu, index) => leaveGpu(gpu, `spec.gpus[${index}]`, names, catalog, say));
  const others = Object.entries(providerOptions ?? {}).filter(([platform]) => platform !== from);
  return {
    intent: {
      ...intent,
      spec: {
        ...spec,
        ...(moved === undefined ? {} : { gpus: moved }),
        ...(others.length === 0 ? {} : { providerOptions: Object.fromEntries(others) }),
      },
    },
    diagnostics,
  };
}

type Say = (kind: Diagnostic['kind'], code: string, path: string, message: string, remedy?: string) => void;

function leaveGpu(
  gpu: GpuRequest,
  path: string,
  names: Names,
  catalog: Catalog | undefined,
  say: Say,
): GpuRequest {
  if (gpu.mode === 'passthrough') {
    return { ...gpu, device: leaveSelector(gpu.device, `${path}.device`, names, say) ?? gpu.device };
  }
  const { device, ...rest } = gpu;
  const profile = leaveProfile(gpu.profile, `${path}.profile`, names, catalog, say);
  // A vGPU needs no device: a name that means nothing on the target is left out rather than carried along.
  const selector = device && leaveSelector(device, `${path}.device`, names, say);
  return { ...rest, profile, ...(selector === undefined ? {} : { device: selector }) };
}

/** Undefined when nothing of the selector means anything elsewhere. */
function leaveSelector(selector: GpuSelector, path: string, names: Names, say: Say): GpuSelector | undefined {
  const { name, address, ...portable } = { ...selector, ...(names.devices[selector.name ?? ''] ?? {}) };
  if (portable.id !== undefined || portable.board !== undefined) {
    if (name !== undefined)
      say(
        'approximated',
        'device-name',
        `${path}.name`,
        `the name ${JSON.stringify(name)} stays behind; the device goes by its id`,
      );
    if (address !== undefined)
      say(
        'approximated',
        'device-address',
        `${path}.address`,
        `the address ${address} belongs to one host; any device of that id will do`,
      );
    return portable;
  }
  say(
    'blocked',
    'device-unknown',
    path,
    `what ${JSON.stringify(name ?? address)} is cannot be told from what was read`,
    'say which device it is (--device NAME=10de:2236), or read the VM together with its inventory',
  );
  return undefined;
}

function leaveProfile(
  profile: string,
  path: string,
  names: Names,
  catalog: Catalog | undefined,
  say: Say,
): string {
  const mapped = names.profiles[profile];
  if (mapped !== undefined) return mapped;
  const number = /^nvidia-(\d+)$/.exec(profile)?.[1];
  if (number === undefined || !isHostTypeId(profile)) return profile;
  const known = catalog?.boards
    .flatMap((board) => board.ids.flatMap((id) => catalog.profilesById(id)))
    .find((candidate) => candidate.typeId === Number(number));
  if (known === undefined) {
    const remedy = `say which profile it is (--profile ${profile}=A10-4Q)`;
    say(
      'blocked',
      'profile-unknown',
      path,
      `${profile} is a number of one driver branch; its name is not known`,
      remedy,
    );
    return profile;
  }
  say(
    'approximated',
    'profile-by-number',
    path,
    `${profile} is ${known.name} in the driver branches the catalogue knows; numbers may differ between branches`,
    'check it on the host: vmgpu inspect',
  );
  return known.name;
}

/** Every value at the end of a path, in document order. */
function* leaves(value: unknown, path: string): Generator<readonly [string, unknown]> {
  if (Array.isArray(value) && value.length > 0) {
    for (const [index, item] of value.entries()) yield* leaves(item, `${path}[${index}]`);
  } else if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    for (const [key, item] of Object.entries(value)) yield* leaves(item, `${path}.${key}`);
  } else if (path.split('.').length > 3 || typeof value !== 'object') {
    yield [path, value];
  }
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

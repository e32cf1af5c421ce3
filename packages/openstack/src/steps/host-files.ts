import {
  badInput,
  type CallOptions,
  isVmgpuError,
  type Step,
  type StepContext,
  VmgpuError,
} from '@vmgpu/core';
import type { NovaService } from '../translate/snapshot.ts';
import type { HostWork } from './env.ts';
import { type HostRole, type HostTarget, type TargetOptions, targetOf } from './host-targets.ts';

/** Program and arguments that put a service into operation with its files, watch it, and show the end of its log. */
export interface ServiceCommands {
  readonly restart?: readonly string[];
  readonly status?: readonly string[];
  readonly log?: readonly string[];
}

/** Files that belong together, as a host takes them. */
export interface FileSet {
  readonly name: string;
  readonly version: string;
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly services: readonly (ServiceCommands & { readonly name: string })[];
}

export interface FileHostOptions extends CallOptions {
  readonly onProgress?: (message: string) => void;
}

/** One host on which files are written and services restarted: `managedFilesOn(port)` of `@vmgpu/host-prep/exec` is one. */
export interface FileHost {
  /** A compute host's name is the one that Nova has for it. */
  readonly name: string;
  read(path: string, options?: CallOptions): Promise<string | undefined>;
  /** Puts the files in place and the services into operation; a failure leaves the host as it was. */
  apply(set: FileSet, options?: FileHostOptions): Promise<{ readonly status: 'changed' | 'unchanged' }>;
  /** Brings the earlier files back. */
  undo(set: FileSet, options?: FileHostOptions): Promise<unknown>;
}

export interface HostFiles extends TargetOptions {
  /** The hosts that the plan's GPUs are in. */
  readonly compute?: readonly FileHost[];
  readonly control?: readonly FileHost[];
  /** Where kolla-ansible is run. */
  readonly deploy?: FileHost;
  /** Instead of systemd's unit of the service's name: another unit, or programs of your own. */
  readonly services?: Readonly<Partial<Record<NovaService, ServiceCommands & { readonly unit?: string }>>>;
  /** What kolla-ansible is told when its files are written: `kolla-ansible reconfigure -i INVENTORY -t nova`. */
  readonly reconfigure?: readonly string[];
}

/** DevStack's units. Source: DevStack, lib/nova (run_process). */
const devstackUnits: Readonly<Record<NovaService, readonly string[]>> = {
  'nova-compute': ['devstack@n-cpu.service'],
  'nova-api': ['devstack@n-api.service'],
  'nova-scheduler': ['devstack@n-sch.service'],
  'nova-conductor': ['devstack@n-super-cond.service', 'devstack@n-cond-cell1.service'],
  'placement-api': ['devstack@placement-api.service'],
};

/** Hosts at work at once, after the first one went well. Controllers stand in for each other. */
const hostsAtOnce: Readonly<Record<HostRole, number>> = { compute: 8, control: 1, deploy: 1 };

/**
 * Carries out steps of configuration by files on hosts: merges the settings into them, has the services restarted and
 * watched, one host first and then the others, and takes all of it back when one host fails.
 */
export function filesOnHosts(options: HostFiles): HostWork {
  return {
    async doStep(step, context) {
      const { work, width } = await workOf(step, options, context);
      const differing = work.filter(({ differs }) => differs).map(({ host }) => host.name);
      // Before the first write: what a killed process would have to take back.
      if (differing.length > 0) await context.note({ before: { hosts: differing } });
      let changed = false;
      const begun: Work[] = [];
      const applyOne = async (one: Work) => {
        begun.push(one);
        const { status } = await one.host.apply(one.set, callOptions(one.host, context));
        if (status === 'changed') changed = true;
      };
      try {
        const [first, ...others] = work;
        if (first) await applyOne(first);
        await inParallel(others, width, applyOne);
      } catch (error) {
        throw await takenBack(
          error,
          begun.filter(({ differs }) => differs),
          context,
        );
      }
      if (!changed) return { status: 'unchanged' };
      return {
        status: 'updated',
        before: { hosts: differing },
        after: {
          hosts: work.map(({ host }) => host.name),
          files: work[0]?.set.files.map(({ path }) => path) ?? [],
        },
      };
    },
    async undoStep(step, { before }, context) {
      const { hosts: names = [] } = (before ?? {}) as { hosts?: readonly string[] };
      const { work, width } = await workOf(step, options, context);
      await inParallel(
        work.filter(({ host }) => names.includes(host.name)),
        width,
        async ({ host, set }) => void (await host.undo(set, callOptions(host, context))),
      );
    },
  };
}

interface Work {
  readonly host: FileHost;
  readonly set: FileSet;
  /** A file is not yet as it shall be. */
  readonly differs: boolean;
}

/** Reads the hosts, and makes of what stands there what shall stand there. */
async function workOf(
  step: Step,
  options: HostFiles,
  context: StepContext,
): Promise<{ readonly work: readonly Work[]; readonly width: number }> {
  const target = targetOf(step, options);
  const services = servicesOf(step, target, options);
  // The settings name the change: they are merged with what others have in the same files.
  const version = JSON.stringify(step.after);
  const hosts = hostsOf(target, options);
  const work = new Map<FileHost, Work>();
  await inParallel(hosts, hostsAtOnce.compute, async (host) => {
    let differs = false;
    const files: { path: string; content: string }[] = [];
    for (const { path, content } of target.files) {
      const now = await host.read(path, { signal: context.signal });
      files.push({ path, content: content(now) });
      differs ||= files.at(-1)?.content !== now;
    }
    work.set(host, { host, set: { name: step.id, version, files, services }, differs });
  });
  return { work: hosts.flatMap((host) => work.get(host) ?? []), width: hostsAtOnce[target.role] };
}

function hostsOf({ role, host }: HostTarget, options: HostFiles): readonly FileHost[] {
  const known = role === 'deploy' ? [options.deploy].flatMap((one) => one ?? []) : (options[role] ?? []);
  const chosen = host === undefined ? known : known.filter(({ name }) => sameHost(name, host));
  if (chosen.length > 0) return chosen;
  throw badInput(`no ${words[role]} is known whose files could be written`, {
    found: known.map(({ name }) => name).join(', ') || 'none',
    expected: host ?? `at least one in hostFiles.${role}`,
  });
}

const words: Readonly<Record<HostRole, string>> = {
  compute: 'compute host',
  control: 'controller',
  deploy: 'deployment host',
};

/** Nova may know a host by its short name or its full one. */
function sameHost(left: string, right: string): boolean {
  return left === right || left.startsWith(`${right}.`) || right.startsWith(`${left}.`);
}

function servicesOf(step: Step, { services }: HostTarget, options: HostFiles): FileSet['services'] {
  const { deployment } = step.after as { deployment: string };
  return services.flatMap((service): FileSet['services'] => {
    if (service === 'reconfigure') {
      if (options.reconfigure) return [{ name: 'kolla-ansible', restart: options.reconfigure }];
      throw new VmgpuError('unsupported', `${step.summary}: kolla-ansible has to take the files over`, {
        hint: 'say in hostFiles.reconfigure how it is run: [kolla-ansible, reconfigure, -i, INVENTORY, -t, nova]',
      });
    }
    const { unit, ...commands } = options.services?.[service] ?? {};
    if (commands.restart) return [{ name: service, ...commands }];
    const units = unit ? [unit] : deployment === 'devstack' ? devstackUnits[service] : [service];
    return units.map((name) => ({ name, log: novaLog(name, service), ...commands }));
  });
}

/** Packages let Nova log into files of its own; systemd knows only why the program ended. */
function novaLog(unit: string, service: NovaService): readonly string[] {
  const script = 'journalctl -u "$1" -n 20 -o cat --no-pager; tail -n 20 "$2" 2>/dev/null';
  const folder = service === 'placement-api' ? 'placement' : 'nova';
  return ['sh', '-c', script, 'sh', unit, `/var/log/${folder}/${service}.log`];
}

function callOptions({ name }: FileHost, { signal, emit }: StepContext): FileHostOptions {
  return { signal, onProgress: (line) => emit({ message: `${name}: ${line}` }) };
}

async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined && failures.length === 0; item = queue.shift()) {
      await work(item).catch((error) => void failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/** Hosts that went well are brought back too: half a roll-out is no state to stay in. */
async function takenBack(error: unknown, begun: readonly Work[], context: StepContext): Promise<unknown> {
  const others: string[] = [];
  for (const { host, set } of begun) {
    const failed = await host.undo(set, callOptions(host, context)).then(
      () => undefined,
      (reason) => (isVmgpuError(reason) ? reason.message : String(reason)),
    );
    if (failed !== undefined) others.push(failed);
  }
  if (others.length === 0 || !isVmgpuError(error)) return error;
  return new VmgpuError(error.code, `${error.message}; taking it back failed: ${others.join('; ')}`, {
    cause: error,
    hint: 'look at these hosts, then undo the operation',
    ...(error.details ? { details: error.details } : {}),
  });
}

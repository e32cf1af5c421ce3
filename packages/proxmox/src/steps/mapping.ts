import { type CallOptions, type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { createMapping, deleteMapping, getMapping, listMappings, updateMapping } from '../client/mappings.ts';
import { vmsUsingMapping } from '../client/read-snapshot.ts';
import { type PciMapping, printMappingEntry, tryParseMappingEntry } from '../translate/mapping.ts';
import { read, type StepEnv, type StepHandler, settle } from './env.ts';

const flags = ['mdev', 'live-migration-capable', 'description'] as const;
type Flag = (typeof flags)[number];

/**
 * What one step manages of a mapping: the entries that it adds or corrects, by node and path, and the flags that it sets.
 * Everything else in the mapping is somebody else's.
 */
interface Managed {
  readonly entries: ReadonlyMap<string, string>;
  readonly flags: ReadonlyMap<Flag, PciMapping[Flag]>;
}

function keyOf(text: string): string {
  const entry = tryParseMappingEntry(text);
  return entry.ok ? `${entry.value.node} ${entry.value.path}` : text;
}

/** One spelling for entries that mean the same. */
function canonical(text: string): string {
  const entry = tryParseMappingEntry(text);
  return entry.ok ? printMappingEntry(entry.value) : text;
}

function entriesOf(mapping: PciMapping | null | undefined): ReadonlyMap<string, string> {
  return new Map((mapping?.map ?? []).map((text) => [keyOf(text), canonical(text)]));
}

/** The difference between the plan's `before` and `after`; without a `before`, all of `after`. */
function managedOf(step: Step): Managed {
  const after = step.after as PciMapping;
  const before = step.before as PciMapping | null | undefined;
  const known = entriesOf(before);
  const entries = [...entriesOf(after)].filter(([key, text]) => known.get(key) !== text);
  const set = flags.filter((flag) => after[flag] !== undefined && after[flag] !== before?.[flag]);
  return { entries: new Map(entries), flags: new Map(set.map((flag) => [flag, after[flag]])) };
}

/** What the mapping has in place of what is managed, as comparable JSON. */
function viewOf(mapping: PciMapping | null | undefined, managed: Managed): string {
  const entries = entriesOf(mapping);
  return JSON.stringify([
    [...managed.entries.keys()].map((key) => entries.get(key) ?? null),
    [...managed.flags.keys()].map((flag) => mapping?.[flag] || null),
  ]);
}

function wantedView(managed: Managed): string {
  return JSON.stringify([
    [...managed.entries.values()],
    [...managed.flags.values()].map((value) => value || null),
  ]);
}

/** The mapping with the managed part put in; lines of others stay as they are, byte by byte. */
function withManaged(id: string, now: PciMapping | null, managed: Managed): PciMapping {
  const left = new Map(managed.entries);
  const kept = (now?.map ?? []).map((text) => {
    const wanted = left.get(keyOf(text));
    left.delete(keyOf(text));
    return wanted === undefined || wanted === canonical(text) ? text : wanted;
  });
  return { ...now, id, map: [...kept, ...left.values()], ...Object.fromEntries(managed.flags) };
}

function readNow({ pve }: StepEnv, step: Step, options: CallOptions): Promise<PciMapping | null> {
  return getMapping(pve, step.target.name, options);
}

/** Creates or extends a PCI mapping. Foreign entries, other nodes' lines and other flags are kept. */
async function doMapping(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const managed = managedOf(step);
  const id = step.target.name;
  let first: PciMapping | null | undefined;
  const status = await settle(context, async (options) => {
    const now = await readNow(env, step, options);
    if (now && viewOf(now, managed) === wantedView(managed))
      return first === undefined ? 'unchanged' : 'written';
    refuseStale(step, now, managed);
    if (first === undefined) {
      first = now;
      await context.note({ before: now });
    }
    const next = withManaged(id, now, managed);
    if (now === null) await createMapping(env.pve, next, options);
    else await updateMapping(env.pve, next, [], options);
    return 'written';
  });
  if (status === 'unchanged') return { status };
  await checkOnNodes(env, step, managed, context);
  const after = await read(context, (options) => readNow(env, step, options));
  return { status: first ? 'updated' : 'created', before: first ?? null, after };
}

function refuseStale(step: Step, now: PciMapping | null, managed: Managed): void {
  if (step.before === undefined) return;
  const before = step.before as PciMapping | null;
  const same = (before === null) === (now === null) && viewOf(now, managed) === viewOf(before, managed);
  if (same) return;
  throw new VmgpuError('conflict', `mapping ${step.target.name} is not what the plan expects`, {
    found: now ? now.map.join(' ') : 'no such mapping',
    expected: before ? before.map.join(' ') : 'no such mapping',
    hint: 'somebody changed it since the plan was made; make a new plan',
  });
}

/** Proxmox VE stores any entry and refuses a wrong one when the VM starts: each node is asked now what it thinks. */
async function checkOnNodes(
  env: StepEnv,
  step: Step,
  { entries }: Managed,
  context: StepContext,
): Promise<void> {
  const nodes = new Set([...entries.keys()].map((key) => key.slice(0, key.indexOf(' '))));
  for (const node of nodes) {
    const mappings = await read(context, (options) => listMappings(env.pve, node, options));
    const { checks = [] } = mappings.find(({ id }) => id === step.target.name) ?? {};
    for (const { message } of checks) context.emit({ message: `${step.target.name} on ${node}: ${message}` });
    const wrong = checks.find(({ severity }) => severity === 'error');
    if (!wrong) continue;
    throw new VmgpuError(
      'host-not-ready',
      `mapping ${step.target.name} would not work on ${node}: ${wrong.message}`,
      {
        hint: 'the node’s hardware is not what the plan was made for; make a new plan',
        details: { kind: 'mapping-stale', node },
      },
    );
  }
}

/**
 * Takes the step's own lines and flags out again, and puts those back that they replaced. A mapping that the step created and
 * to which others have added stays, with their lines. Stops when somebody has changed one of ours.
 */
async function undoMapping(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const managed = managedOf(step);
  const before = (outcome.before ?? null) as PciMapping | null;
  const id = step.target.name;
  await settle(context, async (options) => {
    const now = await readNow(env, step, options);
    if (now === null) {
      if (before !== null) throw changedMeanwhile(id, 'it was deleted');
      return;
    }
    const found = viewOf(now, managed);
    if (found === viewOf(before, managed) && before !== null) return;
    if (found !== wantedView(managed)) {
      // Nothing of ours is in it: it is another mapping by now.
      if (before === null && found === viewOf(null, managed)) return;
      throw changedMeanwhile(id, `it is ${now.map.join(' ')}`);
    }
    const old = entriesOf(before);
    const map = now.map.flatMap((text) => {
      const key = keyOf(text);
      return managed.entries.has(key) ? (originalText(before, key, old) ?? []) : [text];
    });
    if (map.length === 0) {
      await refuseInUse(env, id, context);
      return deleteMapping(env.pve, id, options);
    }
    const drop = [...managed.flags.keys()].filter((flag) => before?.[flag] === undefined);
    const rest = Object.fromEntries(Object.entries(now).filter(([key]) => !drop.includes(key as Flag)));
    const restored = Object.fromEntries(
      [...managed.flags.keys()].flatMap((flag) =>
        before?.[flag] === undefined ? [] : [[flag, before[flag]]],
      ),
    );
    // The flags of a mapping that others use by now stay with it.
    const keepFlags = before === null;
    await updateMapping(
      env.pve,
      keepFlags ? { ...now, map } : ({ ...rest, ...restored, id, map } as PciMapping),
      keepFlags ? [] : drop,
      options,
    );
  });
}

/** Proxmox VE deletes a mapping under the VMs that name it, which then do not start. VMs that the caller may not see are not asked. */
async function refuseInUse(env: StepEnv, id: string, context: StepContext): Promise<void> {
  const users = await vmsUsingMapping((call) => read(context, (options) => call(env.pve, options)), id);
  if (users.length === 0) return;
  throw new VmgpuError('conflict', `mapping ${id} is used by VM ${users.join(', ')} by now`, {
    hint: 'take it from those VMs first, or leave it',
  });
}

/** The line as it stood, not as we would print it. */
function originalText(
  before: PciMapping | null,
  key: string,
  old: ReadonlyMap<string, string>,
): string | undefined {
  return old.has(key) ? before?.map.find((text) => keyOf(text) === key) : undefined;
}

function changedMeanwhile(id: string, found: string): VmgpuError {
  return new VmgpuError('conflict', `mapping ${id} was changed by somebody else since: ${found}`, {
    hint: 'look at it, and take the change back by hand if it is still wanted',
  });
}

export const mappingStep: StepHandler = { do: doMapping, undo: undoMapping };

import { type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { hasCode } from '../client/errors.ts';
import {
  createFlavor,
  deleteExtraSpec,
  deleteFlavor,
  getWholeFlavor,
  setExtraSpecs,
} from '../client/flavors.ts';
import { needsOldMicroversion } from '../translate/extra-specs.ts';
import type { FlavorState } from '../translate/flavor.ts';
import type { NovaFlavor } from '../translate/snapshot.ts';
import { changedMeanwhile, type StepEnv, type StepHandler, settle, staleError } from './env.ts';

type Specs = Readonly<Record<string, string>>;
/** What the flavor had in place of the extra specs that the step sets; absent is null. */
type SpecsBefore = Readonly<Record<string, string | null>>;

/**
 * Makes a flavor, or adds to the one that is there. CPUs, memory and disk of a flavor never change, so that another flavor of
 * this id is a conflict; extra specs of others stay.
 */
async function doFlavor(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const { flavor, extraSpecs } = step.after as FlavorState;
  let before = context.noted?.before as SpecsBefore | null | undefined;
  const status = await settle(context, async (options): Promise<StepOutcome['status']> => {
    const now = await getWholeFlavor(env.os, flavor.id, options);
    if (now) refuseOther(now, flavor);
    const current = now && specsBefore(now, extraSpecs);
    const missing = Object.entries(extraSpecs).filter(([key, value]) => current?.[key] !== value);
    if (now && missing.length === 0) {
      return before === undefined ? 'unchanged' : before === null ? 'created' : 'updated';
    }
    if (before === undefined) {
      refuseStale(step, now, extraSpecs);
      before = current;
      await context.note({ before: current });
    }
    if (!now) {
      await createFlavor(env.os, flavor, options).catch((error) => {
        if (hasCode(error, 'already-exists', 'conflict')) throw takenName(flavor, error);
        throw error;
      });
    }
    await writeSpecs(env, flavor.id, missing, options);
    return before === null ? 'created' : 'updated';
  });
  env.flavors.set(flavor.id, { ...flavor, extra_specs: extraSpecs });
  if (status === 'unchanged') return { status };
  return { status, before: before ?? null, after: { id: flavor.id, extraSpecs } };
}

function takenName(flavor: FlavorState['flavor'], cause: unknown): VmgpuError {
  return new VmgpuError(
    'already-exists',
    `another flavor has the name ${flavor.name} or the id ${flavor.id}`,
    {
      cause,
      hint: 'plan against the cloud, so that the flavor that is there is used, or choose another name',
    },
  );
}

function specsBefore({ extra_specs = {} }: NovaFlavor, wanted: Specs): SpecsBefore {
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, extra_specs[key] ?? null]));
}

const immutable = ['name', 'vcpus', 'ram', 'disk'] as const;

function refuseOther(now: NovaFlavor, wanted: FlavorState['flavor']): void {
  for (const field of immutable) {
    if (now[field] === wanted[field]) continue;
    throw new VmgpuError(
      'conflict',
      `the flavor ${wanted.id} is there with another ${field}, which never changes`,
      {
        found: String(now[field]),
        expected: String(wanted[field]),
        hint: 'choose another name: providerOptions.openstack.flavor.name',
      },
    );
  }
}

function refuseStale({ before, target }: Step, now: NovaFlavor | null, wanted: Specs): void {
  if (before === undefined) return;
  const expected = before as NovaFlavor | null;
  if ((expected === null) !== (now === null)) {
    throw staleError(
      `the flavor ${target.name}`,
      now ? 'it is there' : 'it is gone',
      now ? 'no such flavor' : 'a flavor',
    );
  }
  const differs = Object.keys(wanted).find((key) => {
    const value = now?.extra_specs?.[key];
    return value !== expected?.extra_specs?.[key] && value !== wanted[key];
  });
  if (differs === undefined) return;
  const show = (flavor: NovaFlavor | null) => flavor?.extra_specs?.[differs] ?? 'not set';
  throw staleError(`${differs} of the flavor ${target.name}`, show(now), show(expected));
}

/** In two calls where keys are among them that Nova's checker never learned. */
async function writeSpecs(
  { os }: StepEnv,
  id: string,
  specs: readonly (readonly [string, string])[],
  options: { readonly signal?: AbortSignal },
): Promise<void> {
  for (const unchecked of [false, true]) {
    const part = specs.filter(([key]) => needsOldMicroversion(key) === unchecked);
    if (part.length > 0) await setExtraSpecs(os, id, Object.fromEntries(part), { ...options, unchecked });
  }
}

/** Takes a flavor away that the step made; of one that was there, the extra specs that are still ours. */
async function undoFlavor(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const { flavor, extraSpecs } = step.after as FlavorState;
  const before = (outcome.before ?? null) as SpecsBefore | null;
  await settle(context, async (options) => {
    const now = await getWholeFlavor(env.os, flavor.id, options);
    if (!now) return;
    if (before === null) {
      refuseForeign(now, extraSpecs);
      await deleteFlavor(env.os, flavor.id, options);
      return;
    }
    const back: [string, string][] = [];
    for (const [key, value] of Object.entries(before)) {
      const found = now.extra_specs?.[key] ?? null;
      if (found === value) continue;
      if (found !== extraSpecs[key])
        throw changedMeanwhile(`${key} of the flavor ${flavor.name}`, found ?? 'not set');
      if (value === null) await deleteExtraSpec(env.os, flavor.id, key, options);
      else back.push([key, value]);
    }
    await writeSpecs(env, flavor.id, back, options);
  });
  env.flavors.delete(flavor.id);
}

/** A flavor that somebody gave other extra specs is theirs by now. */
function refuseForeign({ name, extra_specs = {} }: NovaFlavor, ours: Specs): void {
  const changed = Object.keys(ours).find(
    (key) => extra_specs[key] !== undefined && extra_specs[key] !== ours[key],
  );
  if (changed !== undefined)
    throw changedMeanwhile(`the flavor ${name}`, `${changed} is ${extra_specs[changed]}`);
}

export const flavorStep: StepHandler = { do: doFlavor, undo: undoFlavor };

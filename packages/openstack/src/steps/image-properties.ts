import { type CallOptions, type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { getImage, type PropertyChanges, patchImage } from '../client/images.ts';
import { changedMeanwhile, type StepEnv, type StepHandler, settle, staleError } from './env.ts';
import { resolveRefs } from './refs.ts';

interface ImageState {
  readonly image: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** The managed properties as they are; absent is null. Others are not looked at, and not touched. */
async function readNow(
  { os }: StepEnv,
  { image, properties }: ImageState,
  options: CallOptions,
): Promise<PropertyChanges> {
  const found = await getImage(os, image, options);
  if (!found) {
    throw new VmgpuError('not-found', `there is no image ${image}`, {
      expected: 'an image that the login may see',
      hint: 'Glance also hides an image that its rule get_image keeps from the login',
    });
  }
  return Object.fromEntries(
    Object.keys(properties).map((key) => [key, found[key] === undefined ? null : String(found[key])]),
  );
}

async function doImage(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const wish = await resolveRefs(env, context, step.after as ImageState);
  const { image, properties } = wish;
  let before = context.noted?.before as PropertyChanges | undefined;
  return settle(context, async (options) => {
    const now = await readNow(env, wish, options);
    const missing = Object.fromEntries(
      Object.entries(properties).filter(([key, value]) => now[key] !== value),
    );
    if (Object.keys(missing).length === 0) {
      return before ? { status: 'updated', before, after: { image, properties } } : { status: 'unchanged' };
    }
    if (before === undefined) {
      refuseStale(step, now, properties);
      before = now;
      await context.note({ before: now });
    }
    await patchImage(env.os, image, missing, options);
    return { status: 'updated', before, after: { image, properties } };
  });
}

function refuseStale(step: Step, now: PropertyChanges, wanted: Readonly<Record<string, string>>): void {
  const { properties: expected } = (step.before ?? {}) as { properties?: PropertyChanges };
  if (!expected) return;
  for (const key of Object.keys(wanted)) {
    const known = expected[key] ?? null;
    if (now[key] === known || now[key] === wanted[key]) continue;
    throw staleError(`${key} of the image ${step.target.name}`, now[key] ?? 'not set', known ?? 'not set');
  }
}

/** Puts each property back that is still ours. */
async function undoImage(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const wish = await resolveRefs(env, context, step.after as ImageState);
  const before = (outcome.before ?? {}) as PropertyChanges;
  await settle(context, async (options) => {
    const now = await readNow(env, wish, options);
    const back: Record<string, string | null> = {};
    for (const [key, value] of Object.entries(before)) {
      if (now[key] === value) continue;
      if (now[key] !== wish.properties[key]) {
        throw changedMeanwhile(`${key} of the image ${step.target.name}`, `it is ${now[key] ?? 'not set'}`);
      }
      back[key] = value;
    }
    if (Object.keys(back).length > 0) await patchImage(env.os, wish.image, back, options);
  });
}

export const imagePropertiesStep: StepHandler = { do: doImage, undo: undoImage };

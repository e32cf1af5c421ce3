import { type CallOptions, type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { explainRefusal } from '../client/errors.ts';
import { listFlavors } from '../client/flavors.ts';
import { actOnServer, getServer, type ServerAction, type ServerAnswer } from '../client/servers.ts';
import { changedMeanwhile, read, type StepEnv, type StepHandler, settle, staleError } from './env.ts';
import { flavorOf } from './known-flavor.ts';
import { resolveRefs } from './refs.ts';
import { awaitServer, faultOf } from './server-life.ts';

interface ResizeState {
  readonly server: string;
  readonly flavorRef: string;
}

/** A server's flavor by name: Nova does not tell its id. */
interface FlavorName {
  readonly flavor: string;
}

const settled = ['ACTIVE', 'SHUTOFF', 'VERIFY_RESIZE'];

async function doResize(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const wish = await resolveRefs(env, context, step.after as ResizeState);
  const target = await flavorOf(env, context, wish.flavorRef);
  const server = await current(env, context, wish.server);
  const before: FlavorName = { flavor: flavorName(server) };
  const done = flavorName(server) === target.name && server.status !== 'VERIFY_RESIZE';
  if (done && context.noted === undefined) return { status: 'unchanged' };
  if (!done) {
    const expected = (step.before as FlavorName | undefined)?.flavor;
    if (
      context.noted === undefined &&
      expected !== undefined &&
      flavorName(server) !== expected &&
      flavorName(server) !== target.name
    ) {
      throw staleError(`the flavor of ${server.name}`, flavorName(server), expected);
    }
    await context.note({ before });
    await bringTo(env, context, server, target.name ?? '', wish.flavorRef);
  }
  return {
    status: 'updated',
    before: context.noted?.before ?? before,
    after: { id: server.id, flavor: target.name },
  };
}

/** The server, after whatever Nova was doing with it. */
async function current(env: StepEnv, context: StepContext, id: string): Promise<ServerAnswer> {
  const server = await awaitServer(env, context, { id, timeoutMs: env.timeouts.resizeMs, until: settled });
  if (server) return server;
  throw new VmgpuError('not-found', `there is no server ${id}`, { expected: 'a server of the project' });
}

function flavorName({ flavor }: ServerAnswer): string {
  return flavor.original_name ?? flavor.name ?? '';
}

/**
 * Resizes and confirms. Each round looks first: the server's own state tells whether an order of before was taken, so that
 * none is given twice.
 */
async function bringTo(
  env: StepEnv,
  context: StepContext,
  { id, name }: ServerAnswer,
  target: string,
  flavorRef: string,
): Promise<void> {
  const what = `Unable to resize server ${name}`;
  const asked = env.flavors.get(flavorRef)?.extra_specs;
  const order = (action: ServerAction) => async (options: CallOptions) => {
    try {
      await actOnServer(env.os, id, action, options);
    } catch (error) {
      throw explainRefusal(what, error, await env.release(options), asked);
    }
  };
  let resized = false;
  await settle(context, async (options) => {
    const now = await current(env, context, id);
    if (now.status === 'ERROR') throw await faultOf(env, context, what, now);
    if (flavorName(now) !== target) {
      // Nova takes a failed resize back by itself and says so only in the server's actions.
      if (resized) throw await faultOf(env, context, what, now);
      await order({ resize: { flavorRef } })(options);
      resized = true;
    }
    const moved = await current(env, context, id);
    if (moved.status === 'ERROR' || flavorName(moved) !== target)
      throw await faultOf(env, context, what, moved);
    if (moved.status === 'VERIFY_RESIZE') await order({ confirmResize: null })(options).catch(passConfirming);
    await awaitServer(env, context, { id, timeoutMs: env.timeouts.resizeMs, until: ['ACTIVE', 'SHUTOFF'] });
  });
}

/** An order to confirm whose answer was lost is being carried out: until it is, the server still looks as if it waited for one. */
function passConfirming(error: unknown): void {
  if (!(error instanceof Error) || !/has not been resized/.test(error.message)) throw error;
}

/** Back to the flavor of before: reverted while that is possible, else resized again. */
async function undoResize(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const { flavor: old } = outcome.before as FlavorName;
  const wish = await resolveRefs(env, context, step.after as ResizeState);
  const target = await flavorOf(env, context, wish.flavorRef);
  const server = await read(context, (options) => getServer(env.os, wish.server, options));
  if (!server) return;
  const now = await current(env, context, wish.server);
  if (flavorName(now) === old && now.status !== 'VERIFY_RESIZE') return;
  if (flavorName(now) !== target.name && flavorName(now) !== old)
    throw changedMeanwhile(`server ${now.name}`, `its flavor is ${flavorName(now)}`);
  // With the flavor of before it is a resize back, which waits for its confirmation.
  if (now.status === 'VERIFY_RESIZE' && flavorName(now) === target.name) {
    await settle(context, async (options) => {
      const waiting = await getServer(env.os, now.id, options);
      if (waiting?.status === 'VERIFY_RESIZE')
        await actOnServer(env.os, now.id, { revertResize: null }, options);
    });
    await awaitServer(env, context, {
      id: now.id,
      timeoutMs: env.timeouts.resizeMs,
      until: ['ACTIVE', 'SHUTOFF'],
    });
    return;
  }
  const flavors = await read(context, (options) => listFlavors(env.os, options));
  const back = flavors.find(({ name }) => name === old);
  if (back?.id === undefined) {
    throw new VmgpuError('not-found', `the flavor ${old} of before is gone`, {
      hint: `make it again, then resize server ${now.name} to it`,
    });
  }
  await bringTo(env, context, now, old, back.id);
}

export const resizeStep: StepHandler = { do: doResize, undo: undoResize };

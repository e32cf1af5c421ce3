import { isVmgpuError, type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { explainRefusal, hasCode } from '../client/errors.ts';
import { createServer, deleteServer, findServers, getServer, type ServerAnswer } from '../client/servers.ts';
import { claimKey, type ServerState } from '../translate/server.ts';
import {
  changedMeanwhile,
  isUnanswered,
  lostSight,
  read,
  type StepEnv,
  type StepHandler,
  settle,
} from './env.ts';
import { askCapacity, missingClaim } from './gpu-claims.ts';
import { flavorOf } from './known-flavor.ts';
import { resolveRefs } from './refs.ts';
import { awaitBuild, faultOf, isGoing, removeServer } from './server-life.ts';

/**
 * What is noted before a server is ordered: a marker that goes into its metadata. Nova knows no idempotency keys; whoever takes
 * the step up again knows by the marker whether the server was made after all.
 */
interface Claim {
  readonly marker: string;
  /** The server, once Nova has answered. */
  readonly id?: string;
}

interface Made {
  readonly id: string;
  /** Volumes that were made for it and would outlive it. */
  readonly volumes: readonly string[];
}

/** How long asking for the deletion of a server that nobody waits for any more may take. */
const cancelMs = 3_000;

async function doServer(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const what = `Unable to create server ${step.target.name}`;
  const noted = context.noted?.handle as Claim | undefined;
  const state = await resolveRefs(env, context, step.after as ServerState);
  const { name } = state.server;
  if (noted === undefined) {
    const found = await findOne(env, context, name);
    if (found) return unchangedOrConflict(env, context, state, found);
  }
  const orderNew = async (before: Claim | undefined) => {
    const flavor = await flavorOf(env, context, state.server.flavorRef);
    await askCapacity(env, context, name, flavor);
    return order(env, context, what, state, before);
  };
  const standing = async (claim: Claim): Promise<ServerAnswer | null> => {
    try {
      const server = await awaitActive(env, context, what, claim, state);
      if (server) await refuseUnclaimed(env, context, server, state);
      return server;
    } catch (error) {
      throw lostSight(error, what);
    }
  };
  let claim = noted?.id === undefined ? await orderNew(noted) : noted;
  let server = await standing(claim);
  if (!server && noted?.id !== undefined) {
    // The run before this one gave it up, and what it heard last of its deletion was nothing.
    claim = await orderNew(undefined);
    server = await standing(claim);
  }
  if (!server) throw changedMeanwhile(what, 'somebody has deleted it');
  const made: Made = { id: server.id, volumes: volumesOf(server, state) };
  return { status: 'created', before: null, handle: { ...claim, id: server.id }, after: made };
}

async function findOne(env: StepEnv, context: StepContext, name: string): Promise<ServerAnswer | undefined> {
  const all = await read(context, (options) => findServers(env.os, name, options));
  const standing = all.filter((server) => !isGoing(server));
  if (standing.length < 2) return standing[0];
  throw new VmgpuError('conflict', `${standing.length} servers are called ${name}`, {
    hint: `delete or rename all but one: ${standing.map(({ id }) => id).join(', ')}`,
  });
}

/** A server of this name is the one of the plan when it came from the same flavor and image. */
async function unchangedOrConflict(
  env: StepEnv,
  context: StepContext,
  { server: wish }: ServerState,
  found: ServerAnswer,
): Promise<StepOutcome> {
  const differ = (field: string, is: string, shall: string) =>
    new VmgpuError(
      'conflict',
      `server ${found.name} (${found.id}) is there already, and is not what the plan wants`,
      {
        found: `${field} ${is}`,
        expected: `${field} ${shall}`,
        hint: 'plan a change of this server (--vm), choose another name, or delete it',
      },
    );
  if (found.status === 'ERROR') {
    throw await faultOf(env, context, `Server ${found.name} (${found.id}) is there already, in ERROR`, found);
  }
  const flavor = await flavorOf(env, context, wish.flavorRef);
  const embedded = found.flavor.original_name ?? found.flavor.name ?? '';
  if (embedded !== flavor.name) throw differ('flavor', embedded, flavor.name ?? wish.flavorRef);
  const image = typeof found.image === 'object' ? (found.image.id ?? '') : '';
  if (wish.imageRef !== undefined && image !== wish.imageRef)
    throw differ('image', image, String(wish.imageRef));
  return { status: 'unchanged', after: { id: found.id } };
}

/**
 * Orders the server. After an answer that was lost it is looked for under its marker, several times: Nova writes it down
 * before it answers, but a request may still be on its way. What turns up twice all the same is deleted.
 */
async function order(
  env: StepEnv,
  context: StepContext,
  what: string,
  state: ServerState,
  noted: Claim | undefined,
): Promise<Claim> {
  const claim: Claim = noted ?? { marker: env.newMarker() };
  const { server, ...hints } = state;
  const metadata = { ...(server.metadata as object | undefined), [claimKey]: claim.marker };
  const asked = env.flavors.get(server.flavorRef)?.extra_specs;
  let maybeOrdered = noted !== undefined;
  if (!maybeOrdered) await context.note({ before: null, handle: claim });
  const id = await settle(context, async (options) => {
    if (maybeOrdered) {
      const found = await findClaimed(env, context, server.name, claim.marker);
      if (found) return found.id;
    }
    maybeOrdered = false;
    try {
      return await createServer(env.os, { server: { ...server, metadata }, ...hints }, options);
    } catch (error) {
      maybeOrdered = isUnanswered(error);
      const told = explainRefusal(what, error, await env.release(options), asked);
      if (!maybeOrdered && statusOf(error) >= 500) await discardStray(env, context, what, claim, state);
      throw told;
    }
  });
  const taken = { ...claim, id };
  await context.note({ handle: taken });
  return taken;
}

/** Nova answers 500 as well when it has written the server down and cannot pass it on (no RabbitMQ): it would stay in BUILD. */
async function discardStray(
  env: StepEnv,
  context: StepContext,
  what: string,
  { marker }: Claim,
  state: ServerState,
): Promise<void> {
  try {
    const stray = await findClaimed(env, context, state.server.name, marker);
    if (stray) await removeServer(env, context, stray.id, volumesOf(stray, state));
  } catch (error) {
    throw lostSight(error, what);
  }
}

function statusOf(error: unknown): number {
  return isVmgpuError(error) ? Number(error.details?.status ?? 0) : 0;
}

/** Looks for a claimed server that may still be on its way, in ms after each other. */
const looks = [0, 1_000, 3_000];

async function findClaimed(
  env: StepEnv,
  context: StepContext,
  name: string,
  marker: string,
): Promise<ServerAnswer | undefined> {
  for (const wait of looks) {
    if (wait > 0) await context.clock.sleep(wait, context.signal);
    const all = await read(context, (options) => findServers(env.os, name, options));
    const ours = all.filter((server) => server.metadata?.[claimKey] === marker && !isGoing(server));
    const [first, ...surplus] = ours;
    for (const { id } of surplus) await settle(context, (options) => deleteServer(env.os, id, options));
    if (first) return first;
  }
  return undefined;
}

/**
 * Waits for ACTIVE; null when it is gone. A server that fails is taken away again, and told why; so is one that nobody waits
 * for any more.
 */
async function awaitActive(
  env: StepEnv,
  context: StepContext,
  what: string,
  claim: Claim,
  state: ServerState,
): Promise<ServerAnswer | null> {
  const { signal } = context;
  const id = claim.id ?? '';
  let server: ServerAnswer | null;
  try {
    server = await awaitBuild(env, context, state.server.name, {
      id,
      timeoutMs: env.timeouts.buildMs,
      until: ['ACTIVE'],
    });
  } catch (error) {
    if (signal.aborted || hasCode(error, 'timeout')) await cancel(env, context, id);
    throw error;
  }
  if (!server || server.status === 'ACTIVE') return server;
  const fault = await faultOf(env, context, what, server);
  await removeServer(env, context, id, volumesOf(server, state));
  await context.note({ handle: undefined });
  throw fault;
}

/** When it cannot be reached, its handle stays noted. */
async function cancel(env: StepEnv, context: StepContext, id: string): Promise<void> {
  const gone = await deleteServer(env.os, id, { timeoutMs: cancelMs }).then(
    () => true,
    () => false,
  );
  if (gone) await context.note({ handle: undefined });
}

async function refuseUnclaimed(
  env: StepEnv,
  context: StepContext,
  server: ServerAnswer,
  state: ServerState,
): Promise<void> {
  const lacking = await missingClaim(env, context, server.id, server.flavor.extra_specs);
  if (lacking === undefined) return;
  await removeServer(env, context, server.id, volumesOf(server, state));
  await context.note({ handle: undefined });
  throw new VmgpuError(
    'host-not-ready',
    `server ${server.name} started without its GPU: it asks for ${lacking}`,
    {
      hint: 'compare mdev_class and device_addresses of the hosts with the flavor (vmgpu lint)',
      details: { stage: 'compute', retryable: false },
    },
  );
}

/** Volumes that Nova made for the order and would leave behind; those that the order named are somebody's. */
function volumesOf(server: ServerAnswer, { server: wish }: ServerState): readonly string[] {
  const mapping = (wish.block_device_mapping_v2 ?? []) as readonly { source_type?: string; uuid?: string }[];
  const given = mapping.filter(({ source_type }) => source_type === 'volume').map(({ uuid }) => uuid);
  return (server['os-extended-volumes:volumes_attached'] ?? [])
    .filter(({ id, delete_on_termination }) => delete_on_termination !== true && !given.includes(id))
    .map(({ id }) => id);
}

async function undoServer(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const claim = outcome.handle as Claim | undefined;
  const made = outcome.after as Made | undefined;
  const { name } = (step.after as ServerState).server;
  const id = made?.id ?? claim?.id ?? (claim && (await findClaimed(env, context, name, claim.marker))?.id);
  if (id === undefined) return;
  const server = await read(context, (options) => getServer(env.os, id, options));
  if (!server) return;
  await removeServer(env, context, id, made?.volumes ?? []);
}

export const serverStep: StepHandler = { do: doServer, undo: undoServer };

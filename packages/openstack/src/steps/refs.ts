import { type StepContext, VmgpuError } from '@vmgpu/core';
import { listImages } from '../client/images.ts';
import { listNetworks } from '../client/networks.ts';
import { findServers } from '../client/servers.ts';
import { read, type StepEnv } from './env.ts';

const placeholder = /^\$\{(image|network|server):(.*)\}$/s;

/** The value with every `${image:NAME}`, `${network:NAME}`, `${server:NAME}` in it replaced by the id. Equal names are asked for once. */
export async function resolveRefs<T>(env: StepEnv, context: StepContext, value: T): Promise<T> {
  const ids = new Map<string, string>();
  const visit = async (item: unknown): Promise<unknown> => {
    if (typeof item === 'string') {
      const match = placeholder.exec(item);
      if (!match) return item;
      const known = ids.get(item) ?? (await recentId(env, context, match[1] as Kind, match[2] as string));
      ids.set(item, known);
      return known;
    }
    if (Array.isArray(item)) return Promise.all(item.map(visit));
    if (typeof item !== 'object' || item === null) return item;
    const entries = await Promise.all(
      Object.entries(item).map(async ([key, inner]) => [key, await visit(inner)]),
    );
    return Object.fromEntries(entries);
  };
  return (await visit(value)) as T;
}

type Kind = 'image' | 'network' | 'server';

/** How long, in ms, the id of an image or network is taken as known: many servers of one image ask for it once. */
const recentMs = 60_000;

async function recentId(env: StepEnv, context: StepContext, kind: Kind, name: string): Promise<string> {
  const key = `${kind} ${name}`;
  const now = context.clock.now();
  const known = env.ids.get(key);
  if (known && known.until > now) return known.id;
  const id = await idOf(env, context, kind, name);
  if (kind !== 'server') env.ids.set(key, { until: now + recentMs, id });
  return id;
}

async function idOf(env: StepEnv, context: StepContext, kind: Kind, name: string): Promise<string> {
  const found = await read(context, async (options): Promise<readonly { readonly id: string }[]> => {
    if (kind === 'image') return listImages(env.os, { name }, options);
    if (kind === 'network') return listNetworks(env.os, { name }, options);
    return findServers(env.os, name, options);
  });
  const [one, another] = found;
  if (one && !another) return one.id;
  throw new VmgpuError(
    another ? 'conflict' : 'not-found',
    `${found.length || 'no'} ${kind}s are called ${name}`,
    {
      expected: `one ${kind} of this name that the login may see`,
      ...(another ? { hint: `name one by its id: ${found.map(({ id }) => id).join(', ')}` } : {}),
    },
  );
}

/**
 * A server of the real Nova gets a GPU, and loses it again, by a resize on its own host: the card is claimed and given back, and what
 * is taken back ends with the GPU that was there before.
 */
import type { GpuVm } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  bringUp,
  claimedDevices,
  configOf,
  gpuHost,
  leftovers,
  openCloud,
  passthrough,
  renderFragments,
  restartNova,
  restoreNova,
  smallVm,
} from './cloud.ts';
import { cleanCloud } from './rest.ts';

const name = 'grows';
const without = smallVm(name, []);
const withGpu = smallVm(name, [passthrough('10de:2236')]);
// There is one compute host: Nova must be told that it may resize onto the host where the server is.
const fragments = {
  ...renderFragments(withGpu),
  '60-resize.conf': '[DEFAULT]\nallow_resize_to_same_host = true\n',
};
const facts = { hosts: [gpuHost], config: configOf(fragments) };

describe('a resize', () => {
  beforeAll(async () => {
    await bringUp();
    expect(await restartNova(fragments)).toMatchObject({ ok: true });
  });
  // Also when it fails: the next try begins with an empty cloud.
  afterEach(cleanCloud);
  afterAll(restoreNova);

  it('gives a server a GPU, takes it away, gives it back by the undo, and leaves nothing', async () => {
    const { provider } = openCloud(facts);
    const change = async (intent: GpuVm, vm?: string) => {
      const snapshot = await provider.snapshot('platform', { vm: { name } });
      const plan = provider.translate.plan(intent, snapshot, vm === undefined ? {} : { vm });
      expect(plan.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
      const operation = apply(plan, provider);
      const { changed } = await operation;
      return { changed, journal: operation.toJSON() };
    };
    const seen = async () => {
      const { server } = await provider.describe({ name });
      const claims = await claimedDevices();
      return {
        status: server.status,
        claimed: Object.values(claims).filter((id) => id === server.id).length,
      };
    };

    const made = await change(without);
    expect(await seen()).toEqual({ status: 'ACTIVE', claimed: 0 });

    const grown = await change(withGpu, name);
    expect(await seen()).toEqual({ status: 'ACTIVE', claimed: 1 });
    expect((await change(withGpu, name)).changed).toBe(false);

    const shrunk = await change(without, name);
    expect(await seen()).toEqual({ status: 'ACTIVE', claimed: 0 });

    await undo(shrunk.journal, provider);
    expect(await seen()).toEqual({ status: 'ACTIVE', claimed: 1 });
    await undo(grown.journal, provider);
    expect(await seen()).toEqual({ status: 'ACTIVE', claimed: 0 });
    await undo(made.journal, provider);
    expect(await leftovers()).toEqual([]);
    expect(await claimedDevices()).toEqual({});
    await provider.close?.();
  });
});

import type { CallOptions } from '@vmgpu/core';
import type { PvePort } from '../client/port.ts';
import { getNextVmid } from '../client/vms.ts';

/** Ids for new VMs. */
export interface VmidSource {
  /** An id that is free as far as is known, and that this process has not given out before. */
  claim(options: CallOptions): Promise<number>;
  /** The id turned out to be taken: the next claim asks the platform again. */
  taken(vmid: number): void;
}

/**
 * `GET /cluster/nextid` reserves nothing: everybody who asks gets the same id until somebody uses it. So ids are counted on
 * from one answer, and whether one was free shows when the VM is created.
 */
export function createVmidSource(pve: PvePort): VmidSource {
  const given = new Set<number>();
  let next: number | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  async function take(options: CallOptions): Promise<number> {
    let vmid = next ?? (await getNextVmid(pve, options));
    while (given.has(vmid)) vmid += 1;
    given.add(vmid);
    next = vmid + 1;
    return vmid;
  }
  return {
    claim(options) {
      const claimed = turn.then(() => take(options));
      turn = claimed.catch(() => undefined);
      return claimed;
    },
    taken(vmid) {
      if (next !== undefined && vmid < next) next = undefined;
    },
  };
}

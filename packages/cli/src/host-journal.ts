import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { apiVersion } from '@vmgpu/core';
import type { HostPlan } from '@vmgpu/host-prep/plan';
import type { Io } from './io.ts';

/** Plans at work, kept on this machine beside the hosts' own copies: one of both is enough to go on. */
export interface HostJournal {
  readonly fileOf: (host: string) => string;
  keep(host: string, plan: HostPlan): Promise<void>;
  read(host: string): Promise<HostPlan | undefined>;
  forget(host: string): Promise<void>;
}

/** Below `$XDG_STATE_HOME/vmgpu/hosts`, `~/.local/state` when that is not set. Only its owner may read it. */
export function hostJournal({ env }: Pick<Io, 'env'>): HostJournal {
  const base = env.XDG_STATE_HOME ?? join(env.HOME ?? homedir(), '.local/state');
  const fileOf = (host: string) => join(base, 'vmgpu/hosts', `${encodeURIComponent(host)}.json`);
  return {
    fileOf,
    async keep(host, plan) {
      const file = fileOf(host);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(`${file}.${process.pid}`, `${JSON.stringify(plan)}\n`, { mode: 0o600, flush: true });
      await rename(`${file}.${process.pid}`, file);
    },
    async read(host) {
      try {
        const plan = JSON.parse(await readFile(fileOf(host), 'utf8')) as Partial<HostPlan>;
        return plan.apiVersion === apiVersion && plan.kind === 'HostPlan' ? (plan as HostPlan) : undefined;
      } catch {
        // None, or one that nobody can read: the host's own copy counts then.
        return undefined;
      }
    },
    forget: (host) => rm(fileOf(host), { force: true }),
  };
}

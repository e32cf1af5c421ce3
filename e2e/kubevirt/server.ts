/** The real machinery of `api-up`: started, killed, asked to forget, and its users. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { platformClusterRole, tenantClusterRole } from '@vmgpu/kubevirt';
import type { Machinery, User } from '../../packages/kubevirt/test/cluster/machinery-suite.ts';

const run = promisify(execFile);
const here = import.meta.dirname;

interface Account {
  readonly name: User;
  token: string;
  readonly rules?: unknown;
}

export async function openRealMachinery(): Promise<Machinery & { readonly kubeconfigPath: string }> {
  const path = await start();
  const state = dirname(path);
  const port = Number(readFileSync(join(state, 'port'), 'utf8'));
  const template = JSON.parse(readFileSync(path, 'utf8'));
  const rules = [platformClusterRole, tenantClusterRole].flatMap((role) => role.rules);
  const accounts: readonly Account[] = [
    { name: 'admin', token: template.users[0].user.token },
    { name: 'ops', token: newToken(), rules },
  ];
  const save = () => {
    // The server reads the file for each request: it must never be half-written.
    writeFileSync(join(state, 'users.new'), JSON.stringify(accounts), { mode: 0o600 });
    renameSync(join(state, 'users.new'), join(state, 'users.json'));
  };
  const account = (user: User) => accounts.find(({ name }) => name === user) as Account;
  save();

  return {
    name: 'the real machinery',
    kubeconfigPath: path,
    races: 100,
    kubeconfig: (user) =>
      JSON.stringify({ ...template, users: [{ name: 'admin', user: { token: account(user).token } }] }),
    async expire(user) {
      account(user).token = newToken();
      save();
    },
    async kill() {
      await run(join(here, 'api-down'), ['--keep']);
    },
    start: async () => void (await start()),
    async compact(version) {
      // etcd's JSON gateway; a revision is what the API server calls a resourceVersion.
      const response = await fetch(`http://127.0.0.1:${port + 1}/v3/kv/compaction`, {
        method: 'POST',
        body: JSON.stringify({ revision: version }),
      });
      if (!response.ok) throw new Error(`etcd: ${await response.text()}`);
    },
    close: async () => undefined,
  };
}

const newToken = () => randomBytes(16).toString('hex');

async function start(): Promise<string> {
  const { stdout } = await run(join(here, 'api-up'));
  return stdout.trim();
}

/** Stops it and forgets its data; Go keeps what it compiled. */
export async function stopRealMachinery(): Promise<void> {
  await run(join(here, 'api-down'));
}

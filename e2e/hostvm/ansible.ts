import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostPlan } from '@vmgpu/host-prep/plan';
import { renderHostPlan } from '@vmgpu/host-prep/render';
import { stateFolder, type TestHost } from './host.ts';

/** ansible-core in a virtual environment beside the images, made once. */
export function ansiblePlaybook(): string {
  const folder = join(stateFolder(), 'ansible');
  const program = join(folder, 'bin/ansible-playbook');
  if (!existsSync(program)) {
    if (spawnSync('python3', ['-c', 'import ensurepip']).status !== 0) {
      execFileSync('apt-get', ['update', '-qq']);
      execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'python3-venv']);
    }
    execFileSync('python3', ['-m', 'venv', folder]);
    execFileSync(join(folder, 'bin/pip'), ['install', '--quiet', 'ansible-core==2.19.*'], {
      stdio: 'inherit',
    });
  }
  return program;
}

export interface PlayResult {
  readonly status: number | null;
  readonly said: string;
  /** Tasks that changed something. */
  readonly changed: number;
}

/** Runs the playbook that vmgpu renders. The host needs Python: `with-python`. */
export function play(host: TestHost, plan: HostPlan): PlayResult {
  const { content } = renderHostPlan(plan, 'ansible');
  if (content.format !== 'yaml') throw new Error('not a playbook');
  const file = join(stateFolder(), `${host.name}.playbook.json`);
  const inventory = join(stateFolder(), `${host.name}.inventory.json`);
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(content.documents[0], null, 2));
  writeFileSync(inventory, JSON.stringify({ all: { hosts: { [plan.host]: host.ansible() } } }));
  const { status, stdout, stderr } = spawnSync(ansiblePlaybook(), ['-i', inventory, file], {
    encoding: 'utf8',
    env: { ...process.env, ANSIBLE_NOCOLOR: '1', ANSIBLE_PIPELINING: '1' },
    maxBuffer: 64 * 1024 * 1024,
  });
  return {
    status,
    said: stdout + stderr,
    changed: Number(/ changed=(\d+) /.exec(stdout)?.[1] ?? Number.NaN),
  };
}

export function givePython(host: TestHost): void {
  execFileSync(join(import.meta.dirname, 'with-python'), [host.name], { stdio: 'inherit' });
}

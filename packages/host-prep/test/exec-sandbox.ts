import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import type { PciAddress } from '@vmgpu/core';
import type { HostPort } from '../src/exec/index.ts';
import { createLocalPort } from '../src/local/index.ts';
import { type HostGoal, type HostPlan, planHost } from '../src/plan/index.ts';
import { ModelHost } from './plan-model-host.ts';

/** A folder that plays the host's root: files are really written, commands are only told (VMGPU_ROOT of the script). */
export function sandbox(files: Readonly<Record<string, string>> = new ModelHost().foreign()) {
  const root = mkdtempSync(join(tmpdir(), 'vmgpu-host-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { root, files: () => tree(root) };
}

/** Everything below the root but the script's own journal: path to mode and text. */
function tree(root: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !path.includes('/var/lib/vmgpu/'))
      .sort()
      .map((path) => [
        `/${relative(root, path)}`,
        `${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path, 'utf8')}`,
      ]),
  );
}

/** The port, with every program told to work below the root. */
export function below(root: string, port: HostPort = createLocalPort()): HostPort {
  return { ...port, run: (argv, options) => port.run(['env', `VMGPU_ROOT=${root}`, ...argv], options) };
}

/** A plan for this machine: its name, and no reboot and no judgement of hardware that is not there. */
export function planForSandbox(goal: Partial<HostGoal> = {}): HostPlan {
  const plan = planHost(new ModelHost().facts(), {
    mode: 'vm-passthrough',
    devices: ['0000:65:00.0' as PciAddress],
    ...goal,
  });
  const steps = plan.steps.filter(({ kind }) => kind !== 'verify' && kind !== 'reboot');
  return { ...plan, host: hostname(), steps };
}

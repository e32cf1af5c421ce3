import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isVmgpuError, type PciAddress } from '@vmgpu/core';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { HostFacts } from '../src/facts/host-facts.ts';
import { type HostGoal, type HostPlan, planHost } from '../src/plan/index.ts';
import { renderHostPlan } from '../src/render/index.ts';
import { hostileStrings } from './hostile-strings.ts';
import { ModelHost } from './plan-model-host.ts';

// Every string of a goal, with what a shell, systemd and apt take for more than text: it is refused where it stands, or
// it arrives as it is.

const device = '0000:65:00.0' as PciAddress;
const base: HostFacts = new ModelHost({ iommuByDefault: true }).facts();
const driven: HostFacts = {
  ...base,
  nvidia: { ...base.nvidia, flavour: 'vgpu-host', driverVersion: '570.1' },
  gpus: base.gpus.map((gpu) => ({ ...gpu, driver: 'nvidia' })),
};
const bare: HostFacts = { ...base, nvidia: { ...base.nvidia, flavour: null, driverVersion: null } };

/** Where the strings of a goal stand, and the words in which each arrives on the host when it is taken. */
const places: Readonly<
  Record<string, (text: string) => { facts: HostFacts; goal: HostGoal; path: string; arrives?: string }>
> = {
  'driver.runFile': (text) => ({
    facts: bare,
    goal: { mode: 'vm-vgpu', devices: [device], driver: { runFile: `/srv/${text}` } },
    path: 'driver.runFile',
    arrives: `sh /srv/${text} --silent --dkms`,
  }),
  'driver.packages': (text) => ({
    facts: bare,
    goal: { mode: 'container', devices: [device], driver: { packages: [text] } },
    path: 'driver.packages',
    arrives: `install -y ${text}`,
  }),
  runtimes: (text) => ({
    facts: base,
    goal: { mode: 'container', devices: [device], runtimes: [text], driver: { packages: ['nvidia-driver'] } },
    path: 'runtimes',
  }),
  memlock: (text) => ({
    facts: base,
    goal: { mode: 'vm-passthrough', devices: [device], memlock: [text] },
    path: 'memlock',
    arrives: `systemctl restart ${text.replace(/\.service$/, '')}.service`,
  }),
  'vgpus[0].profile': (text) => ({
    facts: driven,
    goal: { mode: 'vm-vgpu', devices: [device], vgpus: [{ device, profile: text }] },
    path: 'vgpus[0].profile',
  }),
  mig: (text) => ({
    facts: driven,
    goal: { mode: 'vm-vgpu', devices: [device], mig: { [device]: [text] } },
    path: `mig[${device}]`,
  }),
};

/** One that each place takes. */
const ordinary = ['libvirtd', 'A10-4Q', '14', 'containerd'];
const hostile = fc.oneof(
  fc.constantFrom(...hostileStrings),
  fc.string({ unit: fc.constantFrom(...'ab1.-_\'"\\$`;&|<>(){}*?[]!#~=% \t\n'.split('')), maxLength: 12 }),
);

const work = mkdtempSync(join(tmpdir(), 'vmgpu-goal-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** The plan of a goal with this string; undefined when it is refused. */
function planned(place: string, text: string): { plan: HostPlan; arrives?: string } | undefined {
  const at = places[place]?.(text) ?? expect.fail(place);
  try {
    return { ...at, plan: planHost(at.facts, at.goal) };
  } catch (error) {
    if (!isVmgpuError(error)) throw error;
    expect(error.where?.path).toBe(at.path);
    return undefined;
  }
}

describe.each(Object.keys(places))('%s', (place) => {
  it('is refused where it stands, or reaches the host unchanged', () => {
    let taken = 0;
    fc.assert(
      fc.property(hostile, (text) => {
        const answer = planned(place, text);
        if (answer === undefined) return;
        taken += 1;
        const { plan, arrives } = answer;
        const { content } = renderHostPlan(plan, 'sh');
        if (content.format !== 'text') expect.fail('a script is text');
        const file = join(work, 'script');
        const root = mkdtempSync(join(work, 'root-'));
        const inside = mkdtempSync(join(work, 'cwd-'));
        writeFileSync(file, content.text);
        const result = spawnSync('sh', [file], {
          cwd: inside,
          env: { PATH: process.env.PATH ?? '', VMGPU_ROOT: root },
          encoding: 'utf8',
        });
        expect(readdirSync(inside)).toEqual([]);
        expect(existsSync(join(root, 'pwned'))).toBe(false);
        if (arrives !== undefined && !plan.diagnostics.some(({ kind }) => kind === 'blocked'))
          expect(result.stderr).toContain(arrives);
      }),
      { numRuns: 40, examples: ordinary.map((text): [string] => [text]) },
    );
    expect(taken).toBeGreaterThan(0);
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { applyHostPlan } from '../src/exec/index.ts';
import { below, planForSandbox, sandbox } from './exec-sandbox.ts';

// A file system that is really full, and one that is really read-only: both need mount, so root.

const probe = mkdtempSync(join(tmpdir(), 'vmgpu-mount-'));
const canMount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'vmgpu-test', probe]).status === 0;
if (canMount) execFileSync('umount', [probe]);
rmSync(probe, { recursive: true });

const mounted: string[] = [];
afterEach(() => {
  for (const root of mounted.splice(0)) {
    spawnSync('umount', [root]);
    rmSync(root, { recursive: true, force: true });
  }
});

/** A sandbox on a file system of its own. */
function onTmpfs(size: string) {
  const { root: template } = sandbox();
  const root = mkdtempSync(join(tmpdir(), 'vmgpu-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'vmgpu-test', root]);
  mounted.push(root);
  cpSync(template, root, { recursive: true });
  rmSync(template, { recursive: true });
  const left = () =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => /vmgpu-new|\.new$/.test(path));
  return { root, left };
}

describe.skipIf(!canMount)('a disk', () => {
  const plan = planForSandbox();

  it('that is full stops the work wherever it is; nothing is half-written, and with room it goes on', async () => {
    // From room for nothing to room for all but the last files.
    for (const spare of [0, 8, 16, 24, 32, 40, 48]) {
      const { root, left } = onTmpfs('512k');
      const used = Number(execFileSync('du', ['-sk', root], { encoding: 'utf8' }).split('\t')[0]);
      writeFileSync(join(root, 'filler'), Buffer.alloc(Math.max(0, 512 - used - spare) * 1024));
      const error = await applyHostPlan(below(root), plan).then(
        () => undefined,
        (reason) => reason,
      );
      if (error) expect(error, `${spare} kB to spare`).toMatchObject({ code: 'capacity' });
      else expect(spare).toBeGreaterThan(8);
      expect(left(), `${spare} kB to spare`).toEqual([]);
      rmSync(join(root, 'filler'));
      await applyHostPlan(below(root), plan);
      expect(await applyHostPlan(below(root), plan)).toMatchObject({ status: 'unchanged' });
    }
  });

  it('that is read-only is said to be so', async () => {
    const { root, left } = onTmpfs('512k');
    execFileSync('mount', ['-o', 'remount,ro', root]);
    await expect(applyHostPlan(below(root), plan)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('Read-only file system'),
    });
    expect(left()).toEqual([]);
  });
});

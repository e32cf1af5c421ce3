import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyManagedFiles } from '../src/exec/index.ts';
import { createLocalPort } from '../src/local/index.ts';
import { managedService } from './managed-service.ts';

// File systems that are really full, and really read-only: both need mount, so root.

const disk = mkdtempSync(join(tmpdir(), 'vmgpu-mount-'));
const canMount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'vmgpu-test', disk]).status === 0;
if (canMount) execFileSync('umount', [disk]);

rmSync(disk, { recursive: true });

describe.skipIf(!canMount)('a disk', () => {
  const port = createLocalPort();
  const size = 20_000;

  it('that is full, or read-only, stops the work before a service is touched', async () => {
    const service = managedService();
    const etc = join(service.root, 'etc');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'vmgpu-test', etc]);
      service.write('50-a.conf', 'mode = well\n');
      service.start();
      const before = service.files();
      const wanted = service.set({
        '50-a.conf': `mode = big\n${'#'.repeat(size)}`,
        '60-b.conf': '#'.repeat(size),
      });
      for (const spare of [0, 8, 24, 36]) {
        writeFileSync(join(etc, 'filler'), Buffer.alloc((256 - 4 - spare) * 1024));
        await expect(applyManagedFiles(port, wanted, service.options), `${spare} kB`).rejects.toMatchObject({
          code: 'capacity',
        });
        rmSync(join(etc, 'filler'));
        expect(service.files()).toEqual(before);
      }
      execFileSync('mount', ['-o', 'remount,ro', etc]);
      await expect(applyManagedFiles(port, wanted, service.options)).rejects.toMatchObject({
        message: expect.stringContaining('Read-only file system'),
      });
      expect(service.restarts()).toBe(1);
      expect(service.files()).toEqual(before);
      execFileSync('mount', ['-o', 'remount,rw', etc]);
      expect(await applyManagedFiles(port, wanted, service.options)).toMatchObject({ status: 'changed' });
      expect(readdirSync(etc).filter((name) => name.endsWith('.vmgpu-new'))).toEqual([]);
    } finally {
      spawnSync('umount', [etc]);
      service.end();
    }
  });
});

import { describe, expect, it } from 'vitest';
import { apiVersion, type GpuVm, type Translator } from '../src/index.ts';
import { type MigrationOptions, planMigration } from '../src/migrate/index.ts';

/** A target that plans nothing: what is asked of it is what matters. */
const nowhere = {
  platform: 'kubevirt',
  plan: () => ({ steps: [], diagnostics: [], requirements: [] }),
} as unknown as Translator<object, never>;
const intent: GpuVm = {
  apiVersion,
  kind: 'GpuVm',
  metadata: { name: 'train' },
  spec: {
    disks: [
      { name: 'scsi0', size: '10GiB', image: 'local:iso/x' },
      { name: 'scsi1', size: '1GiB' },
    ],
    networks: [{ name: 'vmbr0' }, { name: 'vmbr1' }],
  },
};
const move = (options: MigrationOptions) =>
  planMigration('proxmox', { intent, diagnostics: [] }, nowhere, {}, options);

describe('names of the target', () => {
  it('replace those of the source, and what is not named is said', () => {
    const { intent: moved, report } = move({
      images: { scsi0: 'ubuntu-24.04' },
      networks: { vmbr0: 'private' },
    });
    expect(moved.spec.disks?.map(({ image }) => image)).toEqual(['ubuntu-24.04', undefined]);
    expect(moved.spec.networks?.map(({ name }) => name)).toEqual(['private', 'vmbr1']);
    expect(report.map(({ code, path }) => `${code} ${path}`)).toEqual([
      'migrate.disk-content spec.disks[0]',
      'migrate.disk-content spec.disks[1]',
      'migrate.network-name spec.networks[1]',
    ]);
    expect(report[0]?.message).toContain('it starts from the image "ubuntu-24.04"');
    expect(report[2]?.remedy).toContain('--network vmbr1=NAME');
  });

  it('block where the VM has nothing of that name', () => {
    const { report } = move({ images: { root: 'x' }, networks: { net0: 'y' } });
    const blocked = report.filter(({ kind }) => kind === 'blocked');
    expect(blocked.map(({ message }) => message)).toEqual([
      'the VM has no disk "root"; it has scsi0, scsi1',
      'the VM has no network "net0"; it has vmbr0, vmbr1',
    ]);
  });

  it('change nothing when there are none', () => {
    expect(move({}).intent).toEqual(intent);
  });
});

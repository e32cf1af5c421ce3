import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type HostPlan, type HostStep, planHost, planHostRemoval } from '@vmgpu/host-prep/plan';
import { renderHostPlan } from '@vmgpu/host-prep/render';
import { afterAll, describe, expect, it } from 'vitest';
import { ModelHost } from '../../packages/host-prep/test/plan-model-host.ts';
import { ansiblePlaybook } from '../hostvm/ansible.ts';

// The playbook, carried out by Ansible itself below a folder that plays the host's root.

// The Python that Ansible itself runs in.
const interpreter = ['-e', 'ansible_python_interpreter={{ ansible_playbook_python }}'];

const work = mkdtempSync(join(tmpdir(), 'vmgpu-ansible-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

function rootOf(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(work, name);
  for (const [path, text] of Object.entries(files)) write(join(root, path), text);
  return root;
}
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
const filesIn = (root: string) =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .sort()
      .filter((path) => !path.startsWith('var/lib/vmgpu') && statSync(join(root, path)).isFile())
      .map((path) => [
        path,
        `${statSync(join(root, path)).mode & 0o777} ${readFileSync(join(root, path), 'utf8')}`,
      ]),
  );

/** The plan with its files below a folder; there is nothing to reboot. */
function below(root: string, plan: HostPlan): HostPlan {
  const place = (step: HostStep): HostStep[] => {
    switch (step.kind) {
      case 'write-file':
      case 'remove-file':
        return [{ ...step, path: root + step.path }];
      case 'edit-file':
      case 'restore-file':
        return [{ ...step, path: root + step.path, backup: root + step.backup }];
      case 'verify-boot-entry':
        return [{ ...step, files: (step.files ?? []).map((glob) => root + glob) }];
      case 'reboot':
      case 'verify':
        return [];
      default:
        return [step];
    }
  };
  return { ...plan, host: 'localhost', steps: plan.steps.flatMap(place) };
}

describe('Ansible', () => {
  it('reaches the files of the script, makes initramfs and entries once, changes nothing the second time, and back', () => {
    const host = new ModelHost({
      files: {
        '/etc/modules': '# mine\nvfio_virqfd\n',
        '/etc/default/grub': "GRUB_CMDLINE_LINUX='nox2apic'\n",
        '/boot/grub/grub.cfg': '\tlinux /vmlinuz root=/dev/sda1 ro intel_iommu=on\n',
      },
    });
    const plan = planHost(host.facts(), { mode: 'vm-passthrough' });
    const [byScript, byAnsible] = ['script', 'ansible'].map((name) => rootOf(name, host.foreign())) as [
      string,
      string,
    ];
    const script = renderHostPlan(plan, 'sh').content;
    const done = spawnSync('sh', ['-s'], {
      input: script.format === 'text' ? script.text : '',
      env: { PATH: process.env.PATH ?? '', VMGPU_ROOT: byScript },
      encoding: 'utf8',
    });
    expect(done.stderr).toContain('would run: update-initramfs');

    const bin = join(work, 'bin');
    for (const name of ['update-initramfs', 'update-grub']) {
      write(join(bin, name), `#!/bin/sh\necho ${name} >>${join(work, 'ran')}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    const path = `${bin}:${process.env.PATH}`;
    const run = playbookOf(below(byAnsible, plan), path);
    expect(run()).toBeGreaterThan(5);
    expect(filesIn(byAnsible)).toEqual(filesIn(byScript));
    expect(readFileSync(join(work, 'ran'), 'utf8')).toBe('update-initramfs\nupdate-grub\n');
    expect(run()).toBe(0);
    expect(readFileSync(join(work, 'ran'), 'utf8')).toBe('update-initramfs\nupdate-grub\n');

    // The menu as update-grub would make it.
    const before = { ...host.foreign(), '/boot/grub/grub.cfg': '\tlinux /vmlinuz root=/dev/sda1 ro\n' };
    host.apply(plan);
    write(join(byAnsible, 'boot/grub/grub.cfg'), before['/boot/grub/grub.cfg']);
    const back = playbookOf(below(byAnsible, planHostRemoval(host.facts())), path);
    expect(back()).toBeGreaterThan(5);
    expect(filesIn(byAnsible)).toEqual(filesIn(rootOf('before', before)));
    expect(readdirSync(join(byAnsible, 'var/lib/vmgpu/original'))).toEqual([]);
    expect(back()).toBe(0);
  });
});

/** Carries the plan out, and says how many tasks changed something. */
function playbookOf(plan: HostPlan, path: string): () => number {
  const { content } = renderHostPlan(plan, 'ansible');
  const [plays] = content.format === 'yaml' ? (content.documents as [Record<string, unknown>[]]) : [[]];
  const file = join(work, `playbook-${plan.goal === null ? 'back' : 'there'}.yaml`);
  // JSON is YAML; without become: whoever runs the test owns the folder.
  writeFileSync(file, JSON.stringify(plays.map((play) => ({ ...play, become: false, gather_facts: false }))));
  return () => {
    const { stdout, stderr, status } = spawnSync(
      ansiblePlaybook(),
      ['-i', 'localhost,', '-c', 'local', ...interpreter, file],
      { env: { ...process.env, PATH: path, HOME: work, ANSIBLE_NOCOLOR: '1' }, encoding: 'utf8' },
    );
    expect(status, stdout + stderr).toBe(0);
    return Number(/changed=(\d+)/.exec(stdout)?.[1]);
  };
}

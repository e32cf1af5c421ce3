import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
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
import type { PciAddress } from '@vmgpu/core';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type HostPlan, type HostStep, planHost, planHostRemoval } from '../src/plan/index.ts';
import { renderHostPlan } from '../src/render/index.ts';
import { hostileStrings } from './hostile-strings.ts';
import { type Loader, ModelHost, type ModelOptions } from './plan-model-host.ts';

const shells = ['sh', 'dash', 'bash', 'busybox'].filter(
  (shell) => spawnSync(shell, shell === 'busybox' ? ['true'] : ['-c', ':']).status === 0,
);
const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

function scriptOf(plan: HostPlan): string {
  const { content } = renderHostPlan(plan, 'sh');
  return content.format === 'text' ? content.text : '';
}

/** A folder that stands for the root of a host with these files. */
function rootOf(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'vmgpu-root-'));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function filesIn(root: string): Record<string, string> {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    paths
      .filter((path) => !path.startsWith('var/lib/vmgpu') && statSync(join(root, path)).isFile())
      .map((path) => [`/${path}`, readFileSync(join(root, path), 'utf8')]),
  );
}

function run(shell: string, script: string, root: string, ...args: string[]) {
  const file = join(root, '..', `${root.split('/').at(-1)}.sh`);
  writeFileSync(file, script);
  roots.push(file);
  const words = shell === 'busybox' ? ['sh', file] : [file];
  return spawnSync(shell, [...words, ...args], {
    env: { PATH: process.env.PATH ?? '', VMGPU_ROOT: root },
    encoding: 'utf8',
  });
}

const hosts: readonly (readonly [string, ModelOptions])[] = [
  ...(['grub', 'proxmox-systemd-boot', 'grubby', 'grub-defaults', 'loader-entries'] as Loader[]).map(
    (loader) => [loader, { loader }] as const,
  ),
  [
    'edits',
    {
      files: {
        '/etc/modules': '# mine\nvfio_virqfd\n\n\n',
        '/etc/modprobe.d/vfio.conf':
          'options vfio-pci ids=10de:2236\noptions vfio-pci ids=10de:1aef\nblacklist nvme',
        '/etc/default/grub': "GRUB_CMDLINE_LINUX='nox2apic iommu=off'",
      },
    },
  ],
];

describe.each(hosts)('the script for %s', (name, options) => {
  it.each(name === 'edits' ? shells : shells.slice(0, 1))(
    'reaches the files of the plan under %s, does nothing the second time, and takes all back',
    (shell) => {
      const host = new ModelHost(options);
      const before = host.foreign();
      const root = rootOf(before);
      const plan = planHost(host.facts(), { mode: 'vm-passthrough' });
      const script = scriptOf(plan);
      host.apply(plan);
      const result = run(shell, script, root);
      expect(result.stderr).not.toMatch(/not found|syntax|stop/i);
      expect(result.status).toBe(0);
      const wanted = host.foreign();
      expect(filesIn(root)).toEqual(wanted);
      const again = run(shell, script, root);
      expect(again.status).toBe(0);
      expect(again.stderr).not.toMatch(/vmgpu: (write|edit|remove) /);
      expect(filesIn(root)).toEqual(wanted);
      expect(run(shell, script, root, '--rollback').status).toBe(0);
      expect(filesIn(root)).toEqual(before);
    },
  );

  it.each(name === 'edits' ? shells : shells.slice(0, 1))(
    'is taken back by the script of the way back, and nothing is kept, under %s',
    (shell) => {
      const host = new ModelHost(options);
      const before = host.foreign();
      const root = rootOf(before);
      const plan = planHost(host.facts(), { mode: 'vm-passthrough' });
      expect(run(shell, scriptOf(plan), root).status).toBe(0);
      host.apply(plan);
      const removal = scriptOf(planHostRemoval(host.facts()));
      expect(run(shell, removal, root, '--rollback').status).toBe(1);
      for (const time of ['once', 'again']) {
        const result = run(shell, removal, root);
        expect(result.status, result.stderr).toBe(0);
        expect(filesIn(root), time).toEqual(before);
        expect(readdirSync(join(root, 'var/lib/vmgpu/script')), time).toEqual(['lock']);
        expect(originalsIn(root), time).toEqual([]);
      }
    },
  );
});

describe('the way back', () => {
  const options = hosts.find(([name]) => name === 'edits')?.[1];
  const host = new ModelHost(options);
  const before = host.foreign();
  const plan = planHost(host.facts(), { mode: 'vm-passthrough' });
  const script = scriptOf(plan);
  host.apply(plan);
  const removal = scriptOf(planHostRemoval(host.facts()));
  const commands = /^( *)((?:mv|rm|cp|flush) [^\n]*"[^\n]*)$/gm;

  it.each([
    ['itself', removal, []],
    ['the script that prepared', script, ['--rollback']],
  ] as const)('goes on after a kill behind any command, by %s', (_, next, args) => {
    const places = [...removal.matchAll(commands)].length;
    let killed = 0;
    for (let stop = 0; stop < places; stop += 1) {
      const root = rootOf(before);
      expect(run('sh', script, root).status).toBe(0);
      let seen = -1;
      const cut = removal.replace(commands, (line, indent: string) => {
        seen += 1;
        return seen === stop ? `${line}\n${indent}kill -9 $$` : line;
      });
      if (run('sh', cut, root).signal === 'SIGKILL') killed += 1;
      expect(run('sh', next, root, ...args).status).toBe(0);
      expect(filesIn(root)).toEqual(before);
      expect(originalsIn(root)).toEqual([]);
    }
    expect(killed).toBeGreaterThan(6);
  });

  it('says nothing of a file that somebody else has changed since and that has nothing of ours', () => {
    const other = new ModelHost({ files: { '/etc/modules': 'vfio_virqfd\n' } });
    other.apply(planHost(other.facts(), { mode: 'vm-passthrough' }));
    other.files.set('/etc/modules', `${other.files.get('/etc/modules')}more\n`);
    const once = planHostRemoval(other.facts());
    expect(once.diagnostics.map(({ code }) => code)).toEqual(['host.changed-since']);
    other.apply(once);
    expect(other.files.get('/etc/modules')).toBe('vfio_virqfd\nmore\n');
    expect(planHostRemoval(other.facts())).toMatchObject({ steps: [], diagnostics: [] });
  });
});

/** Copies of foreign files that were edited. */
function originalsIn(root: string): readonly string[] {
  const folder = join(root, 'var/lib/vmgpu/original');
  return existsSync(folder) ? readdirSync(folder) : [];
}

describe('the script', () => {
  const plan = () => planHost(new ModelHost().facts(), { mode: 'vm-passthrough' });

  it.each([
    ['ends', 'printf new >"$3"', 0, 'new'],
    ['is stopped after it has emptied its file', ': >"$3"; exit 9', 9, 'old'],
  ])('has a whole boot menu all the time: grub-mkconfig %s', (_, body, status, text) => {
    const root = rootOf({ '/boot/grub.cfg': 'old', '/bin/make-menu': `#!/bin/sh\n${body}\n` });
    const menu = join(root, 'boot/grub.cfg');
    chmodSync(menu, 0o440);
    // The functions of the script, without its steps.
    const [words] = scriptOf(plan()).split('[ -n "$root" ] || [ "$(id -u)"');
    const script = `${words}root=; state=$1/state; mkdir -p "$state"; remake "$1/boot/grub.cfg" sh "$1/bin/make-menu" first`;
    expect(spawnSync('sh', ['-c', script, 'sh', root]).status).toBe(status);
    expect(readFileSync(menu, 'utf8')).toBe(text);
    expect(statSync(menu).mode & 0o777).toBe(0o440);
    expect(readdirSync(join(root, 'boot'))).toEqual(['grub.cfg']);
  });

  it('leaves a file of that name alone that is not ours', () => {
    const root = rootOf({ '/etc/vmgpu/devices': 'somebody else\n' });
    const result = run('sh', scriptOf(plan()), root);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('/etc/vmgpu/devices is not a file of vmgpu');
    expect(filesIn(root)).toEqual({ '/etc/vmgpu/devices': 'somebody else\n' });
  });

  it('stops at a foreign file that was changed since', () => {
    const options: ModelOptions = { files: { '/etc/modules': 'vfio_virqfd\n' } };
    const host = new ModelHost(options);
    const root = rootOf({ ...host.foreign(), '/etc/modules': 'vfio_virqfd\nmore\n' });
    const result = run('sh', scriptOf(planHost(host.facts(), { mode: 'vm-passthrough' })), root);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('/etc/modules is not what it was');
    expect(filesIn(root)['/etc/modules']).toBe('vfio_virqfd\nmore\n');
  });

  it('does nothing when the plan is blocked', () => {
    const facts = new ModelHost().facts();
    const blocked = planHost(
      { ...facts, system: { ...facts.system, container: 'docker' } },
      { mode: 'vm-passthrough' },
    );
    const root = rootOf({});
    const result = run('sh', scriptOf(blocked), root);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('inside a container');
    expect(filesIn(root)).toEqual({});
  });

  it('can be stopped after any of its lines and run again', () => {
    const host = new ModelHost();
    const script = scriptOf(plan());
    host.apply(plan());
    const writes = script.split('\n').filter((line) => line.startsWith('put ')).length;
    expect(writes).toBeGreaterThan(3);
    for (let stop = 1; stop <= writes; stop += 1) {
      const root = rootOf(new ModelHost().foreign());
      const parts = script.split(/^(?=put )/m);
      const cut = [...parts.slice(0, stop), 'exit 7\n', ...parts.slice(stop)].join('');
      expect(run('sh', cut, root).status).toBe(7);
      expect(run('sh', script, root).status).toBe(0);
      expect(filesIn(root)).toEqual(host.foreign());
    }
  });
});

const hostile = fc.oneof(
  fc.constantFrom(...hostileStrings),
  fc.string({ unit: 'binary', maxLength: 30 }).filter((text) => !text.includes('\0')),
);

describe('strings with a meaning to the shell', () => {
  it('are never run', () => {
    const base = planHost(new ModelHost().facts(), { mode: 'vm-passthrough' });
    fc.assert(
      fc.property(hostile, hostile, (a, b) => {
        const common = { risk: 'none', reversible: true, needs: [], turnsGreen: [], summary: a } as const;
        const name = b.replace(/[/\n]/g, '_').replace(/^\.*$/, 'x');
        const steps: HostStep[] = [
          {
            ...common,
            id: 'a',
            kind: 'write-file',
            path: `/d/${name}`,
            mode: 0o644,
            after: `# Made by vmgpu\n${a}\n`,
          },
          { ...common, id: 'b', kind: 'run', argv: ['true', a], check: ['test', b], undo: ['true', b] },
          {
            ...common,
            id: 'c',
            kind: 'write-sysfs',
            path: `/sys/${b}`,
            value: a,
            done: { path: b, value: a },
          },
          { ...common, id: 'd', kind: 'service', unit: a, action: 'enable' },
          { ...common, id: 'e', kind: 'manual', instructions: b },
          { ...common, id: 'f', kind: 'verify-boot-entry', present: [a], absent: [b], files: ['/none'] },
        ];
        const script = scriptOf({ ...base, host: b, steps });
        const root = rootOf({});
        const work = mkdtempSync(join(tmpdir(), 'vmgpu-work-'));
        roots.push(work);
        const file = join(work, 'script');
        writeFileSync(file, script);
        execFileSync('sh', ['-n', file]);
        const inside = mkdtempSync(join(work, 'cwd-'));
        const result = spawnSync('sh', [file], {
          cwd: inside,
          env: { PATH: process.env.PATH ?? '', VMGPU_ROOT: root },
        });
        expect(result.status).toBe(0);
        expect(readdirSync(inside)).toEqual([]);
        expect(existsSync(join(root, 'pwned'))).toBe(false);
        expect(readFileSync(join(root, 'd', name), 'utf8')).toBe(`# Made by vmgpu\n${a}\n`);
      }),
      { numRuns: 25 },
    );
  });
});

/** /sys as far as the scripts that run on the host look at it. */
function fakeSys(
  functions: readonly { readonly address: string; readonly files: Readonly<Record<string, string>> }[],
): string {
  const sys = mkdtempSync(join(tmpdir(), 'vmgpu-sys-'));
  roots.push(sys);
  for (const { address, files } of functions)
    for (const [name, text] of Object.entries(files)) {
      const path = join(sys, 'bus/pci/devices', address, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  return sys;
}

describe('the script that makes vGPUs', () => {
  const address = '0000:65:00.0' as PciAddress;
  const host = new ModelHost({ iommuByDefault: true });
  const facts = host.facts();
  const plan = planHost(
    {
      ...facts,
      nvidia: { ...facts.nvidia, flavour: 'vgpu-host', driverVersion: '570.1' },
      gpus: facts.gpus.map((gpu) => ({ ...gpu, driver: 'nvidia' })),
    },
    {
      mode: 'vm-vgpu',
      devices: [address],
      vgpus: [{ device: address, profile: 'NVIDIA A10-12Q', count: 2 }],
    },
  );
  const text = (path: string) => {
    const step = plan.steps.find((item) => item.kind === 'write-file' && item.path === path);
    return step?.kind === 'write-file' ? step.after : '';
  };

  function apply(sys: string, action = 'apply') {
    const work = mkdtempSync(join(tmpdir(), 'vmgpu-vgpu-'));
    roots.push(work);
    writeFileSync(join(work, 'apply'), text('/etc/vmgpu/apply-vgpus').replace(/^PATH=.*$/m, ''));
    writeFileSync(join(work, 'list'), text('/etc/vmgpu/vgpus'));
    return spawnSync('sh', [join(work, 'apply'), action], {
      env: { PATH: process.env.PATH ?? '', VMGPU_SYS: sys, VMGPU_VGPUS: join(work, 'list') },
      encoding: 'utf8',
    });
  }
  const creatable = 'ID    : vGPU Name\n590   : NVIDIA A10-1Q\n593   : NVIDIA A10-12Q\n';

  it('resolves names on the host and takes free functions, once', () => {
    const sys = fakeSys([
      {
        address,
        files: Object.fromEntries(
          [0, 1, 2].flatMap((index) => [
            [`virtfn${index}/nvidia/current_vgpu_type`, index === 0 ? '590\n' : '0\n'],
            [`virtfn${index}/nvidia/creatable_vgpu_types`, creatable],
          ]),
        ),
      },
    ]);
    const types = () =>
      [0, 1, 2].map((index) =>
        readFileSync(
          join(sys, `bus/pci/devices/${address}/virtfn${index}/nvidia/current_vgpu_type`),
          'utf8',
        ).trim(),
      );
    expect(apply(sys)).toMatchObject({ status: 0, stderr: '' });
    expect(types()).toEqual(['590', '593', '593']);
    expect(apply(sys).status).toBe(0);
    expect(types()).toEqual(['590', '593', '593']);
    expect(apply(sys, 'remove').status).toBe(0);
    expect(types()).toEqual(['0', '0', '0']);
  });

  it('makes mediated devices with the UUIDs of the plan', () => {
    const type = `mdev_supported_types/nvidia-593`;
    const sys = fakeSys([
      {
        address,
        files: {
          [`${type}/name`]: 'NVIDIA A10-12Q\n',
          [`${type}/available_instances`]: '2\n',
          [`${type}/create`]: '',
        },
      },
    ]);
    expect(apply(sys)).toMatchObject({ status: 0, stderr: '' });
    const uuids = [...text('/etc/vmgpu/vgpus').matchAll(/ (\S{36})$/gm)].map(([, uuid]) => uuid);
    expect(uuids).toHaveLength(2);
    expect(uuids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(readFileSync(join(sys, 'bus/pci/devices', address, type, 'create'), 'utf8').trim()).toBe(uuids[1]);
  });

  it('says what is not on offer', () => {
    const sys = fakeSys([
      {
        address,
        files: {
          'virtfn0/nvidia/current_vgpu_type': '0\n',
          'virtfn0/nvidia/creatable_vgpu_types': 'ID : vGPU Name\n',
        },
      },
    ]);
    const result = apply(sys);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('offers no type A10-12Q');
  });
});

describe('the files of the initramfs', () => {
  it.each(['grub', 'grubby', 'loader-entries'] as Loader[])(
    'of %s are shell that every sh accepts',
    (loader) => {
      const plan = planHost(new ModelHost({ loader }).facts(), { mode: 'vm-passthrough' });
      const scripts = plan.steps.flatMap((step) =>
        step.kind === 'write-file' && step.after.startsWith('#!') ? [step.after] : [],
      );
      expect(scripts.length).toBeGreaterThan(0);
      for (const script of scripts)
        for (const shell of shells)
          execFileSync(shell, shell === 'busybox' ? ['sh', '-n'] : ['-n'], { input: script });
    },
  );

  it('come before udev in the order that initramfs-tools takes', () => {
    const names = ['all_generic_ide', 'blacklist', 'keymap', 'udev', '00-vmgpu'];
    const order = execFileSync('tsort', {
      input: names.map((name) => `${name} ${name}\n`).join(''),
      encoding: 'utf8',
    });
    expect(order.trim().split('\n')[0]).toBe('00-vmgpu');
  });
});

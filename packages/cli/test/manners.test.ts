import { describe, expect, it } from 'vitest';
import { commands } from '../src/index.ts';
import { vmgpu } from './harness.ts';

const captures = 'examples/captures';

describe('help', () => {
  it('lists every command and the exit statuses', async () => {
    const { status, out } = await vmgpu(['--help']);
    expect(status).toBe(0);
    for (const name of Object.keys(commands)) expect(out).toContain(`  ${name} `);
    expect(out).toContain('130 cancelled');
  });

  it.each(Object.keys(commands))('of %s shows usage, options and examples', async (name) => {
    const { status, out } = await vmgpu([name, '--help']);
    expect(status).toBe(0);
    expect(out).toContain(`Usage: vmgpu ${name} `);
    expect(out).toContain('--json');
    expect(out).toMatch(new RegExp(`Examples:\\n  .*vmgpu ${name}`));
  });

  it('without a command is a usage error that still helps', async () => {
    const { status, out } = await vmgpu([]);
    expect(status).toBe(2);
    expect(out).toContain('Commands:');
  });
});

describe('wrong words', () => {
  it.each([
    [['inspct'], 'did you mean inspect?'],
    [['doctor', `${captures}/qemu-intel-after.txt`, '--mode', 'vm-gpu'], 'did you mean vm-vgpu?'],
    [['doctor', `${captures}/qemu-intel-after.txt`], '--mode is needed'],
    [['inspect'], 'wrong number of operands'],
    [['catalog', '--sorces'], 'did you mean --sources?'],
    [['render', '--to', 'vmware', '-f', 'x'], 'expected kubevirt | openstack | proxmox'],
  ])('%j', async (words, hint) => {
    const { status, out, err } = await vmgpu(words);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(hint);
  });
});

describe('bad input', () => {
  const vm = (spec: string) => `apiVersion: vmgpu/v1\nkind: GpuVm\nmetadata: { name: x-1 }\nspec:\n${spec}`;
  const render = (stdin: string, to = 'kubevirt') =>
    vmgpu(['render', '-f', '-', '--to', to, '--host', `${captures}/qemu-intel-after.txt`], { stdin });

  it('a file that is not there', async () => {
    const { status, err } = await vmgpu(['inspect', 'nowhere.txt']);
    expect(status).toBe(2);
    expect(err).toContain('nowhere.txt: cannot read the file (found "no such file"');
  });

  it('a capture that was cut off, and binary noise', async () => {
    const whole = (await vmgpu(['collect', '--script'])).out;
    expect(whole).toContain('#!/bin/sh');
    const { readFileSync } = await import('node:fs');
    const text = readFileSync(`${captures}/qemu-intel-after.txt`, 'utf8');
    const cut = await vmgpu(['inspect', '-'], { stdin: text.slice(0, text.length / 2) });
    expect(cut.status).toBe(2);
    expect(cut.err).toMatch(/-:\d+: .*(cut|end|truncated)/i);
    const noise = await vmgpu(['inspect', '-'], { stdin: '\u0000\u0001\u0002ELF\u00ff\u0000'.repeat(50) });
    expect(noise.status).toBe(2);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the point is that none reaches the terminal.
    expect(noise.err).not.toMatch(/[\u0000-\u0008]/);
  });

  it('names line, column and path of a wrong type and an unknown key', async () => {
    const { status, err } = await render(vm('  memory: 64\n  gpu: []\n'));
    expect(status).toBe(2);
    expect(err).toContain('-:5:11: spec.memory: expected a string, found 64');
    expect(err).toContain('unknown key "gpu"');
  });

  it('text that is no YAML', async () => {
    const { status, err } = await render('a: b: c\n');
    expect(status).toBe(2);
    expect(err).toContain('-:1:');
    expect(err).toContain('not valid YAML');
  });

  it('an unknown board', async () => {
    const { status, out, err } = await render(
      vm('  gpus: [{ name: g, mode: passthrough, device: { board: "NVIDIA A11" } }]\n'),
    );
    expect(status).toBeGreaterThan(0);
    expect(out + err).toContain('NVIDIA A11');
    expect(err).toMatch(/A10/);
  });

  it('a profile the board cannot make, and more of one than a card can hold', async () => {
    const wrong = await render(
      vm('  gpus: [{ name: g, mode: vgpu, profile: A40-8Q, device: { id: "10de:2236" } }]\n'),
    );
    expect(wrong.status).toBe(1);
    expect(wrong.err).toContain('A40-8Q');
    const many = await render(
      vm('  gpus: [{ name: g, mode: vgpu, profile: A10-12Q, count: 3, device: { id: "10de:2236" } }]\n'),
    );
    expect(many.err).toMatch(/2/);
  });
});

describe('--json', () => {
  it('prints one versioned document and nothing else', async () => {
    for (const words of [
      ['inspect', `${captures}/qemu-intel-after.txt`],
      ['doctor', `${captures}/qemu-intel-after.txt`, '--mode', 'vm-passthrough'],
      ['catalog', 'A10'],
      ['render', '-f', 'examples/train.yaml', '--to', 'kubevirt'],
      ['lint', 'examples/train.yaml'],
      ['inspect', 'nowhere.txt'],
    ]) {
      const { out } = await vmgpu([...words, '--json']);
      const document = JSON.parse(out) as { apiVersion: string; kind: string };
      expect(document.apiVersion).toBe('vmgpu/v1');
      expect(document.kind).toMatch(/^[A-Z]/);
    }
  });
});

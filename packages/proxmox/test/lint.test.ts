import { readFileSync } from 'node:fs';
import { applyEdits, type LintContext, type LintFinding, type SourceFile } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../core/test/shared-data.ts';
import { proxmoxLinters } from '../src/lint/index.ts';
import { shellCommands } from '../src/lint/shell-words.ts';
import { cluster } from './cluster.ts';

const inventory: SourceFile = { path: 'snapshot.json', text: JSON.stringify(cluster()) };

function lint(path: string, text: string, context?: LintContext): readonly LintFinding[] {
  const file = { path, text };
  return proxmoxLinters
    .filter((linter) => linter.recognises(file))
    .flatMap((linter) => linter.lint(file, context));
}
const rules = (findings: readonly LintFinding[]) => findings.map(({ rule }) => rule.slice(8));
const sound = 'balloon: 0\nbios: ovmf\ncpu: host\nefidisk0: a:1,efitype=4m\nmachine: q35\n';
const conf = (line: string) => `${sound}${line}\n`;

describe('VM configurations', () => {
  it.each([
    ['hostpci0: 0000:26:00,pcie=1', []],
    ['hostpci0: host=26:00,mapping=gpu', ['host-and-mapping']],
    ['hostpci0: pcie=1', ['no-device']],
    ['hostpci0: 26:00,mdev=nvidia-222', ['mdev-whole-slot']],
    ['hostpci0: 26:00.0,romfile=/tmp/a.rom', ['romfile-path']],
    ['hostpci0: 26:00.0,ramfb=1', ['hostpci-invalid']],
    ['hostpci16: 26:00.0', ['hostpci-index']],
    ['hostpci0: 26:00\nhostpci1: 0000:26:00.0', ['device-twice']],
    ['hostpci0: 0000:41:00', ['whole-slot-with-vfs']],
    ['hostpci0: 0000:99:00', ['no-such-device']],
    ['hostpci0: 42:00.0,mdev=nvidia-230\nhostpci1: 42:00.0,mdev=nvidia-230', []],
    ['stray line', ['config-line']],
  ])('%s', (line, expected) => {
    expect(rules(lint('101.conf', conf(line), { files: [inventory] }))).toEqual(expected);
  });

  it.each([
    ['mapping-as-address', 'gt1030,pcie=1', 'mapping=gt1030,pcie=1'],
    ['hostpci-spaces', '26:00.0, pcie=1', '26:00.0,pcie=1'],
    ['address-spelling', 'C1:00.0', '0000:c1:00.0'],
    ['address-spelling', '1:0.0,pcie=1', '0000:01:00.0,pcie=1'],
    ['key-case', '26:00.0,PCIE=1', '26:00.0,pcie=1'],
    ['hostpci-spelling', 'C1:00.0, PCIE=1', '0000:c1:00.0,pcie=1'],
  ])('%s is repaired', (rule, wrong, right) => {
    const text = conf(`hostpci0: ${wrong}`);
    const [finding, ...more] = lint('101.conf', text);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      rule: `proxmox.${rule}`,
      where: { file: '101.conf', line: 6, column: 11 },
    });
    expect(applyEdits(text, finding?.fix ?? [])).toBe(conf(`hostpci0: ${right}`));
  });

  it.each([
    ['hostpci0: 26:00,pcie=1\n', ['pcie-needs-q35', 'balloon-with-passthrough']],
    [
      'bios: ovmf\nballoon: 512\nhostpci0: 26:00\n',
      ['balloon-with-passthrough', 'efidisk-missing', 'cpu-address-bits'],
    ],
    ['meta: x\nostype: win11\nmachine: q35\nballoon: 0\nhostpci0: 26:00\n', ['machine-unpinned']],
    ['machine: pc-q35-5.2\nballoon: 0\nhostpci0: 26:00\n', ['machine-too-old']],
    ['machine: q35\nballoon: 0\nhostpci0: 00:02.0,legacy-igd=1\n', ['legacy-igd']],
    ['memory: 512\n', []],
    ['balloon: 0\nhostpci0: 26:00,pcie=1\n\n[PENDING]\nmachine: q35\n\n[old]\nhostpci0: junk\n', []],
  ])('%j', (text, expected) => {
    expect(rules(lint('101.conf', text))).toEqual(expected);
  });

  it('sees a device that another VM has', () => {
    const other = { path: '102.conf', text: conf('hostpci3: 26:00.1') };
    const [finding] = lint('101.conf', conf('hostpci0: 0000:26:00,pcie=1'), { files: [other] });
    expect(finding).toMatchObject({
      rule: 'proxmox.device-in-two-vms',
      message: expect.stringContaining('102.conf'),
    });
  });

  it('leaves other .conf files alone', () => {
    expect(
      proxmoxLinters.some((linter) =>
        linter.recognises({ path: 'vfio.conf', text: 'options vfio-pci ids=1:2\n' }),
      ),
    ).toBe(false);
  });
});

describe('pci.cfg', () => {
  const entry = 'id=10de:1d01,iommugroup=15,node=pve1,path=0000:26:00,subsystem-id=1462:8c98';
  it.each([
    [entry, []],
    [entry.replace('0000:26:00', '0000:26:00.0;0000:26:00.1'), ['mapping-path-list']],
    [entry.replace('0000:26:00', '0000:26:00x0'), ['mapping-path', 'mapping-stale']],
    [entry.replace('0000:26:00', '26:00'), ['mapping-entry-invalid']],
    [entry.replace('iommugroup=15,', ''), ['mapping-incomplete', 'mapping-stale']],
    [entry.replace('0000:26:00', '0000:27:00'), ['mapping-stale']],
    ['id=10de:2236,iommugroup=33,node=pve1,path=0000:41:00,subsystem-id=10de:1482', ['whole-slot-with-vfs']],
  ])('%s', (text, expected) => {
    expect(rules(lint('pci.cfg', `gpu\n\tmap ${text}\n`, { files: [inventory] }))).toEqual(expected);
  });

  it.each([
    [entry.replace('=15', '=3'), entry],
    [entry.replace('10de:1d01', '10DE:1D01'), entry],
    [
      entry.replace('0000:26:00', '0000:C1:00').replace(/,sub.*/, ''),
      entry.replace('0000:26:00', '0000:c1:00').replace(/,sub.*/, ''),
    ],
  ])('%s is repaired', (wrong, right) => {
    const text = `gpu\n\tmap ${wrong}\n`;
    const first = lint('pci.cfg', text, { files: [inventory] }).find(({ fix }) => fix);
    expect(applyEdits(text, first?.fix ?? [])).toBe(`gpu\n\tmap ${right}\n`);
  });

  it('knows ids and properties', () => {
    expect(rules(lint('pci.cfg', 'rtx.3090\n\tcolour red\n'))).toEqual(['mapping-id', 'mapping-key']);
    expect(rules(lint('pci.cfg', `gpu\n\tmdev 1\n\tmap ${entry}\n`))).toEqual(['mdev-whole-slot']);
  });
});

describe('commands', () => {
  it.each([
    ['qm set 100 -hostpci0 gt1030', ['mapping-as-address']],
    ['qm set <vmid> -hostpci0 <name>', []],
    ['sudo qm set 100 --hostpci0=mapping=gpu,pcie=1 --machine q35', []],
    ['qm set 100 --hostpci0 01:00.0;01:00.1,pcie=1', ['semicolon-unquoted', 'raw-address']],
    ["qm set 100 --hostpci0 '01:00.0;01:00.1'", ['raw-address']],
    ['qm create 100 --balloon 0 \\\n  --hostpci0 mapping=gpu,pcie=1', ['pcie-needs-q35']],
    ['pvesh set /nodes/pve1/qemu/100/config -hostpci0 mapping=gpu,PCIE=1', ['key-case']],
    [
      'pvesh create /cluster/mapping/pci --id gpu --map node=a,path=0000:26:00,id=10DE:1d01,iommugroup=1',
      ['mapping-id-case'],
    ],
    ['# qm set 100 -hostpci0 gt1030', []],
  ])('%s', (command, expected) => {
    expect(rules(lint('setup.sh', `${command}\n`))).toEqual(expected);
  });

  it('repairs in place', () => {
    const text = 'On Proxmox it isn’t hard:\n\n```\n$ qm set 100 -hostpci0 gt1030\n```\n';
    const [finding] = lint('guide.md', text);
    expect(finding?.where).toMatchObject({ line: 4, column: 24 });
    expect(applyEdits(text, finding?.fix ?? [])).toContain('-hostpci0 mapping=gt1030\n');
  });

  it('splits as sh does', () => {
    const words = shellCommands("a 'b c' \\\n d\\ e # f\ng;h don't\n").map((command) => [
      command.words.map(({ text }) => text),
      command.ended,
    ]);
    expect(words).toEqual([
      [['a', 'b c', 'd e'], 'line'],
      [['g'], ';'],
      [['h', "don't"], 'line'],
    ]);
  });
});

const guide = sharedData('../guides/proxmox-gpu-to-vm-to-container.md');
describe('guides', () => {
  it.skipIf(guide === undefined)('the guide’s faults about the VM are found', () => {
    const findings = lint('guide.md', readFileSync(guide ?? '', 'utf8'));
    expect(rules(findings)).toEqual([
      'ovmf-misspelt',
      'secure-boot-by-hand',
      'device-by-screenshot',
      'guide-cpu-memory',
    ]);
    expect(findings.every(({ where }) => (where.line ?? 0) > 100)).toBe(true);
  });
  it('a sound one has none', () => {
    const text = 'Proxmox: Machine q35, BIOS OVMF, cpu host, balloon 0, pre-enrolled-keys=0\n';
    expect(lint('guide.md', text)).toEqual([]);
  });
});

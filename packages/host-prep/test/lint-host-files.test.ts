import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyEdits, type LintContext, type LintFinding, type SourceFile } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../core/test/shared-data.ts';
import { hostLinters } from '../src/lint/index.ts';

function lint(path: string, text: string, context?: LintContext): LintFinding[] {
  const file = { path, text };
  return hostLinters
    .filter((linter) => linter.recognises(file))
    .flatMap((linter) => [...linter.lint(file, context)]);
}

const repaired = (path: string, text: string, context?: LintContext) =>
  applyEdits(
    text,
    lint(path, text, context).flatMap(({ fix = [] }) => fix),
  );

type Row = readonly [
  path: string,
  text: string,
  found: readonly string[],
  repaired?: string | undefined,
  context?: LintContext,
];
const vfio = '/etc/modprobe.d/vfio.conf';
const modules = '/etc/modules';
const grub = '/etc/default/grub';
const grubLine = (words: string) => `GRUB_CMDLINE_LINUX_DEFAULT="${words}"\n`;

// Each row: file, its text, the rules it breaks as `line:column rule`, and the text after the certain repairs.
const rows: readonly Row[] = [
  [vfio, 'options vfio-pci ids=10de:2230,10de:1aef\nsoftdep nouveau pre: vfio-pci\nblacklist nouveau\n', []],
  [vfio, '# options vfio-pci diable_vga=1\noptions vfio_pci ids=10de:25b6:10de:14a9 disable_idle_d3=1\n', []],
  [
    vfio,
    'options vfio-pci ids=10de:1187,10de:0e0a\noptions vfio-pci ids=1b21:1242\n',
    ['1:18 modprobe.several-ids-lines'],
    'options vfio-pci ids=1b21:1242,10de:1187,10de:0e0a\n',
  ],
  [
    vfio,
    'options vfio-pci ids=10de:1187 disable_idle_d3=1\noptions vfio-pci ids=10de:1187\n',
    ['1:18 modprobe.several-ids-lines'],
    'options vfio-pci disable_idle_d3=1\noptions vfio-pci ids=10de:1187\n',
  ],
  [
    vfio,
    'options vfio-pci ids=10de:1187\n',
    ['1:18 modprobe.several-ids-lines'],
    undefined,
    { files: [{ path: '/etc/modprobe.d/zz.conf', text: 'options vfio-pci ids=1b21:1242\n' }] },
  ],
  [
    vfio,
    'options vfio-pci ids=10de:1187, 10de:0e0a\n',
    ['1:33 host.ids-blank'],
    'options vfio-pci ids=10de:1187,10de:0e0a\n',
  ],
  [
    vfio,
    'options vfio-pci ids=10de:1187 10de:0e0a\n',
    ['1:32 host.ids-blank'],
    'options vfio-pci ids=10de:1187,10de:0e0a\n',
  ],
  [vfio, 'options vfio-pci ids=GTX1080\n', []],
  [vfio, 'options vfio-pci ids=10de-1187\n', ['1:22 modprobe.malformed-id']],
  [
    vfio,
    'options vfio-pci ids=10de:1187 diable_vga=1\n',
    ['1:32 modprobe.unknown-option'],
    'options vfio-pci ids=10de:1187 disable_vga=1\n',
  ],
  [vfio, 'options vfio-pci ids=10de:1187 disable_vga=1\n', ['1:32 modprobe.disable-vga']],
  [vfio, 'options vfio-pci \\\n  ids=10de:1187 \\\n  nosuch=1\n', ['3:3 modprobe.unknown-option']],
  [
    vfio,
    'softdep xhci_hdc pre: vfio-pci\n',
    ['1:9 host.misspelt-module'],
    'softdep xhci_hcd pre: vfio-pci\n',
  ],
  [vfio, 'softdep drm pre:vfio-pci\n', ['1:13 modprobe.softdep-blank'], 'softdep drm pre: vfio-pci\n'],
  [vfio, 'blacklist ASMedia\n', ['1:11 host.not-a-module']],
  [vfio, 'blacklist nvidia_fb\n', ['1:11 host.misspelt-module'], 'blacklist nvidiafb\n'],
  [
    vfio,
    'blacklist nvme\nblacklist nvidia\n',
    ['1:11 modprobe.vital-blacklist', '2:11 modprobe.shared-blacklist'],
  ],
  [vfio, 'blacklist nouveau\nblacklist nvidiafb\nblacklist pcspkr\nblacklist floppy\n', []],
  [vfio, 'options vfio_iommu_type1 allow_unsafe_interrupts=1\n', ['1:26 modprobe.unsafe-interrupts']],
  ['/etc/modprobe.d/kvm.conf', 'options kvm ignore_msrs=1\n', ['1:13 modprobe.ignore-msrs']],
  ['/etc/modprobe.d/vfio', 'options vfio-pci ids=10de:1187\n', ['1:1 modprobe.not-read']],
  ['/etc/resolv.conf', 'nameserver 127.0.0.53\noptions edns0\n', []],
  [
    vfio,
    'options vfio-pci ids=1:1\noptions vfio-pci ids=1:1,2:2\noptions vfio-pci ids=3:3\n',
    ['1:18 modprobe.several-ids-lines', '2:18 modprobe.several-ids-lines'],
    'options vfio-pci ids=3:3,1:1,2:2\n',
  ],
  [modules, 'vfio\nvfio_iommu_type1\nvfio_pci\n', []],
  [modules, 'vfio_virqfd\n', ['1:1 modules.vfio-virqfd'], 'vfio_virqfd\n', { version: '7.4' }],
  [modules, 'vfio\nvfio_virqfd\n', ['2:1 modules.vfio-virqfd']],
  [
    modules,
    'vfio\nvfio_virqfd\nvfio_pci\n',
    ['2:1 modules.vfio-virqfd'],
    'vfio\nvfio_pci\n',
    { version: '6.8.12-4-pve' },
  ],
  [modules, 'vfio_virqfd\n', [], undefined, { version: '5.15.158-2-pve' }],
  [modules, 'vfio vfio_iommu_type1 vfio_pci ids=10de:1c03\n', ['1:6 modules.one-name-a-line']],
  [modules, 'vifo_pci\n', ['1:1 host.misspelt-module'], 'vfio_pci\n'],
  ['/etc/initramfs-tools/modules', 'vfio_pci ids=10de:1c03\n', []],
  ['/etc/initramfs-tools/modules', 'vfio vfio_pci\n', ['1:6 modules.one-name-a-line']],
  [grub, grubLine('quiet intel_iommu=on,igfx_off iommu=pt vfio-pci.ids=10de:1187,10de:0e0a'), []],
  [grub, grubLine('quiet amd_iommu=on iommu=pt'), ['1:35 host.amd-iommu-on'], grubLine('quiet iommu=pt')],
  [grub, grubLine('iommu=pt iommu=1'), ['1:38 host.iommu-value'], grubLine('iommu=pt')],
  [grub, grubLine('intel_iommu=pt'), ['1:29 host.intel-iommu-value']],
  [grub, grubLine('amd_iommu=pt'), ['1:29 host.amd-iommu-value']],
  [grub, grubLine('intel_iommu=off'), ['1:29 host.iommu-off']],
  [
    grub,
    grubLine('nox2apic intremap=off'),
    ['1:29 host.interrupt-remapping-off', '1:38 host.interrupt-remapping-off'],
  ],
  [grub, grubLine('pcie_acs_override=downstream,multifunction'), ['1:29 host.acs-override']],
  [
    grub,
    grubLine('video=efifb:off multifunction'),
    ['1:29 host.framebuffer-off', '1:45 host.stray-argument'],
  ],
  [
    grub,
    grubLine('vfio_iommu_type1.allow_unsafe_interrupts=1 kvm.ignore_msrs=1'),
    ['1:29 host.unsafe-interrupts', '1:72 host.ignore-msrs'],
  ],
  [grub, grubLine('vfio-pci.ids=10de:1187, 10de:0e0a'), ['1:29 host.ids-blank']],
  [grub, grubLine('modprobe.blacklist=nouveau,nvidia_fb'), ['1:56 host.misspelt-module']],
  [grub, `${grubLine('quiet')}${grubLine('iommu=pt')}`, ['2:1 grub.defined-twice']],
  [grub, `${grubLine('quiet')}${grubLine('$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt')}`, []],
  [
    grub,
    grubLine('quiet intel_iommu=on'),
    ['1:29 grub.not-the-loader'],
    undefined,
    {
      files: [
        {
          path: '/boot/efi/loader/entries/proxmox-6.8.conf',
          text: 'options root=ZFS=rpool/ROOT/pve-1 boot=zfs\n',
        },
      ],
    },
  ],
  ['/etc/kernel/cmdline', 'root=ZFS=rpool/ROOT/pve-1 boot=zfs iommu=pt\n', []],
  ['/etc/kernel/cmdline', 'root=ZFS=rpool/ROOT/pve-1\nintel_iommu=on\n', ['2:1 cmdline.several-lines']],
  ['/etc/kernel/cmdline', '"root=/dev/sda2 quiet"\n', ['1:1 cmdline.not-plain']],
  ['/etc/kernel/cmdline', 'GRUB_CMDLINE_LINUX="quiet"\n', ['1:1 cmdline.not-plain']],
];

describe.each(rows.map((row, index) => ({ name: `${index}: ${row[0]}`, row })))('$name', ({ row }) => {
  const [path, text, found, after, context] = row;
  it(found.join(', ') || 'nothing to say', () => {
    const places = lint(path, text, context).map(
      ({ where, rule }) => `${where.line}:${where.column} ${rule}`,
    );
    expect(places).toEqual(found);
    if (after !== undefined) expect(repaired(path, text, context)).toBe(after);
  });
});

const captures = sharedData('host/captures/dev/hostconf');

describe.skipIf(captures === undefined)('files of real hosts', () => {
  const root = captures ?? '';
  const files = (captures === undefined ? [] : readdirSync(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry): SourceFile => {
      const name = entry.name.replaceAll('__', '/').replace(/\.txt$/, '');
      return { path: `/${name}`, text: readFileSync(join(entry.parentPath, entry.name), 'utf8') };
    });

  it('finds the known mistakes and is quiet about the rest', () => {
    const count = new Map<string, number>();
    for (const file of files)
      for (const { rule } of lint(file.path, file.text)) count.set(rule, (count.get(rule) ?? 0) + 1);
    expect(Object.fromEntries([...count].sort())).toMatchInlineSnapshot(`
      {
        "host.acs-override": 4,
        "host.amd-iommu-on": 6,
        "host.framebuffer-off": 8,
        "host.iommu-value": 2,
        "host.misspelt-module": 2,
        "host.not-a-module": 1,
        "host.unsafe-interrupts": 1,
        "modprobe.disable-vga": 5,
        "modprobe.ignore-msrs": 7,
        "modprobe.several-ids-lines": 2,
        "modprobe.shared-blacklist": 10,
        "modprobe.softdep-blank": 1,
        "modprobe.unsafe-interrupts": 4,
        "modules.vfio-virqfd": 4,
      }
    `);
  });

  it('repairs to files with nothing left to repair', () => {
    for (const { path, text } of files) {
      let now = text;
      for (let round = 0; round < 4; round += 1) now = repaired(path, now);
      expect(lint(path, now).filter(({ fix }) => fix)).toEqual([]);
    }
  });
});

describe('a long file', () => {
  it('is judged line by line', () => {
    const found = lint(modules, 'vfio_virqfd\n'.repeat(20_000));
    expect(found.map(({ where }) => where.line)).toEqual(
      Array.from({ length: 20_000 }, (_, index) => index + 1),
    );
  });
});

describe('any text', () => {
  const paths = [vfio, modules, grub, '/etc/kernel/cmdline', 'guide.md', 'guide.rst', 'run.sh'];
  const word = fc.constantFrom(
    'options',
    'vfio-pci',
    'ids=10de:1187,',
    '10de:0e0a',
    'softdep',
    'pre:x',
    'blacklist',
    'nvme',
    '\n',
    '\\\n',
    '```',
    '::',
    'GRUB_CMDLINE_LINUX="',
    '"',
    'amd_iommu=on',
    'iommu=1',
    'vfio_virqfd',
    '$ ',
    '>>',
    '`',
  );
  it('is judged without an error, and edits stay inside it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...paths),
        fc.array(fc.oneof(word, fc.string()), { maxLength: 30 }),
        (path, words) => {
          const text = words.join(' ');
          for (const { fix = [], where } of lint(path, text)) {
            expect(where.line).toBeGreaterThan(0);
            for (const { start, end } of fix)
              expect(0 <= start && start <= end && end <= text.length).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

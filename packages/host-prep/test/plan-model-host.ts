import type { PciId } from '@vmgpu/core';
import { type CaptureSection, parseCapture, printCapture } from '../src/capture/format.ts';
import { parseCommandLine } from '../src/facts/command-line.ts';
import { parseGrubDefaults } from '../src/facts/grub.ts';
import type { HostFacts, ModprobeConfig } from '../src/facts/host-facts.ts';
import { readHostFacts } from '../src/facts/index.ts';
import { mergeModprobe } from '../src/facts/modprobe.ts';
import { moduleName, parseModuleList } from '../src/facts/modules.ts';
import { idsParameter, takesId } from '../src/modules/vfio-ids.ts';
import type { HostPlan, HostStep } from '../src/plan/index.ts';

/**
 * A host in memory: files, and what a boot makes of them. Facts are read from a capture of it by the real parsers. It
 * models boot entries, initramfs, module options, blacklists, softdeps and driver_override; not vGPUs, not hardware.
 */
export interface Card {
  readonly address: string;
  readonly id: string;
  readonly class: string;
  /** Driver that takes it when nothing is said. */
  readonly driver: string | null;
  readonly group: number;
  readonly bootVga?: boolean;
  /** The kernel leaves it out of the IOMMU unless it is told otherwise. */
  readonly integrated?: boolean;
}

export const hardware: readonly Card[] = [
  { address: '0000:00:1f.3', id: '8086:a348:1043:8723', class: '0403', driver: 'snd_hda_intel', group: 3 },
  { address: '0000:01:00.0', id: '144d:a808:144d:a801', class: '0108', driver: 'nvme', group: 10 },
  { address: '0000:02:00.0', id: '8086:1521:8086:0001', class: '0200', driver: 'igb', group: 11 },
  {
    address: '0000:03:00.0',
    id: '1a03:2000:1a03:2000',
    class: '0300',
    driver: 'ast',
    group: 12,
    bootVga: true,
  },
  {
    address: '0000:65:00.0',
    id: '10de:2236:10de:1482',
    class: '0300',
    driver: 'nouveau',
    group: 20,
    bootVga: false,
  },
  { address: '0000:65:00.1', id: '10de:1aef:10de:1482', class: '0403', driver: 'snd_hda_intel', group: 20 },
  {
    address: '0000:b3:00.0',
    id: '10de:2236:10de:1482',
    class: '0300',
    driver: 'nouveau',
    group: 30,
    bootVga: false,
  },
  { address: '0000:b3:00.1', id: '10de:1aef:10de:1482', class: '0403', driver: 'snd_hda_intel', group: 30 },
];

export type Loader = 'grub' | 'proxmox-systemd-boot' | 'grubby' | 'grub-defaults' | 'loader-entries';

export interface ModelOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly loader?: Loader;
  readonly cards?: readonly Card[];
  readonly vfioPci?: 'module' | 'builtin';
  readonly cpu?: 'GenuineIntel' | 'AuthenticAMD';
  /** The kernel's own default for Intel's IOMMU. */
  readonly iommuByDefault?: boolean;
  readonly kernel?: string;
}

const systems: Readonly<Record<Loader, string>> = {
  grub: 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
  'proxmox-systemd-boot': 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
  grubby: 'ID=rocky\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n',
  'grub-defaults': 'ID=opensuse-leap\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n',
  'loader-entries': 'ID=arch\n',
};

const defaults: Readonly<Record<Loader, Readonly<Record<string, string>>>> = {
  grub: {
    '/etc/default/grub': 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n',
  },
  'proxmox-systemd-boot': {
    '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
    '/etc/kernel/cmdline': 'root=ZFS=rpool/ROOT/pve-1 boot=zfs\n',
  },
  grubby: { '/etc/default/grub': 'GRUB_CMDLINE_LINUX="crashkernel=auto"\n' },
  'grub-defaults': { '/etc/default/grub': 'GRUB_CMDLINE_LINUX_DEFAULT="splash=silent quiet"\n' },
  'loader-entries': {
    '/boot/loader/entries/arch.conf':
      'title Arch Linux\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\noptions root=UUID=1 rw\n',
  },
};

export class ModelHost {
  readonly files: Map<string, string>;
  readonly options: Required<ModelOptions>;
  drivers = new Map<string, string | null>();
  overrides = new Map<string, string>();
  loaded = new Set<string>();
  initramfs = new Map<string, string>();
  entry = '';
  cmdline = '';
  boots = 0;
  services = new Map<string, string>();

  constructor(options: ModelOptions = {}) {
    this.options = {
      files: {},
      loader: 'grub',
      cards: hardware,
      vfioPci: 'module',
      cpu: 'GenuineIntel',
      iommuByDefault: false,
      kernel: '6.8.0-1-amd64',
      ...options,
    };
    this.files = new Map(Object.entries({ ...defaults[this.options.loader], ...this.options.files }));
    if (this.options.loader === 'grubby') this.entry = 'root=UUID=1 ro crashkernel=auto';
    this.rebuildInitramfs();
    this.makeEntry();
    this.boot();
  }

  facts(): HostFacts {
    return readHostFacts(parseCapture(printCapture(this.sections())));
  }

  boot(): void {
    this.boots += 1;
    this.cmdline = `BOOT_IMAGE=/vmlinuz ${this.entry}`;
    this.loaded = new Set(['drm']);
    this.overrides = new Map();
    this.drivers = new Map(this.options.cards.map(({ address }) => [address, null]));
    this.bindFromInitramfs();
    const early = this.config(this.initramfs);
    const late = this.config(this.files);
    const listed = [...this.files].filter(([path]) => /^\/etc\/modules(-load\.d\/.*\.conf)?$/.test(path));
    const lists = listed.flatMap(([path, text]) => parseModuleList(text, path).map(({ module }) => module));
    const earlyLists = [...this.initramfs]
      .filter(([path]) => path === '/etc/initramfs-tools/modules')
      .flatMap(([path, text]) => parseModuleList(text, path).map(({ module }) => module));
    for (const { address, driver, id } of this.options.cards) {
      if (this.drivers.get(address) !== null || driver === null) continue;
      const vfioFirst =
        this.options.vfioPci === 'builtin' ||
        earlyLists.includes('vfio_pci') ||
        early.softdep.some(({ module, pre }) => module === driver && pre.includes('vfio_pci'));
      const wanted = this.ids(this.options.vfioPci === 'builtin' ? undefined : early);
      const takes = wanted.some((entry) => takesId(entry, id as PciId));
      const barred = this.isBarred(driver, late);
      const vfioLate = lists.includes('vfio_pci') && barred;
      if (takes && (vfioFirst || vfioLate)) this.bind(address, 'vfio-pci');
      else if (!barred) this.bind(address, driver);
    }
    for (const module of earlyLists)
      if (!this.cmdline.includes(`module_blacklist=${module}`)) this.loaded.add(module);
    // systemd-modules-load asks kmod to apply the blacklist.
    for (const module of lists) if (!this.isBarred(module, late)) this.loaded.add(module);
  }

  private bind(address: string, driver: string): void {
    this.drivers.set(address, driver);
    if (driver !== 'vfio-pci' || this.options.vfioPci === 'module') this.loaded.add(moduleName(driver));
  }

  private bindFromInitramfs(): void {
    const { loader } = this.options;
    const devices = this.initramfs.get('/etc/vmgpu/devices') ?? '';
    const hooked =
      loader === 'grubby' || loader === 'grub-defaults'
        ? this.initramfs.get('/etc/dracut.conf.d/vmgpu.conf')?.includes('vmgpu') === true &&
          this.initramfs.has('/usr/lib/dracut/modules.d/90vmgpu/module-setup.sh')
        : loader === 'loader-entries'
          ? this.initramfs.get('/etc/modprobe.d/zz-vmgpu.conf')?.includes('install vfio_pci') === true &&
            this.initramfs.has('/etc/mkinitcpio.conf.d/vmgpu.conf')
          : this.initramfs.has('/etc/initramfs-tools/hooks/vmgpu') &&
            this.initramfs.has('/etc/initramfs-tools/scripts/init-top/00-vmgpu');
    if (!hooked || !this.initramfs.has('/etc/vmgpu/bind')) return;
    for (const line of devices.split('\n').filter((text) => text !== '' && !text.startsWith('#'))) {
      const [address = '', vendor, device, subvendor, subdevice, driver = ''] = line.split(' ');
      const card = this.options.cards.find((item) => item.address === address);
      if (card?.id !== `${vendor}:${device}:${subvendor}:${subdevice}`) continue;
      this.overrides.set(address, driver);
      this.bind(address, driver);
    }
  }

  private config(files: ReadonlyMap<string, string>): ModprobeConfig {
    return mergeModprobe(
      [...files].filter(([path]) => path.includes('/modprobe.d/')).map(([path, text]) => ({ path, text })),
    );
  }

  private ids(config: ModprobeConfig | undefined): readonly string[] {
    const lists = (config?.options ?? []).flatMap(({ module, parameters }) => {
      const list = module === 'vfio_pci' ? idsParameter(parameters) : undefined;
      return list ? [list.ids] : [];
    });
    const words = parseCommandLine(this.cmdline).args.flatMap(({ key, value = '' }) =>
      key === 'vfio_pci.ids' ? [value.split(',')] : [],
    );
    return [...lists, ...words].at(-1) ?? [];
  }

  private isBarred(driver: string, config: ModprobeConfig): boolean {
    const words = parseCommandLine(this.cmdline).args.flatMap(({ key, value = '' }) =>
      key === 'module_blacklist' || key === 'modprobe.blacklist' ? value.split(',') : [],
    );
    return (
      words.includes(driver) ||
      config.blacklist.some(({ module }) => module === driver) ||
      config.install.some(({ module, command }) => module === driver && command.includes('/bin/false'))
    );
  }

  get iommu(): boolean {
    const { args } = parseCommandLine(this.cmdline);
    const off = args.some(({ key, value }) => key === 'iommu' && (value === 'off' || value === 'soft'));
    if (off) return false;
    if (this.options.cpu === 'AuthenticAMD')
      return !args.some(({ key, value }) => key === 'amd_iommu' && value === 'off');
    const intel = args.filter(({ key }) => key === 'intel_iommu').at(-1)?.value;
    return intel === undefined ? this.options.iommuByDefault : intel !== 'off';
  }

  rebuildInitramfs(): void {
    this.initramfs = new Map(this.files);
  }

  makeEntry(): void {
    const { loader } = this.options;
    if (loader === 'grub' || loader === 'grub-defaults') {
      const folder = [...this.files.keys()]
        .filter((path) => /^\/etc\/default\/grub\.d\/.*\.cfg$/.test(path))
        .sort();
      const paths = ['/etc/default/grub', ...(loader === 'grub' ? folder : [])];
      const { linux, linuxDefault } = parseGrubDefaults(
        paths.map((path) => ({ path, text: this.files.get(path) ?? '' })),
      );
      this.entry = ['root=UUID=1', 'ro', linux, linuxDefault].filter(Boolean).join(' ');
    } else if (loader === 'proxmox-systemd-boot') {
      this.entry = (this.files.get('/etc/kernel/cmdline') ?? '').trim();
    } else if (loader === 'loader-entries') {
      this.entry =
        /^options\s+(.*)$/m.exec(this.files.get('/boot/loader/entries/arch.conf') ?? '')?.[1] ?? '';
    }
  }

  /** Does the steps as an executor must; throws where one of its checks would stop. */
  apply(plan: HostPlan): void {
    for (const step of plan.steps) this.do(step);
    if (this.options.loader === 'loader-entries') this.makeEntry();
  }

  private do(step: HostStep): void {
    switch (step.kind) {
      case 'write-file':
        this.expect(step.path, step.before);
        this.files.set(step.path, step.after);
        break;
      case 'remove-file':
        this.expect(step.path, step.before);
        this.files.delete(step.path);
        break;
      case 'edit-file':
        this.expect(step.path, step.before);
        if (!this.files.has(step.backup)) this.files.set(step.backup, this.files.get(step.path) ?? '');
        this.files.set(step.path, step.after);
        break;
      case 'restore-file': {
        this.expect(step.path, step.before);
        const original = this.files.get(step.backup);
        if (original === undefined) throw new Error(`no backup ${step.backup}`);
        this.files.set(step.path, original);
        this.files.delete(step.backup);
        break;
      }
      case 'initramfs':
        this.rebuildInitramfs();
        break;
      case 'boot-loader':
        this.makeEntry();
        break;
      case 'verify-boot-entry': {
        if (this.options.loader === 'loader-entries') this.makeEntry();
        const words = this.entry.split(' ');
        for (const word of step.present) if (!words.includes(word)) throw new Error(`entry lacks ${word}`);
        for (const word of step.absent) if (words.includes(word)) throw new Error(`entry has ${word}`);
        break;
      }
      case 'reboot':
        this.boot();
        break;
      case 'run':
        this.run(step.argv);
        break;
      case 'write-sysfs':
        this.writeSysfs(step.path, step.value);
        break;
      case 'service':
        this.services.set(
          step.unit.replace(/\.service$/, ''),
          step.action === 'disable' ? 'inactive' : 'active',
        );
        break;
      default:
        break;
    }
  }

  private run(argv: readonly string[]): void {
    if (argv[0] === 'modprobe')
      for (const name of argv.slice(1)) if (!name.startsWith('-')) this.loaded.add(moduleName(name));
    if (argv[0] !== 'grubby') return;
    const words = (option: string) =>
      argv.filter((word) => word.startsWith(option)).flatMap((word) => word.slice(option.length).split(' '));
    const removed = words('--remove-args=');
    const kept = this.entry.split(' ').filter((word) => !removed.includes(word));
    this.entry = [...kept, ...words('--args=').filter((word) => !kept.includes(word))].join(' ');
  }

  private writeSysfs(path: string, value: string): void {
    const address = /devices\/([^/]+)\//.exec(path)?.[1];
    if (path.endsWith('/driver_override') && address) this.overrides.set(address, value);
    else if (path.endsWith('/unbind')) this.drivers.set(value, null);
    else if (path.endsWith('drivers_probe')) this.bind(value, this.overrides.get(value) ?? 'none');
  }

  private expect(path: string, before: string | null | undefined): void {
    if (before === undefined) return;
    const now = this.files.get(path);
    const same = before === null ? now === undefined : now !== undefined && trimmed(now) === trimmed(before);
    if (!same)
      throw new Error(
        `${path} is not as planned: ${JSON.stringify(now)} instead of ${JSON.stringify(before)}`,
      );
  }

  /** Files that are not kept by vmgpu for itself. */
  foreign(): Record<string, string> {
    return Object.fromEntries([...this.files].filter(([path]) => !path.startsWith('/var/lib/vmgpu/')).sort());
  }

  sections(): CaptureSection[] {
    const { cpu, vfioPci, kernel, loader, cards } = this.options;
    const section = (kind: CaptureSection['kind'], name: string, text: string, status = 'ok') =>
      ({ kind, name, status, text }) as CaptureSection;
    const command = (name: string, text: string) => section('command', name, text, 'rc=0');
    const flag = cpu === 'GenuineIntel' ? 'vmx' : 'svm';
    const configuration = [...this.files].map(([path, text]) =>
      // A capture does not keep empty lines at the end.
      section('file', path, text === '' ? '' : `${text.replace(/\n+$/, '')}\n`),
    );
    const efi = loader === 'proxmox-systemd-boot' || loader === 'loader-entries';
    return [
      command('id -u', '0\n'),
      command('uname -snrm', `Linux model ${kernel} x86_64\n`),
      section('file', '/etc/os-release', systems[loader]),
      command('systemd-detect-virt', 'none\n'),
      command('systemd-detect-virt -c', 'none\n'),
      section('file', '/proc/cmdline', `${this.cmdline}\n`),
      section(
        'list',
        'paths',
        [
          `/sys/firmware/acpi/tables/${cpu === 'GenuineIntel' ? 'DMAR' : 'IVRS'}`,
          ...(this.iommu ? ['/sys/class/iommu/unit0'] : []),
          ...(this.loaded.has(cpu === 'GenuineIntel' ? 'kvm_intel' : 'kvm_amd') ? ['/dev/kvm'] : []),
          ...(efi ? ['/sys/firmware/efi'] : []),
          ...(loader === 'proxmox-systemd-boot' ? ['/etc/kernel/proxmox-boot-uuids'] : []),
          `/lib/modules/${kernel}`,
        ]
          .map((path) => `${path}\n`)
          .join(''),
      ),
      section(
        'lines',
        '/proc/cpuinfo',
        `      8 processor :\n      8 vendor_id : ${cpu}\n      8 flags : ${flag}\n`,
      ),
      section('table', '/sys/bus/pci/devices', this.pciTable()),
      section(
        'table',
        '/sys/kernel/iommu_groups',
        this.iommu
          ? cards.map(({ group, address }) => `${group}/type:DMA\n${group}/devices/${address}:\n`).join('')
          : '',
      ),
      section(
        'command',
        'lspci -Dvmmnnk',
        cards
          .map(({ address, id, class: pciClass, driver }) => {
            const [vendor, device] = id.split(':');
            return `Slot:\t${address}\nClass:\tX [${pciClass}]\nVendor:\tV [${vendor}]\nDevice:\tD [${device}]\n${driver === null ? '' : `Module:\t${driver}\n`}\n`;
          })
          .join(''),
        'rc=0',
      ),
      command(
        'lsmod',
        `Module Size Used by\n${[...this.loaded].map((name) => `${name} 16384 0\n`).join('')}`,
      ),
      section('table', '/sys/module', 'kvm/parameters/ignore_msrs:N\n'),
      section('lines', '/boot/config', `CONFIG_VFIO_PCI=${vfioPci === 'builtin' ? 'y' : 'm'}\n`),
      section(
        'lines',
        'modinfo vfio-pci',
        `filename: ${vfioPci === 'builtin' ? '(builtin)' : '/lib/modules/x/vfio-pci.ko'}\n`,
        'rc=0',
      ),
      ...configuration,
      ...['/etc/default/grub', '/etc/kernel/cmdline', '/etc/modules', '/etc/modprobe.d/none.conf']
        .filter((path) => !this.files.has(path))
        .map((path) => section('file', path, '', 'absent')),
      command(`stat -c %Y %n /boot/initrd.img-${kernel}`, `1760000000 /boot/initrd.img-${kernel}\n`),
      section(
        'lines',
        `lsinitramfs /boot/initrd.img-${kernel}`,
        [
          'usr/lib/modules/x/kernel/drivers/vfio/pci/vfio-pci.ko',
          ...[...this.initramfs.keys()].map((path) => path.slice(1)),
        ]
          .map((path) => `${path}\n`)
          .join(''),
        'rc=0',
      ),
      ...(efi
        ? [
            command(
              'efibootmgr -v',
              'BootCurrent: 0001\nBoot0001* Linux Boot Manager \\EFI\\systemd\\systemd-bootx64.efi\n',
            ),
            command('mokutil --sb-state', 'SecureBoot disabled\n'),
          ]
        : []),
      ...(loader === 'grub' || loader === 'grub-defaults'
        ? [
            section(
              'lines',
              `/boot/grub${loader === 'grub' ? '' : '2'}/grub.cfg`,
              `\tlinux /vmlinuz ${this.entry}\n`,
            ),
          ]
        : []),
      ...(loader === 'grubby' ? [command('grubby --info=ALL', `index=0\nargs="${this.entry}"\n`)] : []),
      section('lines', 'dmesg', `Linux version ${kernel}\n${this.remapping()}`, 'rc=0'),
      command(
        'systemctl show -p Id,LoadState,ActiveState,Result x',
        [...this.services]
          .map(
            ([name, state]) =>
              `Id=${name}.service\nLoadState=loaded\nActiveState=${state}\nResult=success\n\n`,
          )
          .join(''),
      ),
      command('systemctl show -p DefaultLimitMEMLOCK', 'DefaultLimitMEMLOCK=infinity\n'),
    ];
  }

  private remapping(): string {
    const off = parseCommandLine(this.cmdline).args.some(
      ({ key, value }) => key === 'nox2apic' || (key === 'intremap' && value === 'off'),
    );
    if (off) return 'DMAR-IR: IRQ remapping is disabled by a kernel argument\n';
    return this.iommu ? 'DMAR-IR: Enabled IRQ remapping in x2apic mode\n' : '';
  }

  private pciTable(): string {
    return this.options.cards
      .flatMap((card) => {
        const [vendor, device, subvendor, subdevice] = card.id.split(':');
        const driver = this.drivers.get(card.address);
        return [
          ['vendor', `0x${vendor}`],
          ['device', `0x${device}`],
          ['class', `0x${card.class}00`],
          ['subsystem_vendor', `0x${subvendor}`],
          ['subsystem_device', `0x${subdevice}`],
          ['driver_override', this.overrides.get(card.address) ?? '(null)'],
          ['reset_method', 'flr bus'],
          ['resource', '0x00000000fb000000 0x00000000fbffffff 0x0000000000040200'],
          ...(card.bootVga === undefined ? [] : [['boot_vga', card.bootVga ? '1' : '0']]),
          ...(driver ? [['driver', driver]] : []),
          ...(this.iommu && (!card.integrated || this.cmdline.includes('intel_iommu=on'))
            ? [['iommu_group', String(card.group)]]
            : []),
        ].map(([key, value]) => `${card.address}/${key}:${value}\n`);
      })
      .join('');
  }
}

function trimmed(text: string): string {
  return text.replace(/\n+$/, '');
}

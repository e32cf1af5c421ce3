import { isUnknown } from '@vmgpu/core';
import type { HostFacts, OsRelease } from '../facts/host-facts.ts';
import type { BootFamily, Command, FamilyName } from './host-plan.ts';

/** How a family is told what its boot entries shall say, and how that is checked. */
export interface FamilyCommands {
  /** Makes the entries anew; absent where the change itself is the entry. */
  readonly refresh?: Command;
  /** The file that `refresh` makes. */
  readonly output?: string;
  readonly entries: { readonly read?: Command; readonly files?: readonly string[] };
}

const emitOnly: Readonly<Record<string, FamilyName>> = {
  rhcos: 'machine-config',
  'fedora-coreos': 'rpm-ostree',
  talos: 'talos',
  nixos: 'nixos',
  'sle-micro': 'transactional',
  'opensuse-microos': 'transactional',
  harvester: 'foreign',
  truenas: 'foreign',
  flatcar: 'foreign',
  bottlerocket: 'foreign',
  steamos: 'foreign',
};

/**
 * Which family the host belongs to (host-readiness reference, table 1.2): by os-release, then by the loader that really
 * starts it.
 */
export function bootFamily(facts: HostFacts): BootFamily {
  const { os } = facts.system;
  if (isUnknown(os)) return family('foreign', 'none');
  const names = [os.variantId ?? '', os.id, ...os.idLike];
  const managed = names.map((name) => emitOnly[name]).find((name) => name !== undefined);
  if (managed !== undefined) return family(managed, 'none');
  if (os.ostree) return family('rpm-ostree', 'none');
  const loader = isUnknown(facts.boot.loader) ? undefined : facts.boot.loader;
  const has = (...ids: readonly string[]) => ids.some((id) => names.includes(id));
  if (has('debian', 'ubuntu', 'proxmox')) {
    if (loader?.kind === 'systemd-boot')
      return family(loader.proxmoxBootTool ? 'proxmox-systemd-boot' : 'foreign', 'initramfs-tools');
    return family('grub-drop-in', 'initramfs-tools');
  }
  if (has('rhel', 'fedora', 'centos', 'rocky', 'almalinux', 'ol'))
    return family(isOldRedHat(os) ? 'grub-defaults' : 'grubby', 'dracut');
  if (has('suse', 'opensuse', 'opensuse-leap', 'opensuse-tumbleweed', 'sles'))
    return family(loader?.kind === 'systemd-boot' ? 'foreign' : 'grub-defaults', 'dracut');
  if (has('arch')) {
    if (loader?.kind !== 'systemd-boot') return family('grub-defaults', 'mkinitcpio');
    const unified = typeof facts.boot.kernelCmdlineFile === 'string';
    return family(unified ? 'kernel-cmdline' : 'loader-entries', 'mkinitcpio');
  }
  return family('foreign', 'none');
}

const unwritable = new Set<FamilyName>([
  'rpm-ostree',
  'transactional',
  'machine-config',
  'talos',
  'nixos',
  'foreign',
]);

function family(name: FamilyName, initramfs: BootFamily['initramfs']): BootFamily {
  return { name, writable: !unwritable.has(name), initramfs };
}

function isOldRedHat({ id, versionId = '' }: OsRelease): boolean {
  return id !== 'fedora' && Number.parseInt(versionId, 10) < 8;
}

const debianMenu = '/boot/grub/grub.cfg';
const loaderEntries = [
  '/boot/loader/entries/*.conf',
  '/boot/efi/loader/entries/*.conf',
  '/efi/loader/entries/*.conf',
];

/**
 * proxmox-boot-tool mounts each ESP only while it writes; which ones there are stands in /etc/kernel/proxmox-boot-uuids
 * (pve-docs, "Host Bootloader"; proxmox-kernel-helper).
 */
const readProxmoxEntries = `dir=$(mktemp -d) || exit 1
while read -r id; do
  mount -o ro "/dev/disk/by-uuid/$id" "$dir" 2>/dev/null || mount "/dev/disk/by-uuid/$id" "$dir" || continue
  sed -n 's/^options[[:space:]]*/args=/p' "$dir"/loader/entries/proxmox-*.conf
  umount "$dir"
done </etc/kernel/proxmox-boot-uuids
rmdir "$dir"`;

export function familyCommands({ name, initramfs }: BootFamily, facts: HostFacts): FamilyCommands {
  switch (name) {
    case 'grub-drop-in':
      return { refresh: ['update-grub'], output: debianMenu, entries: { files: [debianMenu] } };
    case 'proxmox-systemd-boot':
      return {
        refresh: ['proxmox-boot-tool', 'refresh'],
        entries: { read: ['sh', '-c', readProxmoxEntries] },
      };
    case 'grubby':
      return { entries: { read: ['grubby', '--info=ALL'] } };
    case 'grub-defaults': {
      const file = grubConfig(facts, initramfs === 'mkinitcpio');
      const tool = initramfs === 'mkinitcpio' ? 'grub-mkconfig' : 'grub2-mkconfig';
      return { refresh: [tool, '-o', file], output: file, entries: { files: [file] } };
    }
    case 'loader-entries':
      return { entries: { files: loaderEntries } };
    default:
      return { entries: {} };
  }
}

/** Only Red Hat 7 keeps the configuration on the ESP; later releases have a stub there that must stay. */
function grubConfig({ boot, system }: HostFacts, arch: boolean): string {
  if (arch) return '/boot/grub/grub.cfg';
  const { os } = system;
  const redHat = !isUnknown(os) && [os.id, ...os.idLike].some((name) => /^(rhel|centos|fedora)$/.test(name));
  if (!redHat || boot.firmware !== 'efi' || isUnknown(os)) return '/boot/grub2/grub.cfg';
  return `/boot/efi/EFI/${os.id === 'rhel' ? 'redhat' : os.id}/grub.cfg`;
}

export function initramfsCommand({ initramfs }: BootFamily): Command | undefined {
  switch (initramfs) {
    case 'initramfs-tools':
      // Plain -u rebuilds the newest kernel's only.
      return ['update-initramfs', '-u', '-k', 'all'];
    case 'dracut':
      return ['dracut', '-f', '--regenerate-all'];
    case 'mkinitcpio':
      return ['mkinitcpio', '-P'];
    case 'none':
      return undefined;
  }
}

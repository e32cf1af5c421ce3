import type { TestHost } from './host.ts';

/** Everything below which vmgpu may write, and the boot menu. */
const places =
  '/etc/modprobe.d /etc/modules-load.d /etc/modules /etc/default /etc/initramfs-tools /etc/vmgpu /etc/systemd/system /etc/kernel /boot/grub/grub.cfg /boot/loader /var/lib/vmgpu/original';

/** Mode, owner, checksum and name of each file, a line each; of a link where it leads. */
export function filesOf(host: TestHost): string {
  return host.ssh(
    `find ${places} \\( -type f -o -type l \\) 2>/dev/null | sort | while read -r f; do
      if [ -L "$f" ]; then echo "$f -> $(readlink "$f")"; else echo "$(stat -c '%a %U' "$f") $(sha256sum "$f")"; fi
    done`,
  );
}

/** The driver of each function; `none` without. */
export function driversOf(host: TestHost, addresses: readonly string[]): readonly string[] {
  if (addresses.length === 0) return [];
  return host
    .ssh(
      `for a in ${addresses.join(' ')}; do basename "$(readlink /sys/bus/pci/devices/$a/driver || echo none)"; done`,
    )
    .trim()
    .split('\n');
}

/** Names of all files in the initramfs, and what those of vmgpu say. */
export function initramfsOf(host: TestHost): string {
  return host.ssh(
    `cd "$(mktemp -d)" && unmkinitramfs "/boot/initrd.img-$(uname -r)" . && find . -not -name modules.* | sort && find . -path '*vmgpu*' -type f -exec sha256sum {} +; rm -rf "$PWD"`,
  );
}

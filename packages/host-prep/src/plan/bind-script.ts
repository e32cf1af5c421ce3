/**
 * Gives the functions of /etc/vmgpu/devices to their VFIO drivers. Runs in the initramfs (busybox sh, klibc dash) before
 * udev, and can run on the whole system. A function that is not what was planned, because cards were moved, is left
 * alone. Linux, Documentation/ABI/testing/sysfs-bus-pci: driver_override.
 */
export const bindScript = `
say() { echo "vmgpu: $*" >/dev/kmsg 2>/dev/null || echo "vmgpu: $*" >&2; }
# is FILE ID: whether the file says 0xID; "-" stands for any.
is() {
  [ "$2" = - ] && return 0
  read -r text <"$1" 2>/dev/null && [ "$text" = "0x$2" ]
}
list=\${VMGPU_DEVICES:-/etc/vmgpu/devices}
[ -r "$list" ] || exit 0
taken=
drivers=
while read -r address vendor device subvendor subdevice driver; do
  case $address in '' | '#'*) continue ;; esac
  path=/sys/bus/pci/devices/$address
  if [ ! -e "$path/driver_override" ]; then
    say "$address is not there"
  elif is "$path/vendor" "$vendor" && is "$path/device" "$device" &&
    is "$path/subsystem_vendor" "$subvendor" && is "$path/subsystem_device" "$subdevice"; then
    echo "$driver" >"$path/driver_override"
    taken="$taken $address"
    case " $drivers " in *" $driver "*) ;; *) drivers="$drivers $driver" ;; esac
  else
    say "$address is another device than planned, left alone"
  fi
done <"$list"
for driver in $drivers; do
  modprobe -i "$driver" || say "$driver cannot be loaded"
done
for address in $taken; do
  path=/sys/bus/pci/devices/$address
  read -r driver <"$path/driver_override"
  if [ -e "$path/driver" ]; then
    now=$(cd -P "$path/driver" && pwd)
    [ "\${now##*/}" = "$driver" ] && continue
    # A driver that is part of the kernel was there first.
    echo "$address" >"$path/driver/unbind"
  fi
  echo "$address" >/sys/bus/pci/drivers_probe
done
exit 0
`;

/** initramfs-tools(7), hook-functions of initramfs-tools 0.142. */
export const initramfsHook = `
case $1 in prereqs) exit 0 ;; esac
. /usr/share/initramfs-tools/hook-functions
manual_add_modules vfio_pci vfio_iommu_type1 @drivers@
mkdir -p "$DESTDIR/etc/vmgpu"
cp -p /etc/vmgpu/bind /etc/vmgpu/devices "$DESTDIR/etc/vmgpu/"
`;

export const initramfsScript = `
case $1 in prereqs) exit 0 ;; esac
[ ! -r /etc/vmgpu/bind ] || /bin/sh /etc/vmgpu/bind
`;

/** dracut.modules(7). The hook pre-udev comes before any driver is loaded. */
export const dracutModule = `
check() { return 0; }
depends() { return 0; }
installkernel() { instmods vfio_pci vfio_iommu_type1 @drivers@; }
install() {
  inst_simple /etc/vmgpu/devices
  inst_hook pre-udev 00 /etc/vmgpu/bind
}
`;

/** mkinitcpio.conf(5): files of mkinitcpio.conf.d are read after mkinitcpio.conf. */
export const mkinitcpioConfig = `MODULES=(vfio_pci vfio_iommu_type1 "\${MODULES[@]}")
FILES+=(/etc/vmgpu/bind /etc/vmgpu/devices /etc/modprobe.d/zz-vmgpu.conf)
`;

/** Where the initramfs belongs to the system: as early as a unit can be. */
export const bindUnit = `[Unit]
Description=GPUs for virtual machines (vmgpu)
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target systemd-modules-load.service kubelet.service libvirtd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/vmgpu/bind

[Install]
WantedBy=sysinit.target
`;

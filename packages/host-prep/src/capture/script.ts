/**
 * The one program that vmgpu runs to read a host: POSIX `sh` (dash, bash, busybox ash), read-only, needs nothing
 * installed. What a host lacks is a section of its own with the reason. It runs without root and then says what only
 * root may see. Prints the text that `parseCapture` reads.
 *
 * Many small files are read by one `grep` from inside their directory; links are resolved by `cd -P`, which forks
 * nothing. Process lists, environment and configuration beyond boot, modules and GPUs are never read.
 */
export const captureScript: string = sh`#!/bin/sh
# vmgpu capture script: reads this host for GPU preparation, changes nothing, prints to standard output.
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin; export PATH
unset CDPATH
count=0
kernel=$(uname -r)

if timeout 5 true 2>/dev/null; then
  limit() { timeout "$@"; }
else
  limit() { shift; "$@"; }
fi
have() { command -v "$1" >/dev/null 2>&1; }
line_end='
'
# A header is one line, whatever a file is called.
header() {
  count=$((count + 1))
  case $* in *"$line_end"*) set -- "$(printf '%s' "$*" | tr '\n' '?')" ;; esac
  printf '#%s\n' "$*"
}
# Content of "$1", line by line behind a bar; empty text prints nothing.
content() { [ -z "$1" ] || printf '%s\n' "$1" | sed 's/^/|/'; }

# file PATH...: whole files.
file() {
  for path; do
    if [ -f "$path" ] || [ -c "$path" ]; then
      if [ -r "$path" ]; then
        text=$(cat "$path" 2>/dev/null) && header file ok "$path" || header file denied "$path"
        content "$text"
      else
        header file denied "$path"
      fi
    else
      case $path in *'*'*) ;; *) header file absent "$path" ;; esac
    fi
  done
}

# lines REGEX PATH...: the matching lines of files.
lines() {
  regex=$1; shift
  for path; do
    if [ ! -e "$path" ]; then
      case $path in *'*'*) ;; *) header lines absent "$path" ;; esac
    elif [ ! -r "$path" ]; then
      header lines denied "$path"
    else
      header lines ok "$path"
      content "$(grep -E "$regex" "$path" 2>/dev/null)"
    fi
  done
}

# run SECONDS COMMAND ARGUMENT...: all output of a command, and its exit status.
run() {
  seconds=$1; shift
  have "$1" || { header command absent "$*"; return; }
  text=$(limit "$seconds" "$@" 2>&1 </dev/null)
  header command "rc=$?" "$*"
  content "$text"
}

# run_lines SECONDS REGEX COMMAND ARGUMENT...: the matching lines of a command's output.
run_lines() {
  seconds=$1; regex=$2; shift 2
  have "$1" || { header lines absent "$*"; return; }
  text=$(limit "$seconds" "$@" 2>&1 </dev/null)
  header lines "rc=$?" "$*"
  [ -z "$text" ] || content "$(printf '%s\n' "$text" | grep -E "$regex")"
}

# table DIRECTORY, then the function "rows" prints from inside it.
table() {
  if [ -d "$1" ] && cd "$1" 2>/dev/null; then
    header table ok "$1"
    rows 2>/dev/null | sed 's/^/|/'
    cd /
  elif [ -d "$1" ]; then
    header table denied "$1"
  else
    header table absent "$1"
  fi
}
# read_all PATH...: "PATH:text" of small files; /dev/null keeps grep from leaving the name out when there is only one.
read_all() { grep -s '' /dev/null "$@"; }
# links PATH...: prints "PATH:last part of what it points to", for links to directories below $base.
links() {
  for path; do
    [ -d "$path/." ] || continue
    cd -P "$path" 2>/dev/null || continue
    printf '%s:%s\n' "$path" "$\{PWD##*/}"
    cd "$base" || return
  done
}

echo '#vmgpu-capture 1'

# --- system
run 2 id -u
if [ "$(id -u 2>/dev/null)" != 0 ]; then run 2 sudo -n true; fi
run 2 uname -snrm
if [ -e /etc/os-release ]; then file /etc/os-release; else file /usr/lib/os-release; fi
run 2 systemd-detect-virt
run 2 systemd-detect-virt -c
file /proc/sys/kernel/random/boot_id /proc/cmdline /sys/kernel/security/lockdown

header list ok paths
for path in /sys/firmware/efi /run/ostree-booted /run/reboot-required /var/run/reboot-required \
  /sys/firmware/acpi/tables/* /sys/class/iommu/* /sys/module/vfio* /sys/module/kvm* /sys/module/nvidia* \
  /sys/module/nouveau /sys/module/amdgpu /sys/module/gim /sys/module/i915 /sys/module/xe \
  /dev/kvm /dev/vfio/* /dev/nvidia* /dev/nvidia-caps/* /dev/dri/* /dev/kfd /dev/mst \
  /lib/modules/* "/lib/modules/$kernel/build" /boot/vmlinuz* /boot/initrd* /boot/initramfs* \
  /boot/loader/entries /boot/efi/loader/entries /efi/loader/entries \
  /boot/grub /boot/grub2 /etc/kernel/cmdline /etc/kernel/proxmox-boot-uuids \
  /etc/cdi/* /run/cdi/* /usr/bin/nvidia-smi /usr/lib/nvidia/sriov-manage \
  /usr/bin/pveversion /usr/bin/kubelet /usr/local/bin/k3s /var/lib/kubelet /usr/bin/nova-compute /etc/kolla/nova-compute; do
  [ -e "$path" ] && printf '%s\n' "$path"
done | sed 's/^/|/'

# --- processor, memory
if [ -r /proc/cpuinfo ]; then
  header lines ok /proc/cpuinfo
  sed -n -e 's/$/ /' -e '/^processor/s/:.*/:/p' -e '/^vendor_id/p' -e '/^model name/p' -e '/^CPU implementer/p' \
    -e 's/^\(flags[[:space:]]*:\).* vmx .*/\1 vmx/p' -e 's/^\(flags[[:space:]]*:\).* svm .*/\1 svm/p' \
    /proc/cpuinfo | sort | uniq -c | sed 's/^/|/'
fi
lines '^(MemTotal|MemAvailable|HugePages_|Hugepagesize)' /proc/meminfo
rows() { read_all */nr_hugepages */free_hugepages; }
table /sys/kernel/mm/hugepages
run 3 systemctl show -p DefaultLimitMEMLOCK

# --- PCI: attributes of all functions, then links, then what GPUs offer
rows() {
  base=/sys/bus/pci/devices
  read_all */vendor */device */class */subsystem_vendor */subsystem_device */revision */numa_node */boot_vga \
    */reset_method */driver_override */power_state */modalias */sriov_totalvfs */sriov_numvfs
  links */driver */iommu_group */physfn */virtfn*
  set --
  for class in */class; do
    read -r code <"$class" || continue
    function=$\{class%/class}
    case $code in
      0x03* | 0x12*) [ -e "$function/physfn" ] || set -- "$@" "$function" ;;
    esac
  done
  [ $# = 0 ] || for attribute in resource current_link_speed current_link_width max_link_speed max_link_width; do
    for card; do printf '%s\n' "$card/$attribute"; done
  done | xargs grep -s '' /dev/null
  read_all */nvidia/current_vgpu_type
  # Every virtual function of a card offers the same types: one that is free answers for all.
  for card; do
    for function in "$card"/virtfn*; do
      [ -r "$function/nvidia/creatable_vgpu_types" ] || continue
      read -r type <"$function/nvidia/current_vgpu_type" 2>/dev/null || type=0
      [ "$type" = 0 ] || continue
      read_all "$function/nvidia/creatable_vgpu_types"
      break
    done
  done
}
table /sys/bus/pci/devices
rows() {
  read_all */type
  for path in */devices/*; do [ -e "$path" ] && printf '%s:\n' "$path"; done
}
table /sys/kernel/iommu_groups
run 5 lspci -Dvmmnnk

# --- mediated devices
rows() { read_all */mdev_supported_types/*/name */mdev_supported_types/*/description \
  */mdev_supported_types/*/available_instances */mdev_supported_types/*/device_api; }
table /sys/class/mdev_bus
rows() {
  base=/sys/bus/mdev/devices
  for path in *; do
    cd -P "$path" 2>/dev/null || continue
    parent=$\{PWD%/*}; printf '%s/parent:%s\n' "$path" "$\{parent##*/}"; cd "$base" || return
  done
  links */mdev_type */iommu_group
}
table /sys/bus/mdev/devices
file /etc/mdevctl.d/*/*
run 3 mdevctl list -d

# --- kernel and modules
config=
for path in "/boot/config-$kernel" "/lib/modules/$kernel/config" "/usr/lib/modules/$kernel/config"; do
  [ -r "$path" ] && config=$path && break
done
config_words='CONFIG_(INTEL_IOMMU|AMD_IOMMU|IOMMU_DEFAULT|VFIO|VFIO_PCI|VFIO_VIRQFD|VFIO_MDEV|DRM_SIMPLEDRM|SYSFB|FB_EFI|PCI_REALLOC)[A-Z_]*[= ]'
if [ -n "$config" ]; then lines "$config_words" "$config"
elif [ -r /proc/config.gz ]; then run_lines 2 "$config_words" zcat /proc/config.gz
else header lines absent "/boot/config-$kernel"; fi
file /proc/modules
rows() { read_all vfio*/parameters/* kvm*/parameters/ignore_msrs kvm_intel/parameters/nested kvm_amd/parameters/nested \
  i915/parameters/enable_gvt i915/parameters/enable_guc; }
table /sys/module
file /etc/modprobe.d/*.conf /run/modprobe.d/*.conf /usr/local/lib/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf
[ /lib -ef /usr/lib ] 2>/dev/null || file /lib/modprobe.d/*.conf
run_lines 5 '^(options|blacklist|install|remove|softdep) ' modprobe -c
file /etc/modules /etc/modules-load.d/*.conf /run/modules-load.d/*.conf /usr/lib/modules-load.d/*.conf \
  /etc/initramfs-tools/modules /etc/dracut.conf.d/*.conf
lines '^[[:space:]]*(MODULES|HOOKS|FILES)' /etc/mkinitcpio.conf
# What an earlier preparation left: its files, and the originals of the files it edited.
file /etc/vmgpu/* /var/lib/vmgpu/original/* /etc/initramfs-tools/hooks/vmgpu /etc/initramfs-tools/scripts/init-top/00-vmgpu \
  /usr/lib/dracut/modules.d/90vmgpu/* /etc/mkinitcpio.conf.d/vmgpu.conf /etc/systemd/system/vmgpu-*.service \
  /etc/systemd/system/*.service.d/vmgpu.conf
modinfo_words='^(filename|name|version|license|signer|vermagic|parm):'
run_lines 3 "$modinfo_words" modinfo vfio-pci
run_lines 3 '^(filename|name|version|license|signer|vermagic):' modinfo nvidia
run 5 dkms status
initramfs=
for path in "/boot/initrd.img-$kernel" "/boot/initramfs-$kernel.img" "/boot/initrd-$kernel" /boot/initramfs-linux.img; do
  [ -e "$path" ] && initramfs=$path && break
done
if [ -n "$initramfs" ]; then
  run 2 stat -c '%Y %n' "$initramfs"
  if have lsinitramfs && [ -r "$initramfs" ]; then
    if [ -n "$(find "$initramfs" -size -24576 2>/dev/null)" ] || [ -n "$VMGPU_SLOW" ]; then
      run_lines 20 'vfio|modprobe\.d|vmgpu|nvidia|nouveau|amdgpu' lsinitramfs "$initramfs"
    else
      header lines skipped "lsinitramfs $initramfs"
      content 'large: run the script with VMGPU_SLOW=1 to look inside'
    fi
  elif have lsinitrd && [ -r "$initramfs" ] && [ -n "$VMGPU_SLOW" ]; then
    run_lines 30 'vfio|modprobe\.d|vmgpu|nvidia|nouveau|amdgpu' lsinitrd "$initramfs"
  elif [ ! -r "$initramfs" ]; then
    header lines denied "lsinitramfs $initramfs"
  else
    header lines skipped "lsinitramfs $initramfs"
    content 'slow: run the script with VMGPU_SLOW=1 to look inside'
  fi
fi

# --- boot loader
path=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
if [ -e "$path" ]; then run 2 od -An -tu1 "$path"; else run 2 mokutil --sb-state; fi
path=/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
if [ -e "$path" ]; then run 2 od -An -tu1 "$path"; fi
run 3 efibootmgr -v
if have proxmox-boot-tool; then run 5 proxmox-boot-tool status; fi
run 3 bootctl is-installed
file /etc/default/grub /etc/default/grub.d/*.cfg /etc/kernel/cmdline
lines '^[[:space:]]*(linux|linux16|linuxefi)[[:space:]]' /boot/grub/grub.cfg /boot/grub2/grub.cfg
file /boot/loader/entries/*.conf /boot/efi/loader/entries/*.conf /efi/loader/entries/*.conf
if have grubby; then run 5 grubby --info=ALL; fi
if have rpm-ostree; then run 5 rpm-ostree kargs; fi

# --- kernel log
log_words='Linux version|Command line|DMAR|AMD-Vi|[Ii][Oo][Mm][Mm][Uu]|VFIO|vfio|NVRM|[Nn]vidia|nouveau|amdgpu|MDEV|mdev|BAR [0-9]|no space for|failed to assign|[Kk]vm|VMX|SVM|Secure boot|secureboot|Lockdown|module verification|Key was rejected|simple-framebuffer|efifb|vgaarb|pcie_acs|Unknown kernel command'
if text=$(limit 5 dmesg 2>&1); then
  case $text in
    *'Linux version'*) header lines rc=0 dmesg; content "$(printf '%s\n' "$text" | grep -E "$log_words")" ;;
    *) run_lines 8 "$log_words" journalctl -k -b 0 -o cat --no-pager
       header lines rc=0 dmesg; content "$(printf '%s\n' "$text" | grep -E "$log_words")" ;;
  esac
else
  header lines denied dmesg
  content "$text"
  run_lines 8 "$log_words" journalctl -k -b 0 -o cat --no-pager
fi
if [ -r /proc/interrupts ]; then
  header lines ok /proc/interrupts
  sed -n 's/.*[[:space:]]\(IR-[A-Za-z0-9-]*\).*/\1/p' /proc/interrupts | sort | uniq -c | sed 's/^/|/'
fi
lines 'BOOTFB|efifb|simplefb|simpledrm|vesafb' /proc/iomem

# --- NVIDIA
file /proc/driver/nvidia/version
if have nvidia-smi; then
  # Without the blocks that name processes.
  text=$(limit 20 nvidia-smi -q -x 2>&1 </dev/null)
  header command "rc=$?" nvidia-smi -q -x
  [ -z "$text" ] || printf '%s\n' "$text" | sed -e '/<process_info>/,/<\/process_info>/d' -e 's/^/|/'
  case $text in
    *'Host VGPU'*) run 20 nvidia-smi vgpu -s -v; run 20 nvidia-smi vgpu -c -v ;;
  esac
else
  header command absent nvidia-smi -q -x
fi

# --- services, containers
run 5 systemctl show -p Id,LoadState,ActiveState,Result nvidia-vgpu-mgr nvidia-vgpud nvidia-fabricmanager \
  nvidia-persistenced libvirtd containerd docker crio kubelet k3s rke2-server rke2-agent nova-compute pveproxy \
  vmgpu-vgpu vmgpu-functions
run 3 nvidia-ctk --version
header list ok 'container runtimes that name nvidia'
content "$(grep -ls nvidia /etc/containerd/config.toml /etc/containerd/conf.d/*.toml /etc/docker/daemon.json \
  /etc/crio/crio.conf /etc/crio/crio.conf.d/* /etc/containers/containers.conf \
  /var/lib/rancher/k3s/agent/etc/containerd/config.toml /var/lib/rancher/rke2/agent/etc/containerd/config.toml 2>/dev/null)"

printf '#end %s\n' "$count"
`;

/** The text as it stands, but for `$\\{`, which stands for the shell's `${`. */
function sh(parts: TemplateStringsArray): string {
  return parts.raw.join('').replaceAll('$\\{', '${');
}

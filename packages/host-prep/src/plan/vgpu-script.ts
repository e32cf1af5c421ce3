/**
 * Makes the vGPUs of /etc/vmgpu/vgpus, at every boot and whenever it is run: MIG mode, virtual functions, mixed sizes, GPU
 * instances, then types, in this order because each step wipes what comes after it (host-readiness reference, 1.3).
 * Names are resolved here: type numbers belong to a driver branch. Lines of the list:
 * `gpu ADDRESS sriov|plain mig|- mixed|-`, `instance ADDRESS PROFILE`, `vgpu ADDRESS NAME UUID`.
 */
export const vgpuScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
list=\${VMGPU_VGPUS:-/etc/vmgpu/vgpus}
sys=\${VMGPU_SYS:-/sys}
manage=\${VMGPU_SRIOV_MANAGE:-/usr/lib/nvidia/sriov-manage}
failed=0
say() { echo "vmgpu: $*" >&2; }
fail() { say "$*"; failed=1; }
# retry TIMES COMMAND...: the driver refuses while somebody else looks at the GPU.
retry() {
  left=$1; shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 1
  done
}
number() { read -r value 2>/dev/null <"$1" && echo "$value" || echo 0; }
has_functions() { [ "$(number "$sys/bus/pci/devices/$1/sriov_numvfs")" -gt 0 ]; }
make_functions() {
  has_functions "$1" && return 0
  # A sriov-manage that failed half-way leaves the GPU without driver.
  [ -e "$sys/bus/pci/devices/$1/driver" ] || echo "$1" >"$sys/bus/pci/drivers/nvidia/bind"
  "$manage" -e "$1" && has_functions "$1"
}
# type_number FILE NAME: number of a type in creatable_vgpu_types; else what nvidia-smi says.
type_number() {
  case $2 in
    nvidia-[0-9]*) echo "\${2#nvidia-}"; return ;;
  esac
  found=$(awk -v name="$2" '$1 ~ /^[0-9]+$/ && $NF == name { print $1; exit }' "$1")
  if [ -z "$found" ]; then
    found=$(nvidia-smi vgpu -s -v -i "$gpu" 2>/dev/null |
      awk -v name="$2" '/vGPU Type ID/ { id = $NF } $1 == "Name" && $NF == name { print id; exit }')
    [ -z "$found" ] || found=$((found))
  fi
  echo "$found"
}
# set_type NAME: on the first free virtual function, unless enough have it. Uses $gpu and $used.
set_type() {
  for function in "$sys/bus/pci/devices/$gpu"/virtfn*; do
    file=$function/nvidia/current_vgpu_type
    [ -e "$file" ] || continue
    case " $used " in *" $function "*) continue ;; esac
    now=$(number "$file")
    type=$(type_number "$function/nvidia/creatable_vgpu_types" "$1")
    [ -n "$type" ] || { fail "$gpu offers no type $1"; return; }
    if [ "$now" = 0 ]; then
      echo "$type" >"$file" && [ "$(number "$file")" = "$type" ] || { fail "$gpu refuses $1"; return; }
      now=$type
    fi
    [ "$now" = "$type" ] || continue
    used="$used $function"
    return
  done
  fail "$gpu has no free virtual function for $1"
}
# make_device NAME UUID: a mediated device on the GPU or on a virtual function.
make_device() {
  [ ! -e "$sys/bus/mdev/devices/$2" ] || return 0
  for function in "$sys/bus/pci/devices/$gpu" "$sys/bus/pci/devices/$gpu"/virtfn*; do
    for type in "$function"/mdev_supported_types/*; do
      [ -e "$type/create" ] || continue
      read -r name 2>/dev/null <"$type/name" || name=
      case $1 in "\${type##*/}" | "\${name##* }") ;; *) continue ;; esac
      [ "$(number "$type/available_instances")" -gt 0 ] || continue
      echo "$2" >"$type/create" && return 0
    done
  done
  fail "$gpu has no room for $1, or does not offer it"
}
offers_devices() {
  for folder in "$sys/bus/pci/devices/$1/mdev_supported_types" "$sys/bus/pci/devices/$1"/virtfn*/mdev_supported_types; do
    [ -d "$folder" ] && return 0
  done
  return 1
}
apply() {
  fresh=no
  if [ "$mig" = mig ]; then nvidia-smi -i "$gpu" -mig 1 >/dev/null || fail "$gpu refuses MIG mode"; fi
  if [ "$kind" = sriov ]; then
    has_functions "$gpu" || fresh=yes
    retry 5 make_functions "$gpu" || { fail "$gpu gets no virtual functions"; return; }
  fi
  if [ "$mixed" = mixed ]; then nvidia-smi vgpu -shm 1 -i "$gpu" >/dev/null || fail "$gpu refuses mixed sizes"; fi
  if [ "$fresh" = yes ] || nvidia-smi mig -i "$gpu" -lgi 2>/dev/null | grep -q 'No GPU instances'; then
    while read -r word at profile rest; do
      [ "$word $at" = "instance $gpu" ] || continue
      nvidia-smi mig -i "$gpu" -cgi "$profile" -C >/dev/null || fail "$gpu refuses the GPU instance $profile"
    done <"$list"
  fi
  used=
  while read -r word at name uuid rest; do
    [ "$word $at" = "vgpu $gpu" ] || continue
    if offers_devices "$gpu"; then make_device "$name" "$uuid"; else set_type "$name"; fi
  done <"$list"
}
remove() {
  while read -r word at name uuid rest; do
    [ "$word $at" = "vgpu $gpu" ] || continue
    [ ! -e "$sys/bus/mdev/devices/$uuid" ] || echo 1 >"$sys/bus/mdev/devices/$uuid/remove" || fail "$uuid is in use"
  done <"$list"
  for file in "$sys/bus/pci/devices/$gpu"/virtfn*/nvidia/current_vgpu_type; do
    [ ! -e "$file" ] || [ "$(number "$file")" = 0 ] || echo 0 >"$file" || fail "$file is in use"
  done
  [ "$failed" = 0 ] || return 0
  if [ "$kind" = sriov ] && has_functions "$gpu"; then retry 5 "$manage" -d "$gpu" || fail "$gpu keeps its functions"; fi
  if [ "$mig" = mig ]; then
    nvidia-smi mig -i "$gpu" -dci >/dev/null 2>&1
    nvidia-smi mig -i "$gpu" -dgi >/dev/null 2>&1
    nvidia-smi -i "$gpu" -mig 0 >/dev/null || fail "$gpu stays in MIG mode"
  fi
}
[ -r "$list" ] || exit 0
while read -r first gpu kind mig mixed rest; do
  [ "$first" = gpu ] || continue
  case $1 in remove) remove ;; *) apply ;; esac
done <"$list"
exit "$failed"
`;

export const vgpuUnit = unit(
  'vGPUs of this host',
  'nvidia-vgpud.service nvidia-vgpu-mgr.service',
  '/etc/vmgpu/apply-vgpus',
);

/** Makes plain virtual functions (AMD, Intel) and gives them to vfio-pci. Lines of the list: `ADDRESS COUNT`. */
export const functionsScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
list=\${VMGPU_FUNCTIONS:-/etc/vmgpu/functions}
sys=\${VMGPU_SYS:-/sys}
failed=0
fail() { echo "vmgpu: $*" >&2; failed=1; }
driven() {
  waited=0
  until [ -e "$1/driver" ]; do
    [ "$waited" -lt "\${VMGPU_WAIT:-60}" ] || return 1
    waited=$((waited + 1))
    sleep 1
  done
}
[ -r "$list" ] || exit 0
modprobe vfio-pci 2>/dev/null
while read -r gpu count rest; do
  case $gpu in '' | '#'*) continue ;; esac
  path=$sys/bus/pci/devices/$gpu
  [ "$1" = remove ] && count=0
  read -r now 2>/dev/null <"$path/sriov_numvfs" || { fail "$gpu cannot make virtual functions"; continue; }
  if [ "$now" != "$count" ]; then
    # The driver of the GPU makes the functions, and at boot it may still be starting.
    [ "$count" = 0 ] || driven "$path" || { fail "$gpu has no driver, which would make its functions"; continue; }
    [ ! -e "$path/sriov_drivers_autoprobe" ] || echo 0 >"$path/sriov_drivers_autoprobe"
    # The kernel takes another number only after 0.
    [ "$now" = 0 ] || echo 0 >"$path/sriov_numvfs" || { fail "$gpu keeps its functions"; continue; }
    [ "$count" = 0 ] || echo "$count" >"$path/sriov_numvfs" || { fail "$gpu refuses $count functions"; continue; }
  fi
  for link in "$path"/virtfn*; do
    [ -e "$link/driver_override" ] || continue
    function=$(cd -P "$link" && pwd)
    function=\${function##*/}
    echo vfio-pci >"$link/driver_override"
    if [ -e "$link/driver" ]; then
      driver=$(cd -P "$link/driver" && pwd)
      [ "\${driver##*/}" = vfio-pci ] && continue
      echo "$function" >"$link/driver/unbind"
    fi
    echo "$function" >"$sys/bus/pci/drivers_probe"
  done
done <"$list"
exit "$failed"
`;

export const functionsUnit = unit(
  'Virtual functions of this host',
  'systemd-udev-settle.service',
  '/etc/vmgpu/apply-functions',
);

function unit(description: string, after: string, script: string): string {
  return `[Unit]
Description=${description} (vmgpu)
After=${after}
Before=libvirtd.service virtqemud.service pve-guests.service kubelet.service k3s.service nova-compute.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh ${script} apply
TimeoutStartSec=300

[Install]
WantedBy=multi-user.target
`;
}

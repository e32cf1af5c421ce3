# Shared by host-image, host-up, host-down and host-ssh. Sourced, never run.
# shellcheck shell=bash

HOSTVM_HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
HOSTVM_STATE=${HOSTVM_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/gpu-hostvm}
HOSTVM_SUITE=${HOSTVM_SUITE:-bookworm}
HOSTVM_USER=${HOSTVM_USER:-hostadmin}
IMAGE_DIR=$HOSTVM_STATE/image
RUN_DIR=$HOSTVM_STATE/run
KEY=$IMAGE_DIR/id_ed25519
KNOWN_HOSTS=$IMAGE_DIR/known_hosts

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# Seconds since $1 (a value of EPOCHREALTIME), with one decimal.
since() {
  local now=${EPOCHREALTIME/[.,]/} then=${1/[.,]/}
  local ds=$(((now - then) / 100000))
  printf '%d.%d' $((ds / 10)) $((ds % 10))
}

need_root() { [ "$(id -u)" -eq 0 ] || die "must run as root (apt-get and chroot)"; }

# ensure_packages PACKAGE... : installs those that are missing.
ensure_packages() {
  local p missing=()
  for p in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^.i' || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  need_root
  say "installing: ${missing[*]}"
  if ! apt-get -qq --simulate install "${missing[@]}" >/dev/null 2>&1; then
    apt-get -qq update >&2
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=900 \
    -o Dpkg::Use-Pty=0 install "${missing[@]}" >&2 </dev/null
}

check_name() {
  [[ ${1-} =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || die "NAME must match [a-z0-9][a-z0-9-]{0,30}"
}

# Which accelerator runs a stock kernel here. /dev/kvm alone is no proof: it
# also exists where the processor offers no hardware virtualisation (KVM can be
# backed by a paravirtual module), and there a stock kernel hangs at the switch
# to long mode. HOSTVM_ACCEL=kvm|tcg overrides.
pick_accel() {
  case ${HOSTVM_ACCEL:-auto} in
    kvm | tcg) printf '%s' "$HOSTVM_ACCEL" ;;
    auto)
      if [ -r /dev/kvm ] && [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
        printf kvm
      else
        printf tcg
      fi
      ;;
    *) die "HOSTVM_ACCEL must be auto, kvm or tcg" ;;
  esac
}

# A TCP port on 127.0.0.1 that is free now.
free_port() {
  python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# True while the process recorded in FILE is alive and is QEMU.
vm_alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] &&
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q qemu-system
}

ssh_options() { # PORT
  printf '%s\n' -q -p "$1" -i "$KEY" -o IdentitiesOnly=yes -o IdentityAgent=none \
    -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null \
    -o HostKeyAlias=gpu-hostvm -o StrictHostKeyChecking=yes -o BatchMode=yes \
    -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -F /dev/null
}

vm_ssh() { # PORT USER COMMAND...
  local port=$1 user=$2 opts
  shift 2
  mapfile -t opts < <(ssh_options "$port")
  ssh "${opts[@]}" "$user@127.0.0.1" "$@"
}

# A command that ends the connection, such as a reboot: started in the
# background, because a machine that goes down may never close it.
detached() { printf '(sleep 0.5; %s) </dev/null >/dev/null 2>&1 &' "$1"; }

# wait_ssh PORT PIDFILE SECONDS : until root can log in.
wait_ssh() {
  local deadline=$((SECONDS + $3))
  until vm_ssh "$1" root true </dev/null >/dev/null 2>&1; do
    vm_alive "$2" || return 2
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.5
  done
}

# qmp SOCKET COMMAND : one QMP command without arguments, its reply is dropped.
qmp() {
  python3 - "$1" "$2" <<'PY'
import json, os, socket, sys
os.chdir(os.path.dirname(sys.argv[1]))          # unix socket paths are short
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(os.path.basename(sys.argv[1]))
f = s.makefile("rw")
f.readline()
for c in ("qmp_capabilities", sys.argv[2]):
    f.write(json.dumps({"execute": c}) + "\n")
    f.flush()
    while True:
        line = f.readline()
        if not line or "return" in json.loads(line) or "error" in json.loads(line):
            break
PY
}

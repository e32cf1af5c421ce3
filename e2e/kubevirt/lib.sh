# Shared by api-up and api-down. Sourced, never run.
# shellcheck shell=bash

STATE=${VMGPU_KUBE_API_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/vmgpu-kube-api}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# Whether the server of the pid file runs (and not another program that got its number).
alive() {
  local pid
  pid=$(cat "$STATE/pid" 2>/dev/null) && [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$STATE/server" ]
}

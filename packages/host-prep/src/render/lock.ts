/**
 * Words of a POSIX sh program for one vmgpu at a time on a host: `lock FOLDER` ends the program when another one is at work,
 * and says who. They need `say`, and work under `set -eu` as well as without.
 *
 * With `flock` the kernel keeps the lock, also for what a killed run has left behind. Without it (busybox may have none) the
 * holder is the last of numbered links, made by symlink(2), which is atomic, as long as the process that its text names lives in this
 * boot. A link goes only after a later one has come, so that no two can take over from the same dead holder.
 */
export const lockWords = `# started PID: when it began, in ticks since the boot: a number that is used again is another process (proc_pid_stat(5)).
started() {
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  set -- \${stat##*) }
  printf %s "\${20:-}"
}
this_boot() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown; }
held_by() {
  set -- $1
  say "another vmgpu is at work on this host\${5:+: process $1 of $4, since $5}"
  exit 1
}
# lives PID TICKS BOOT ...
lives() { [ "\${3:-}" = "$(this_boot)" ] && [ "\${2:-}" = "$(started "\${1:-0}")" ]; }
last_link() {
  last=0
  for link in "$1"/lock.[0-9]*; do
    [ ! -L "$link" ] || [ "\${link##*.}" -le "$last" ] || last=\${link##*.}
  done
}
lock() {
  mkdir -p "$1" || exit 1
  me="$$ $(started $$) $(this_boot) \${SUDO_USER:-$(id -un)} $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  if command -v flock >/dev/null; then
    exec 9>>"$1/lock" || exit 1
    flock -n 9 || held_by "$(cat "$1/lock")"
    # Of a full disk cat tells why, a shell's own printf may not.
    printf '%s\\n' "$me" | cat >"$1/lock" || exit 1
    return 0
  fi
  while :; do
    last_link "$1"
    holder=$(readlink "$1/lock.$last") || holder=
    if lives $holder; then held_by "$holder"; fi
    mine=$((last + 1))
    if ! ln -s "$me" "$1/lock.$mine"; then
      [ -L "$1/lock.$mine" ] || exit 1
      continue
    fi
    last_link "$1"
    [ "$last" -gt "$mine" ] || break
  done
  for link in "$1"/lock.[0-9]*; do
    [ "\${link##*.}" -ge "$mine" ] || rm -f "$link"
  done
}
`;

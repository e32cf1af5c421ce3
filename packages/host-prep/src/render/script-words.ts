import { lockWords } from './lock.ts';

/** What every script begins with: the few words that its steps are written in. */
export const scriptWords = `set -eu
PATH=$PATH:/usr/sbin:/sbin
# VMGPU_ROOT: another root to write files under; commands are then only told.
root=\${VMGPU_ROOT:-}
state=$root/var/lib/vmgpu/script
say() { printf '%s\\n' "vmgpu: $*" >&2; }
stop() { say "$*"; exit 1; }
# For programs that run this script: which step is at work (VMGPU_EVENTS=1).
event() { [ -z "\${VMGPU_EVENTS:-}" ] || printf '%s\\n' "vmgpu-$*" >&2; }
new=
trap '[ -z "$new" ] || rm -f "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
${lockWords}# What a power cut must not take.
flush() { sync "$1" 2>/dev/null || sync; }
run() {
  if [ -n "$root" ]; then say "would run: $*"; else say "run: $*"; "$@"; fi
}
# remake FILE COMMAND...: grub-mkconfig (2.06) empties the file of its -o before it fills it: a power cut between the two
# would leave a host without a boot menu. So it makes another file, which then takes that place.
remake() {
  menu=$(readlink -f "$1") && [ -e "$menu" ] && [ -z "$root" ] || { shift; run "$@"; return; }
  shift
  new=$menu.vmgpu-new
  cp -p "$menu" "$new"
  run "$@" -o "$new"
  replace "$new" "$menu"
}
holds() { [ -z "$root" ] && "$@" >/dev/null 2>&1; }
# Whole content, with the ends of lines at its end.
content() { cat "$1"; echo .; }
name() { printf %s "$1" | tr / %; }
# keep PATH: what was there before us, once.
keep() {
  [ ! -e "$state/$(name "$1")" ] && [ ! -e "$state/$(name "$1").absent" ] || return 0
  mkdir -p "$state"
  if [ -e "$root$1" ]; then
    copy "$root$1" "$state/$(name "$1")"
  else
    : >"$state/$(name "$1").absent"
  fi
  flush "$state"
}
# copy FILE COPY: whole, or not at all.
copy() { cp -p "$1" "$state/new" && flush "$state/new" && mv -f "$state/new" "$2"; }
# On disk before the first file changes: /var may be another file system than /etc.
pending() {
  [ ! -e "$state/pending" ] || return 0
  mkdir -p "$state"
  : >"$state/pending"
  flush "$state"
}
replace() {
  pending
  flush "$1"
  mv -f "$1" "$2"
  new=
}
# put PATH MODE <CONTENT: a file of ours.
put() {
  mkdir -p "$(dirname "$root$1")"
  new=$(dirname "$root$1")/.vmgpu-new
  cat >"$new"
  chmod "$2" "$new"
  if [ -e "$root$1" ]; then
    if [ "$(content "$new")" = "$(content "$root$1")" ]; then chmod "$2" "$root$1"; rm -f "$new"; new=; return; fi
    head -n 3 "$root$1" | grep -q 'Made by vmgpu' || { rm -f "$new"; stop "$1 is not a file of vmgpu, left alone"; }
  fi
  keep "$1"
  say "write $1"
  replace "$new" "$root$1"
}
# expect PATH <CONTENT: what a foreign file must say before it is edited or restored.
expect() { expected=$(cat); }
# edit PATH BACKUP <CONTENT
edit() {
  target=$(readlink -f "$root$1") || stop "$1 is not there"
  wanted=$(cat; echo .)
  [ "$wanted" != "$(content "$target")" ] || return 0
  now=$(cat "$target")
  [ "$now" = "$expected" ] || [ "$now" = "\${wanted%?}" ] || [ "$now
." = "$wanted" ] || stop "$1 is not what it was when the plan was made, left alone"
  [ "$now
." != "$wanted" ] || return 0
  keep "$1"
  if [ ! -e "$root$2" ]; then mkdir -p "$(dirname "$root$2")"; copy "$target" "$root$2"; fi
  say "edit $1"
  new=$target.vmgpu-new
  cp -p "$target" "$new"
  # Of a full disk cat tells why, a shell's own printf may not.
  printf %s "\${wanted%?}" | cat >"$new"
  replace "$new" "$target"
}
drop() {
  [ -e "$root$1" ] || return 0
  keep "$1"
  say "remove $1"
  pending
  rm -f "$root$1"
  flush "$(dirname "$root$1")"
}
# put_back COPY FILE: a copy in the place of a file, whole or not at all; then on disk, for the copy to go.
put_back() {
  mkdir -p "$(dirname "$2")"
  new=$2.vmgpu-new
  cp -p "$1" "$new"
  replace "$new" "$2"
  flush "$(dirname "$2")"
}
# restore PATH BACKUP <ORIGINAL: the backup in the place of a foreign file that was edited; expect comes before.
restore() {
  target=$(readlink -f "$root$1") || stop "$1 is not there"
  original=$(cat)
  now=$(cat "$target")
  [ "$now" = "$original" ] || [ "$now" = "$expected" ] ||
    stop "$1 is not what it was when the plan was made, left alone"
  if [ -e "$root$2" ]; then
    [ "$(cat "$root$2")" = "$original" ] || stop "$2 is not what it was when the plan was made, left alone"
    if [ "$(content "$target")" != "$(content "$root$2")" ]; then
      say "restore $1"
      put_back "$root$2" "$target"
    fi
    rm -f "$root$2"
  else
    [ "$now" = "$original" ] || stop "$2, the original of $1, is not there; $1 is left alone"
  fi
}
# back PATH: what was there before us.
back() {
  if [ -e "$state/$(name "$1").absent" ]; then
    drop "$1"
    rm -f "$state/$(name "$1").absent"
  elif [ -e "$state/$(name "$1")" ]; then
    say "restore $1"
    put_back "$state/$(name "$1")" "$(readlink -f "$root$1" || printf %s "$root$1")"
    rm -f "$state/$(name "$1")"
  fi
}
# What was there before us is there again: nothing is kept any more.
forget() { rm -f "$state"/%*; }
write() {
  if [ -n "$root" ]; then say "would write $2 to $1"; else printf '%s\\n' "$2" >"$1"; fi
}
reads() {
  [ -z "$root" ] && [ -e "$1" ] || return 1
  if [ -d "$1" ]; then [ "$(basename "$(readlink -f "$1")")" = "$2" ]; else [ "$(cat "$1")" = "$2" ]; fi
}
service() {
  run systemctl daemon-reload
  case $1 in
    enable) run systemctl enable --now "$2" ;;
    restart) run systemctl enable "$2" && run systemctl restart "$2" ;;
    disable) run systemctl disable --now "$2" ;;
  esac
}
# entry_of FILE..., entry_from COMMAND...: the boot entry that counts.
entry_of() {
  entry=
  for file; do
    [ -z "$entry" ] && [ -r "$file" ] || continue
    entry=$(grep -E '^[[:space:]]*(linux|linux16|linuxefi|options)[[:space:]].*(=|[[:space:]]ro)' "$file" | head -n 1) || :
  done
}
entry_from() {
  entry=
  [ -n "$root" ] || entry=$("$@" | sed -n 's/^args=//p' | sed 's/^"\\(.*\\)"$/\\1/' | head -n 1)
}
# entry_has UNREAD +WORD -WORD...: UNREAD is what to do without an entry, stop or go-on.
entry_has() {
  if [ -z "$entry" ]; then
    [ -z "$root" ] && [ "$1" = stop ] || { say 'no boot entry could be read; it is not compared'; return 0; }
    stop 'no boot entry could be read, so none is compared; not rebooting'
  fi
  shift
  for word; do
    case " $(printf %s "$entry" | tr '\\t' ' ') " in
      *" \${word#?} "*) [ "\${word%"\${word#?}"}" = + ] || stop "the boot entry still has \${word#?}; not rebooting" ;;
      *) [ "\${word%"\${word#?}"}" = - ] || stop "the boot entry lacks \${word#?}; not rebooting" ;;
    esac
  done
}
boot_id() { cat /proc/sys/kernel/random/boot_id; }
# What follows must run in a new boot if anything was changed in this one.
after_reboot() {
  [ -z "$root" ] || { rm -f "$state/pending"; return 0; }
  if [ -e "$state/pending" ]; then boot_id >"$state/boot-id"; rm -f "$state/pending"; fi
  [ -e "$state/boot-id" ] || return 0
  if [ "$(cat "$state/boot-id")" != "$(boot_id)" ]; then rm -f "$state/boot-id"; return 0; fi
  event reboot
  if [ "$reboot" = yes ]; then run systemctl reboot; else say 'Reboot the host, then run this script again.'; fi
  exit 0
}
reboot=no
`;

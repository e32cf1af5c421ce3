import { shellCommand, shellQuote } from '@vmgpu/core';
import { lockWords } from '../render/lock.ts';

/** What one run is about, checked and filled in. */
export interface ManagedFilesJob {
  /** Folder that all runs on this host share. */
  readonly stateDirectory: string;
  /** Of the set of files, as a file name. */
  readonly name: string;
  /** Of the set and its contents: tells one change of the set from the next. */
  readonly key: string;
  readonly files: readonly { readonly path: string; readonly content: string; readonly mode: string }[];
  readonly services: readonly ServiceCommands[];
  readonly settleSeconds: number;
  readonly startSeconds: number;
  readonly restartSeconds: number;
}

/** Programs with their arguments; without `status` the exit status of `restart` decides. */
export interface ServiceCommands {
  readonly name: string;
  readonly restart: readonly string[];
  readonly status?: readonly string[];
  readonly log?: readonly string[];
}

/** Exit statuses of the script besides 0, and 1 for what a shell says itself. */
export const managedFilesStatus = { takenBack: 3, downAfterAll: 4, downAsBefore: 5 } as const;

/**
 * What is the same for every set. The copies of what was there lie in `open` from before the first change until the services
 * are seen to run, and under the change's key after that: so a run that was stopped anywhere tells the next one how far it was.
 */
const words = `set -u
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export LC_ALL
umask 022
# Whoever listened may be gone: what was begun is brought to its end, back or forth.
trap '' PIPE HUP
trap 'exit 143' TERM
trap 'exit 130' INT
say() { printf '%s\\n' "vmgpu: $*" >&2 || :; }
tell() { printf '%s\\n' "$*" || :; }
stop() { say "$*"; exit 1; }
${lockWords}flush() { sync "$1" 2>/dev/null || sync; }
begin_lock() {
  mkdir -p "$set" && chmod 700 "$state" || exit 1
  lock "$state"
}
# What a link leads to is written, the link stays.
real() { if [ -L "$1" ]; then readlink -f "$1"; else printf %s "$1"; fi; }
label() { ! command -v restorecon >/dev/null || restorecon "$1" 2>/dev/null || :; }
same() { [ -f "$2" ] && wanted "$1" | cmp -s - "$2"; }
# keep N PATH: a copy of what is there now, and of what shall be.
keep() {
  wanted "$1" | cat >"$set/new/$1.after" || return 1
  if [ -e "$2" ]; then
    [ -f "$2" ] || { say "$2 is not a file"; return 1; }
    cp -p "$2" "$set/new/$1.before" || return 1
  else
    : >"$set/new/$1.absent" || return 1
    [ -e "\${2%/*}" ] || printf '%s\\n' "\${2%/*}" >"$set/new/$1.made" || return 1
  fi
  printf '%s\\n' "$2" >"$set/new/$1.path"
}
# stage N PATH MODE: the new file beside the old one, with its mode and owner.
stage() {
  ! same "$1" "$2" || return 0
  target=$(real "$2")
  mkdir -p "\${target%/*}" || return 1
  if [ -e "$target" ]; then
    cp -p "$target" "$target.vmgpu-new" || return 1
  else
    : >"$target.vmgpu-new" && chmod "$3" "$target.vmgpu-new" || return 1
  fi
  # Of a full disk cat tells why, a shell's own printf may not.
  wanted "$1" | cat >"$target.vmgpu-new" && flush "$target.vmgpu-new"
}
unstage() { rm -f "$(real "$2").vmgpu-new" || :; }
tidy() {
  each_file unstage
  rm -rf "$set/new"
}
# in_operation PATH: marks of all changes whose services have read this file as it is.
in_operation() {
  for other in "$state"/*/*/*.path; do
    mark=\${other%/*}/done
    [ -e "$mark" ] && [ "$(cat "$other")" = "$1" ] && [ ! "$1" -nt "$mark" ] && printf '%s\\n' "$mark"
  done
}
# change N PATH
change() {
  ! same "$1" "$2" || return 0
  target=$(real "$2")
  say "write $2"
  if [ -e "$target" ]; then in_operation "$2"; fi >"$set/marks"
  mv -f "$target.vmgpu-new" "$target" && flush "\${target%/*}" && label "$target" && tell "changed $1" || return 1
  # What others have put into operation is still in the file.
  while IFS= read -r mark; do touch "$mark"; done <"$set/marks"
}
# ours N PATH: as it was before, or as it was written then.
ours() {
  cmp -s "$kept/$1.after" "$2" && return 0
  if [ -e "$kept/$1.absent" ]; then [ ! -e "$2" ]; else cmp -s "$kept/$1.before" "$2"; fi && return 0
  say "$2 is neither what it was before nor what vmgpu wrote, left alone"
  return 1
}
# drop FOLDER: as a whole; half of one could not be told from a whole one.
drop() {
  rm -rf "$set/gone"
  [ ! -e "$1" ] || mv "$1" "$set/gone" && rm -rf "$set/gone"
}
# forget PATH: whoever has put it into operation as it is has to do so again.
forget() {
  for other in "$state"/*/*/*.path; do
    [ -e "$other" ] && [ "$(cat "$other")" = "$1" ] && rm -f "\${other%/*}/done"
  done
}
# Brings back what lies in open, from whatever set it is.
restore() {
  for noted in "$set"/open/*.path; do
    [ -e "$noted" ] || continue
    path=$(cat "$noted") || return 1
    target=$(real "$path")
    copy=\${noted%.path}.before
    if [ -e "$copy" ]; then
      cmp -s "$copy" "$target" && continue
      forget "$path"
      say "restore $path"
      cp -p "$copy" "$target.vmgpu-new" && flush "$target.vmgpu-new" || return 1
      mv -f "$target.vmgpu-new" "$target" && flush "\${target%/*}" || return 1
      label "$target"
    else
      [ -e "\${noted%.path}.absent" ] && [ -e "$target" ] || continue
      forget "$path"
      say "remove $path"
      rm -f "$target" || return 1
      [ ! -e "\${noted%.path}.made" ] || rmdir "$(cat "\${noted%.path}.made")" 2>/dev/null || :
    fi
    tell "restored $path"
  done
}
# The daemons that a restart starts must not hold our lock, our input or our listener.
restart_one() {
  say "restart $2"
  failed=$1 why=restart
  restart "$1" </dev/null >"$set/said" 2>&1 9>&- || return 1
  tell "restarted $1"
}
look() {
  instance=$(status "$1" </dev/null 2>/dev/null 9>&-)
  case $? in
    0) ;;
    75) waiting=$1 ;;
    *) failed=$1 why=down; return 1 ;;
  esac
  [ -n "$instance" ] || return 0
  if [ ! -e "$set/instance.$1" ]; then
    printf %s "$instance" >"$set/instance.$1"
  elif [ "$instance" != "$(cat "$set/instance.$1")" ]; then
    failed=$1 why=again
    return 1
  fi
}
# Up, and still the same instance after a while.
settle() {
  good=0 tries=0
  while :; do
    waiting=
    each_service look || return 1
    if [ -n "$waiting" ]; then
      good=0 tries=$((tries + 1))
      [ "$tries" -le $((start_seconds * 2)) ] || { failed=$waiting why=slow; return 1; }
    else
      [ "$good" -lt $((settle_seconds * 2)) ] || return 0
      good=$((good + 1))
    fi
    sleep 0.5 2>/dev/null || sleep 1
  done
}
services_up() {
  rm -f "$set"/instance.* "$set/said" "$set/marks"
  each_service restart_one && settle
}
is_up() { status "$1" </dev/null >/dev/null 2>&1 9>&-; }
account() {
  tell "failed $failed $why"
  { log "$failed" </dev/null 2>&1 9>&-; cat "$set/said" 2>/dev/null; } | tail -n 30 | cut -c 1-500 | sed 's/^/| /' || :
}
is_done() { same "$1" "$2" && [ ! "$2" -nt "$set/$key/done" ]; }
begin() {
  rm -rf "$set/new"
  mkdir "$set/new" && printf '%s\\n' "$key" >"$set/new/key" || exit 1
  each_file keep && each_file stage || exit 1
  flush "$set/new"
  say 'the earlier files are kept'
  mv "$set/new" "$set/open" && flush "$set" || exit 1
}
is_open() { [ "$(cat "$set/open/key" 2>/dev/null)" = "$key" ]; }
apply() {
  begin_lock
  trap tidy EXIT
  if [ -e "$set/open" ] && ! is_open; then
    say 'an earlier change was stopped in the middle; it is taken back first'
    restore || exit 1
    drop "$set/open"
  fi
  if is_open; then
    kept=$set/open
    each_file ours && each_file stage || exit 1
  elif [ -e "$set/$key" ] && each_file same; then
    # In place since an earlier run; what it keeps is the way back, and stays.
    if [ -e "$set/$key/done" ] && each_file is_done && each_service is_up; then
      tell unchanged
      exit 0
    fi
    services_up || { account; exit ${managedFilesStatus.downAsBefore}; }
    : >"$set/$key/done"
    exit
  else
    begin
  fi
  each_file change || { restore; exit 1; }
  if services_up; then
    : >"$set/open/done" && drop "$set/$key" && mv "$set/open" "$set/$key" && flush "$set" || exit 1
    say 'it runs'
    exit 0
  fi
  account
  say 'it does not run; the earlier files come back'
  restore || stop 'the earlier files could not be brought back'
  if services_up; then
    drop "$set/open"
    exit ${managedFilesStatus.takenBack}
  fi
  account
  exit ${managedFilesStatus.downAfterAll}
}
undo() {
  begin_lock
  trap tidy EXIT
  if [ -e "$set/open" ]; then
    is_open || stop 'another change of these files was stopped in the middle; end that one first'
    kept=$set/open
  elif [ -e "$set/$key" ]; then
    kept=$set/$key
  else
    ! each_file same || stop 'what was there before is not kept any more, left alone'
    tell unchanged
    exit 0
  fi
  each_file ours || exit 1
  if ! is_open; then
    rm -f "$kept/done"
    mv "$kept" "$set/open" && flush "$set" || exit 1
  fi
  restore || exit 1
  services_up || { account; exit ${managedFilesStatus.downAfterAll}; }
  drop "$set/open"
  say 'taken back'
}
`;

/** A POSIX sh program that carries the job out (`apply`) or takes it back (`undo`). Nothing happens before its last line has arrived. */
export function managedFilesScript(job: ManagedFilesJob): string {
  const { files, services, restartSeconds } = job;
  const limited = (argv: readonly string[]) => shellCommand(['timeout', String(restartSeconds), ...argv]);
  return [
    words,
    `state=${shellQuote(job.stateDirectory)}`,
    `set=$state/${shellQuote(job.name)}`,
    `key=${shellQuote(job.key)}`,
    `settle_seconds=${job.settleSeconds}`,
    `start_seconds=${job.startSeconds}`,
    choice(
      'wanted',
      files.map(({ content }) => `printf %s ${shellQuote(content)}`),
    ),
    choice(
      'restart',
      services.map(({ restart }) => limited(restart)),
    ),
    choice(
      'status',
      services.map(({ status }) => (status === undefined ? ':' : limited(status))),
    ),
    choice(
      'log',
      services.map(({ log }) => (log === undefined ? ':' : limited(log))),
    ),
    each(
      'each_file',
      files.map(({ path, mode }, index) => `${index} ${shellQuote(path)} ${mode}`),
    ),
    each(
      'each_service',
      services.map(({ name }, index) => `${index} ${shellQuote(name)}`),
    ),
    'case $1 in apply) apply ;; undo) undo ;; esac',
    '',
  ].join('\n');
}

/** A function that does what its first argument, a number, says. */
function choice(name: string, commands: readonly string[]): string {
  const cases = commands.map((command, index) => `${index}) ${command} ;;`);
  return `${name}() {\ncase $1 in\n${cases.join('\n')}\nesac\n}`;
}

/** A function that calls its first argument with each of these, as long as it succeeds. */
function each(name: string, calls: readonly string[]): string {
  return `${name}() {\n${calls.map((call) => `"$1" ${call} &&\n`).join('')}:\n}`;
}

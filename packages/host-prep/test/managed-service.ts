import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManagedFiles, ManagedFilesOptions, ManagedService } from '../src/exec/index.ts';

/** A daemon that reads its configuration once, and does what is written there. */
const daemon = `#!/bin/sh
cat "$1"/etc/*.conf >"$1/read" 2>/dev/null
case $(sed -n 's/^mode = //p' "$1/read" | tail -n 1) in
  crash) echo "ConfigInvalid: cannot be read: $(tail -n 1 "$1/read")"; exit 1 ;;
  later) touch "$1/ready"; sleep 0.7; echo 'RuntimeError: gave up after a while'; exit 1 ;;
  slow) while [ ! -e "$1/go" ] && [ -e "$1/daemon" ]; do sleep 0.05; done ;;
esac
touch "$1/ready"
exec sleep 600
`;

/** What stands in for systemd: one unit, started anew when it dies if `loop` is there. */
const manager = `#!/bin/sh
# svc DIRECTORY restart | status | log
cd "$1" || exit 1
lives() { grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$(cat pid)/status"; }
case $2 in
  restart)
    exec 8>svc.lock && flock 8
    echo restart >>restarts
    [ ! -e refuse ] || { echo 'Failed to restart: Unit is masked.'; exit 1; }
    [ ! -e pid ] || kill -KILL "-$(cat pid)" 2>/dev/null
    rm -f ready pid; : >log
    setsid sh -c 'echo $$ >new.pid; mv new.pid pid; while :; do ./daemon "$PWD" >>log 2>&1; [ -e loop ] || exit; echo again >>starts; done' 8>&- &
    tries=0
    while [ "$tries" -lt 40 ] && [ ! -e ready ] && { [ ! -e pid ] || lives; }; do sleep 0.01; tries=$((tries + 1)); done
    ;;
  status)
    cat starts pid 2>/dev/null
    lives || exit 1
    [ -e ready ] || exit 75
    ;;
  log) cat log 2>/dev/null ;;
esac
`;

/** A folder with configuration and a service that really runs. */
export function managedService(parent = tmpdir()) {
  const root = mkdtempSync(join(parent, 'vmgpu-files-'));
  mkdirSync(join(root, 'etc'));
  for (const [name, text] of [
    ['daemon', daemon],
    ['svc', manager],
  ] as const) {
    writeFileSync(join(root, name), text);
    chmodSync(join(root, name), 0o755);
  }
  const svc = (what: string) => [join(root, 'svc'), root, what];
  const service: ManagedService = {
    name: 'nova-compute',
    restart: svc('restart'),
    status: svc('status'),
    log: svc('log'),
  };
  const read = (name: string) =>
    existsSync(join(root, name)) ? readFileSync(join(root, name), 'utf8') : undefined;
  return {
    root,
    service,
    options: { stateDirectory: join(root, 'state'), settleSeconds: 0 } satisfies ManagedFilesOptions,
    path: (name: string) => join(root, 'etc', name),
    write: (name: string, text: string) => writeFileSync(join(root, 'etc', name), text),
    set: (files: Readonly<Record<string, string>>): ManagedFiles => ({
      name: 'config/nova-compute',
      files: Object.entries(files).map(([name, content]) => ({ path: join(root, 'etc', name), content })),
      services: [service],
    }),
    /** Everything below etc: name to mode and text. */
    files: () =>
      Object.fromEntries(
        readdirSync(join(root, 'etc'), { recursive: true, encoding: 'utf8' })
          .sort()
          .filter((name) => statSync(join(root, 'etc', name)).isFile())
          .map((name) => [
            name,
            `${(statSync(join(root, 'etc', name)).mode & 0o777).toString(8)} ${read(join('etc', name))}`,
          ]),
      ),
    /** The configuration that the running daemon has read. */
    running: () => (spawnSync(join(root, 'svc'), [root, 'status']).status === 1 ? undefined : read('read')),
    restarts: () => read('restarts')?.split('\n').filter(Boolean).length ?? 0,
    flag: (name: 'refuse' | 'loop' | 'go', on = true) =>
      on ? writeFileSync(join(root, name), '') : rmSync(join(root, name), { force: true }),
    start: () => execFileSync(join(root, 'svc'), [root, 'restart'], { stdio: 'ignore' }),
    end() {
      rmSync(join(root, 'loop'), { force: true });
      const pid = Number(read('pid') ?? 0);
      if (pid > 1) {
        try {
          process.kill(-pid, 'SIGKILL');
        } catch {
          // It has ended.
        }
      }
      rmSync(root, { recursive: true, force: true });
    },
  };
}

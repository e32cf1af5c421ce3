import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ssh2, { type Connection } from 'ssh2';

/**
 * An SSH server in this process whose host is a folder: commands run in a real `sh` with `VMGPU_ROOT` set to it. It models
 * a boot id, a capture and reboots; sudo is a stand-in that behaves as sudo 1.9 does with -n, -S, -k and -p.
 */
export interface SshHost {
  readonly port: number;
  readonly root: string;
  readonly commands: string[];
  readonly connections: () => number;
  /** Drops all connections, as a reboot or a broken line does. */
  drop(): void;
  /** What a capture of it says. */
  capture: string;
  bootId: string;
  onReboot: () => void;
  readonly file: (path: string) => string | undefined;
  readonly files: () => Record<string, string>;
  close(): Promise<void>;
}

export interface SshHostOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly hostKey?: string;
  /** Name that `uname -n` gives. */
  readonly name?: string;
  /** Password that sudo asks for; undefined: it asks for none. */
  readonly sudoPassword?: string;
  readonly programs?: Readonly<Record<string, string>>;
}

export const newKey = (): { private: string; public: string } => ssh2.utils.generateKeyPairSync('ed25519');
const serverKey = newKey();
export const userKey = newKey();
export const loginPassword = 'log-in secret';

/** The host key's line for known_hosts, and its bytes. */
export function knownHostsLine(port: number, key: string = serverKey.public): string {
  return `[127.0.0.1]:${port} ${key.split(' ').slice(0, 2).join(' ')}\n`;
}
export const serverKeyText: string = serverKey.public.split(' ')[1] ?? '';

export async function startSshHost(options: SshHostOptions = {}): Promise<SshHost> {
  const root = mkdtempSync(join(tmpdir(), 'vmgpu-ssh-'));
  const bin = mkdtempSync(join(tmpdir(), 'vmgpu-bin-'));
  for (const [path, text] of Object.entries(options.files ?? {})) put(join(root, path), text);
  const programs = {
    uname: `[ "$1" = -n ] && echo ${options.name ?? 'gpu01'} || exec /bin/uname "$@"`,
    sudo: sudoStandIn(options.sudoPassword),
    ...options.programs,
  };
  for (const [name, text] of Object.entries(programs)) put(join(bin, name), `#!/bin/sh\n${text}\n`, 0o755);
  const open = new Set<Connection>();
  const commands: string[] = [];
  let count = 0;
  const server = new ssh2.Server({ hostKeys: [options.hostKey ?? serverKey.private] }, (connection) => {
    count += 1;
    open.add(connection);
    connection.on('close', () => open.delete(connection));
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      const ours = ssh2.utils.parseKey(userKey.public);
      if (context.method === 'publickey' && !(ours instanceof Error)) {
        if (context.key.data.equals(ours.getPublicSSH())) return context.accept();
      }
      if (context.method === 'password' && context.password === loginPassword) return context.accept();
      return context.reject(['publickey', 'password']);
    });
    connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
      void import('node:net').then(({ connect }) => {
        const socket = connect(destPort, destIP, () => {
          const stream = accept();
          socket.pipe(stream).pipe(socket);
          stream.on('error', () => socket.destroy());
        });
        socket.on('error', () => reject?.());
      });
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        commands.push(command);
        const channel = acceptExec();
        const answer = (text: string) => {
          channel.write(text);
          channel.exit(0);
          channel.end();
        };
        if (command === 'sh -s') return answer(host.capture);
        if (command.startsWith('cat /proc/sys/kernel/random/boot_id')) return answer(`${host.bootId}\n`);
        if (command.includes('systemctl reboot')) {
          answer('');
          setTimeout(() => {
            host.onReboot();
            host.drop();
          }, 20);
          return;
        }
        const child = spawn('sh', ['-c', command], {
          env: { PATH: `${bin}:${process.env.PATH}`, VMGPU_ROOT: root },
          detached: true,
        });
        channel.pipe(child.stdin).on('error', () => undefined);
        child.stdout.on('data', (chunk) => channel.write(chunk));
        child.stderr.on('data', (chunk) => channel.stderr.write(chunk));
        channel.on('close', () => {
          try {
            process.kill(-(child.pid as number), 'SIGKILL');
          } catch {
            // It has ended.
          }
        });
        child.on('close', (status, signal) => {
          if (signal) channel.exit(signal.replace('SIG', ''));
          else channel.exit(status ?? 1);
          channel.end();
        });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host: SshHost = {
    port: (server.address() as AddressInfo).port,
    root,
    commands,
    connections: () => count,
    drop() {
      for (const connection of open) connection.end();
    },
    capture: '',
    bootId: 'boot-1',
    onReboot() {
      host.bootId = 'boot-2';
    },
    // While a program is at work on the host, other files come and go.
    file: (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined),
    files: () => filesIn(root),
    async close() {
      host.drop();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      for (const folder of [root, bin]) rmSync(folder, { recursive: true, force: true });
    },
  };
  return host;
}

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
}

/** Files of the host, without those that vmgpu keeps for itself. */
function filesIn(root: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .sort()
      .filter((path) => !path.startsWith('var/lib/vmgpu') && statSync(join(root, path)).isFile())
      .map((path) => [`/${path}`, readFileSync(join(root, path), 'utf8')]),
  );
}

function sudoStandIn(password: string | undefined): string {
  return `
ask=no prompt='[sudo] '
while [ $# -gt 0 ]; do
  case $1 in
    -n) ask=never ;;
    -S) [ "$ask" = never ] || ask=yes ;;
    -k) ;;
    -p) prompt=$2; shift ;;
    --) shift; break ;;
  esac
  shift
done
${
  password === undefined
    ? ''
    : `
[ "$ask" = yes ] || { echo 'sudo: a password is required' >&2; exit 1; }
for try in 1 2 3; do
  printf %s "$prompt" >&2
  IFS= read -r word || { echo 'sudo: no password was provided' >&2; exit 1; }
  [ "$word" != '${password}' ] || { IS_ROOT=1 exec "$@"; }
  echo 'Sorry, try again.' >&2
done
echo 'sudo: 3 incorrect password attempts' >&2
exit 1`
}
exec "$@"`;
}

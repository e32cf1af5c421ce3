import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '@vmgpu/core';
import { captureScript } from '@vmgpu/host-prep/capture';
import { captureHost, onHosts } from '@vmgpu/host-prep/exec';
import { createSshPort, fingerprintOf } from '@vmgpu/host-prep/ssh';

// Reading many hosts, and writing one file on each: vmgpu beside plain ssh (the floor) and Ansible, in one run. A real sshd
// listens on as many loopback ports as there are hosts. How to run it: bench/README.md. Root; ANSIBLE=... names ansible-playbook.

const count = Number(process.argv[2] ?? 50);
const atOnce = 8;
const folder = mkdtempSync(join(tmpdir(), 'vmgpu-fleet-'));
const file = (name: string) => join(folder, name);
const keygen = (name: string) =>
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)]);
keygen('host');
keygen('user');
const first = 22_000;
const ports = Array.from({ length: count }, (_, index) => first + index);
const settings = `ListenAddress 127.0.0.1
HostKey ${file('host')}
AuthorizedKeysFile ${file('user.pub')}
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
MaxStartups 200
`;
mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
/** One daemon listens on no more than 16 sockets (OpenSSH 9.2, sshd.c, MAX_LISTEN_SOCKS). */
const daemons = Array.from({ length: Math.ceil(count / 10) }, (_, index) => {
  const own = ports.slice(index * 10, (index + 1) * 10).map((port) => `Port ${port}\n`);
  writeFileSync(file(`sshd-${index}`), own.join('') + settings);
  return spawn('/usr/sbin/sshd', ['-D', '-f', file(`sshd-${index}`)], { stdio: 'ignore' });
});
const hostKey = Buffer.from(readFileSync(file('host.pub'), 'utf8').split(' ')[1] ?? '', 'base64');
const known = readFileSync(file('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
writeFileSync(file('known_hosts'), ports.map((port) => `[127.0.0.1]:${port} ${known}\n`).join(''));
writeFileSync(file('capture.sh'), captureScript);
writeFileSync(file('motd'), 'prepared\n');

async function listening(): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (daemons.some(({ exitCode }) => exitCode !== null)) break;
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(ports.at(-1) ?? first, '127.0.0.1', () => resolve(true)).on('error', () =>
        resolve(false),
      );
      socket.on('close', () => undefined).unref();
      setTimeout(() => socket.destroy(), 50);
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`sshd does not listen on ports ${first} to ${first + count - 1}`);
}

/** Plain ssh, `atOnce` at a time. */
function plainSsh(command: string, stdin: string): number {
  const ssh = `ssh -F none -i ${file('user')} -o UserKnownHostsFile=${file('known_hosts')} -o IdentitiesOnly=yes -p {} root@127.0.0.1 '${command}' <${stdin} >${folder}/out-{}`;
  return timed('sh', ['-c', `printf '%s\\n' ${ports.join(' ')} | xargs -P ${atOnce} -I{} sh -c "${ssh}"`]);
}

/** Seconds that a program takes. */
function timed(program: string, words: readonly string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(program, words, {
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, ANSIBLE_HOST_KEY_CHECKING: 'True', ANSIBLE_FORKS: String(atOnce) },
  });
  if (status !== 0) throw new Error(`${program}: status ${status}\n${stderr.slice(-800)}`);
  return (performance.now() - began) / 1000;
}

async function vmgpu(work: 'read' | 'write'): Promise<number> {
  const began = performance.now();
  const hosts = ports.map((port) =>
    createSshPort({
      host: '127.0.0.1',
      port,
      user: 'root',
      keys: [{ text: new Secret(readFileSync(file('user'), 'utf8')) }],
      fingerprint: fingerprintOf(hostKey),
    }),
  );
  const results = await onHosts(
    hosts,
    async (host) => {
      if (work === 'read') return captureHost(host);
      const argv = [
        'sh',
        '-c',
        'cat >"$1.new" && mv -f "$1.new" "$1"',
        'sh',
        `${folder}/written-${host.name.split(':').at(-1)}`,
      ];
      return (await host.run(argv, { input: 'prepared\n' })).stdout;
    },
    { concurrency: atOnce },
  );
  await Promise.all(hosts.map((host) => host.close()));
  const failed = results.filter(({ ok }) => !ok).length;
  if (failed > 0) throw new Error(`${failed} hosts failed: ${JSON.stringify(results.find(({ ok }) => !ok))}`);
  return (performance.now() - began) / 1000;
}

function ansible(work: 'read' | 'write'): number | undefined {
  const program = process.env.ANSIBLE;
  if (!program) return undefined;
  writeFileSync(
    file('inventory'),
    ports
      .map(
        (port) =>
          `h${port} ansible_host=127.0.0.1 ansible_port=${port} ansible_user=root ansible_ssh_private_key_file=${file('user')} ansible_ssh_common_args='-F none -o UserKnownHostsFile=${file('known_hosts')}' ansible_python_interpreter=/usr/bin/python3\n`,
      )
      .join(''),
  );
  const task =
    work === 'read'
      ? `{ script: ${file('capture.sh')} }`
      : `{ copy: { src: ${file('motd')}, dest: "${folder}/ansible-{{ ansible_port }}" } }`;
  writeFileSync(
    file('play.yaml'),
    `- hosts: all\n  gather_facts: ${work === 'read'}\n  tasks: [ ${task} ]\n`,
  );
  return timed(program, ['-i', file('inventory'), file('play.yaml')]);
}

try {
  await listening();
  for (const work of ['read', 'write'] as const) {
    const floor = plainSsh(
      work === 'read' ? 'sh -s' : 'cat >/dev/null',
      work === 'read' ? file('capture.sh') : file('motd'),
    );
    const ours = await vmgpu(work);
    const theirs = ansible(work);
    const line = (name: string, seconds: number | undefined) =>
      seconds &&
      console.log(
        `${work.padEnd(6)} ${name.padEnd(10)} ${seconds.toFixed(1).padStart(6)} s   ${(seconds / floor).toFixed(2)} × plain ssh`,
      );
    line('ssh', floor);
    line('vmgpu', ours);
    line('ansible', theirs);
  }
} finally {
  for (const daemon of daemons) daemon.kill();
  rmSync(folder, { recursive: true, force: true });
}

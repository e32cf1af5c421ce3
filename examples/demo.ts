import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { exitStatus, type Io, run } from '@vmgpu/cli';
import { startPve } from '@vmgpu/simulators/pve';

// The main job, on real input, with no cloud and no GPU: read hosts, judge them before and after preparation, and
// render one intent as the native files of three platforms into out/; then plan, apply, read back and undo on a simulated
// Proxmox VE cluster.

const root = join(import.meta.dirname, '..');
const out = join(root, 'out');
const terminal = process.stdout.isTTY === true;
let env: Io['env'] = process.env;
const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stdout.write(text),
  readStdin: async () => '',
  get env() {
    return env;
  },
  cwd: root,
  terminal,
  width: Math.max(60, Math.min(process.stdout.columns ?? 100, 110)),
  signal: new AbortController().signal,
};

function title(text: string): void {
  const line = '─'.repeat(Math.min(io.width, text.length + 4));
  process.stdout.write(`\n${line}\n  ${text}\n${line}\n`);
}

/** Runs one command line as a user would, and shows it. `expected` is part of the story: a host that is not ready. */
async function scene(words: readonly string[], expected: number = exitStatus.done): Promise<void> {
  process.stdout.write(`\n$ vmgpu ${words.join(' ')}\n`);
  const status = await run(words, io);
  if (status !== expected) {
    process.stderr.write(`demo: vmgpu ${words.join(' ')} ended with ${status}, expected ${expected}\n`);
    process.exit(1);
  }
}

const captures = 'examples/captures';
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

title('1. A host with two A10s and an A6000 (Debian 12 in QEMU), as it came');
await scene(['inspect', `${captures}/qemu-amd-before.txt`]);
await scene(['doctor', `${captures}/qemu-amd-before.txt`, '--mode', 'vm-passthrough'], exitStatus.findings);

title('2. The same host after preparation and a reboot');
await scene(['doctor', `${captures}/qemu-amd-after.txt`, '--mode', 'vm-passthrough']);

title('3. A Proxmox VE host with a GT 1030, before preparation');
await scene(
  ['doctor', `${captures}/gt1030-proxmox.txt`, '--mode', 'vm-passthrough', '--platform', 'proxmox'],
  exitStatus.findings,
);

title('4. This machine');
await scene(['collect', '-o', relative(root, join(out, 'this-machine.txt'))]);
await scene(['inspect', 'out/this-machine.txt']);

title('5. One intent, three platforms');
for (const platform of ['kubevirt', 'openstack', 'proxmox']) {
  const host = `${captures}/qemu-amd-after.txt`;
  await scene(['render', '-f', 'examples/train.yaml', '--to', platform, '--host', host, '-o', 'out/train']);
}
await scene([
  'render',
  '-f',
  'examples/jellyfin.yaml',
  '--to',
  'proxmox',
  '--host',
  `${captures}/gt1030-proxmox.txt`,
  '-o',
  'out/jellyfin',
]);

title('6. The same VM on a cluster: look first, apply, apply again, take it back');
const pve = await startPve({ taskMs: 200 });
try {
  env = { ...process.env, VMGPU_CONFIG: 'out/config.yaml', DEMO_PVE_SECRET: 'admin-token-secret' };
  writeFileSync(
    join(out, 'config.yaml'),
    `connections:
  lab: { platform: proxmox, url: "${pve.url}", user: admin@pve, token: vmgpu, secret: { env: DEMO_PVE_SECRET } }
`,
  );
  await scene([
    'plan',
    '-f',
    'examples/jellyfin.yaml',
    '--to',
    'proxmox',
    '--connection',
    'lab',
    '-o',
    'out/plan.json',
  ]);
  await scene(['apply', 'out/plan.json']);
  await scene(['apply', 'out/plan.json']);
  await scene(['read', '--from', 'proxmox', '--connection', 'lab', 'jellyfin']);
  await scene(['apply', 'out/plan.json', '--undo']);
} finally {
  await pve.close();
}

process.stdout.write(`
Native files are in out/. What to try next:
  npx -y pnpm@12.21.0 vmgpu catalog A10                      boards and vGPU profiles
  npx -y pnpm@12.21.0 vmgpu render -f examples/desk.yaml --to kubevirt
  npx -y pnpm@12.21.0 vmgpu collect --script | ssh HOST sudo sh > host.txt    read a host of yours
`);

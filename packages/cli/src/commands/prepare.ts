import { badInput, type HostMode, hostModes, parsePciAddress, platformNames } from '@vmgpu/core';
import type { HostFacts } from '@vmgpu/host-prep';
import type { Consent, HostGoal, HostPlan } from '@vmgpu/host-prep/plan';
import { printArtifact } from '../artifact-text.ts';
import type { Command, CommandInput } from '../command.ts';
import { readText, writeText } from '../files.ts';
import { hostPlanText } from '../host-plan-text.ts';
import { type ExitStatus, exitStatus, type Io } from '../io.ts';
import { applyHostOptions, prepareHosts } from '../prepare-hosts.ts';
import { namesHosts, sshOptions } from '../ssh-hosts.ts';
import { palette } from '../style.ts';
import { describeDiagnostics } from './render.ts';

const strategies = ['initramfs', 'ids', 'kernel-argument', 'driverctl', 'runtime'] as const;
const forms = ['sh', 'cloud-init', 'ansible', 'machineconfig', 'talos', 'nixos', 'rpm-ostree'] as const;
const guestForms = ['kubernetes'] as const;

export const prepare: Command = {
  name: 'prepare',
  summary: 'what must change on a host, file by file; done over SSH, or written as a script or playbook',
  usage: 'CAPTURE | --ssh HOST... --mode MODE [--device ADDR]... [--render FORM | --apply [--reboot]]',
  operands: { min: 0, max: 1 },
  options: {
    mode: {
      type: 'string',
      choices: hostModes,
      value: 'MODE',
      help: `${hostModes.join(' | ')} (needed, but for --rollback)`,
    },
    platform: {
      type: 'string',
      choices: platformNames,
      value: 'P',
      help: `for ${platformNames.join(' | ')}`,
    },
    device: { type: 'string', multiple: true, value: 'ADDR', help: 'only this GPU; may be repeated' },
    strategy: {
      type: 'string',
      choices: strategies,
      value: 'S',
      help: `how vfio-pci gets the card: ${strategies.join(' | ')}`,
    },
    companions: {
      type: 'string',
      choices: ['include', 'exclude'],
      help: "bind the card's other functions too (include)",
    },
    vgpu: {
      type: 'string',
      multiple: true,
      value: 'ADDR=PROFILE[:N]',
      help: 'vGPUs wanted of a GPU: 0000:41:00.0=A10-4Q:6',
    },
    hugepages: { type: 'string', value: 'COUNTxSIZE', help: 'huge pages at boot: 32x1GiB' },
    consent: {
      type: 'string',
      multiple: true,
      value: 'RISK',
      help: 'take a named risk, as the plan names it',
    },
    guest: { type: 'boolean', help: 'the machine uses its GPUs itself: driver, container toolkit, CDI' },
    runtime: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'with --guest: containerd | docker | crio; may be repeated',
    },
    'driver-run': {
      type: 'string',
      value: 'PATH',
      help: 'with --guest: a .run file there, instead of packages',
    },
    'driver-branch': { type: 'string', value: 'N', help: 'with --guest: branch of the driver (580)' },
    render: {
      type: 'string',
      choices: [...forms, ...guestForms],
      value: 'FORM',
      help: `${forms.join(' | ')}; kubernetes: what a cluster of prepared guests needs`,
    },
    output: { type: 'string', short: 'o', value: 'FILE', help: 'write the rendering to FILE' },
    rollback: { type: 'boolean', help: 'plan the way back: remove everything vmgpu made' },
    ...applyHostOptions,
    ...sshOptions,
  },
  examples: [
    { line: 'vmgpu prepare gpu01.txt --mode vm-passthrough', what: 'show every file before and after' },
    { line: 'vmgpu prepare gpu01.txt --mode vm-passthrough --render sh | ssh gpu01 sudo sh', what: 'do it' },
    {
      line: 'vmgpu prepare gpu01.txt --mode vm-passthrough --device 0000:65:00.0 --render ansible',
      what: 'one of two equal cards',
    },
    {
      line: 'vmgpu prepare --ssh gpu01 --mode vm-passthrough --apply --reboot',
      what: 'do it, reboot, check',
    },
    {
      line: 'vmgpu prepare --hosts hosts.yaml --mode vm-passthrough --apply --reboot --max-unavailable 2',
      what: 'a fleet, two hosts at a time',
    },
    {
      line: 'vmgpu prepare --guest --ssh vm01 --runtime containerd --apply --reboot',
      what: 'driver and container toolkit inside a VM, nvidia-smi read back',
    },
    { line: 'vmgpu prepare --ssh gpu01 --resume --reboot', what: 'go on after anything that stopped it' },
    { line: 'vmgpu prepare --ssh gpu01 --rollback --apply --reboot', what: 'take everything back' },
  ],
  async run(input, io) {
    if (namesHosts(input)) {
      if (input.operands.length > 0 || input.value('render') !== undefined)
        throw badInput('a host that is reached, or a capture', {
          found: input.operands[0] ?? '--render',
          expected: '--ssh and --hosts, or CAPTURE and --render',
        });
      return prepareHosts(input, io, { planner: () => readPlanner(input), guest: input.flag('guest') });
    }
    if (input.value('render') === 'kubernetes') return printKubernetes(input, io);
    if (input.operands.length === 0 || input.flag('apply') || input.flag('resume'))
      throw badInput('which host?', {
        found: input.operands[0] ?? 'none',
        expected:
          input.operands.length === 0 ? 'CAPTURE or --ssh HOST' : '--ssh HOST with --apply and --resume',
      });
    const [{ hostFactsFromText }, { planHostRemoval }, { renderHostPlan }] = await Promise.all([
      import('@vmgpu/host-prep/facts'),
      import('@vmgpu/host-prep/plan'),
      import('@vmgpu/host-prep/render'),
    ]);
    const file = input.operands[0] ?? '';
    const facts = hostFactsFromText(await readText(file, io), { file });
    const plan = input.flag('rollback')
      ? planHostRemoval(facts, { consent: consentOf(input) })
      : (await readPlanner(input))(facts);
    const form = input.value('render') as (typeof forms)[number] | undefined;
    const blocked = plan.diagnostics.some(({ kind }) => kind === 'blocked');
    const paint = palette(io);
    const rendered =
      form !== undefined && !blocked ? await printArtifact(renderHostPlan(plan, form)) : undefined;
    if (input.json) {
      const document = {
        ...plan,
        ...(rendered === undefined ? {} : { rendering: { form, text: rendered } }),
      };
      io.out(`${JSON.stringify(document, null, 2)}\n`);
    } else if (form === undefined) {
      io.out(hostPlanText(plan, paint));
    } else if (rendered !== undefined && input.value('output') === undefined) {
      io.out(rendered);
    }
    const target = input.value('output');
    if (target !== undefined && rendered !== undefined)
      await writeText(target, rendered, io, form === 'sh' ? 0o755 : 0o644);
    for (const text of describeDiagnostics(plan.diagnostics, paint, io.width)) io.err(`${text}\n`);
    if (blocked)
      io.err(`${paint.red('blocked')}: settle what is said above, or take the risk by name with --consent\n`);
    return blocked ? exitStatus.findings : exitStatus.done;
  },
};

function consentOf(input: CommandInput): readonly Consent[] {
  return input.values('consent') as readonly Consent[];
}

/** Reads what the command line asks for, and makes plans for it. */
async function readPlanner(input: CommandInput): Promise<(facts: HostFacts) => HostPlan> {
  const { planGuest, planHost } = await import('@vmgpu/host-prep/plan');
  if (!input.flag('guest')) {
    const platform = input.value('platform');
    const goal = await readGoal(input);
    return (facts) => planHost(facts, goal, platform === undefined ? {} : { platform });
  }
  const { catalog } = await import('@vmgpu/core/catalog');
  const runFile = input.value('driver-run');
  const branch = input.value('driver-branch');
  if (branch !== undefined && !/^\d{3}$/.test(branch))
    throw badInput('--driver-branch cannot be read', {
      found: branch,
      expected: 'three digits, such as 580',
    });
  const runtimes = input.values('runtime');
  const goal = {
    consent: consentOf(input),
    ...(runtimes.length > 0 ? { runtimes } : {}),
    ...(runFile === undefined ? {} : { runFile }),
    ...(branch === undefined ? {} : { branch: Number(branch) }),
  };
  return (facts) => planGuest(facts, goal, catalog);
}

/** NVIDIA's device plugin, its runtime class, and a pod that runs nvidia-smi once. */
async function printKubernetes(input: CommandInput, io: Io): Promise<ExitStatus> {
  const { devicePlugin, gpuWorkload } = await import('@vmgpu/host-prep/plan');
  const text = await printArtifact({
    scope: 'host',
    path: 'guest/kubernetes.yaml',
    content: { format: 'yaml', documents: [...devicePlugin(), gpuWorkload('ubuntu:24.04')] },
    apply: 'kubectl apply -f kubernetes.yaml',
  });
  const target = input.value('output');
  if (target === undefined) io.out(text);
  else await writeText(target, text, io);
  return exitStatus.done;
}

async function readGoal(input: CommandInput): Promise<HostGoal> {
  const mode = input.value('mode');
  if (mode === undefined)
    throw badInput('--mode is needed', { found: 'no --mode', expected: hostModes.join(' | ') });
  const devices = input.values('device').map(parsePciAddress);
  const strategy = input.value('strategy') as HostGoal['strategy'];
  const companions = input.value('companions') as HostGoal['companions'];
  const vgpus = input.values('vgpu').map(readVgpuWish);
  const hugepages = input.value('hugepages');
  return {
    mode: mode as HostMode,
    consent: consentOf(input),
    ...(devices.length > 0 ? { devices } : {}),
    ...(strategy ? { strategy } : {}),
    ...(companions ? { companions } : {}),
    ...(vgpus.length > 0 ? { vgpus } : {}),
    ...(hugepages === undefined ? {} : { hugepages: await readHugepages(hugepages) }),
  };
}

function readVgpuWish(text: string) {
  const match = /^([^=]+)=([^:]+)(?::(\d+))?$/.exec(text);
  if (!match)
    throw badInput('--vgpu cannot be read', {
      found: text,
      expected: 'ADDRESS=PROFILE or ADDRESS=PROFILE:COUNT',
    });
  const [, address = '', profile = '', count] = match;
  return {
    device: parsePciAddress(address),
    profile,
    ...(count === undefined ? {} : { count: Number(count) }),
  };
}

async function readHugepages(text: string) {
  const match = /^(\d+)x(.+)$/.exec(text);
  if (!match)
    throw badInput('--hugepages cannot be read', { found: text, expected: 'COUNTxSIZE, such as 32x1GiB' });
  const { parseBytes } = await import('@vmgpu/core');
  return { count: Number(match[1]), size: parseBytes(match[2] ?? '') };
}

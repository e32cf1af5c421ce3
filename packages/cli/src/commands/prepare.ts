import { badInput, type HostMode, hostModes, parsePciAddress, platformNames } from '@vmgpu/core';
import type { Consent, HostGoal, HostPlan } from '@vmgpu/host-prep/plan';
import { printArtifact } from '../artifact-text.ts';
import type { Command, CommandInput } from '../command.ts';
import { readText, writeText } from '../files.ts';
import { exitStatus } from '../io.ts';
import { type Palette, palette, printable } from '../style.ts';
import { describeDiagnostics } from './render.ts';

const strategies = ['initramfs', 'ids', 'kernel-argument', 'driverctl', 'runtime'] as const;
const forms = ['sh', 'cloud-init', 'ansible', 'machineconfig', 'talos', 'nixos', 'rpm-ostree'] as const;

export const prepare: Command = {
  name: 'prepare',
  summary: 'what must change on a host, file by file, and the same as a script, playbook or cloud-init',
  usage: 'CAPTURE --mode MODE [--device ADDR]... [--render FORM]',
  operands: { min: 1, max: 1 },
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
    render: { type: 'string', choices: forms, value: 'FORM', help: forms.join(' | ') },
    output: { type: 'string', short: 'o', value: 'FILE', help: 'write the rendering to FILE' },
    rollback: { type: 'boolean', help: 'plan the way back: remove everything vmgpu made' },
  },
  examples: [
    { line: 'vmgpu prepare gpu01.txt --mode vm-passthrough', what: 'show every file before and after' },
    { line: 'vmgpu prepare gpu01.txt --mode vm-passthrough --render sh | ssh gpu01 sudo sh', what: 'do it' },
    {
      line: 'vmgpu prepare gpu01.txt --mode vm-passthrough --device 0000:65:00.0 --render ansible',
      what: 'one of two equal cards',
    },
  ],
  async run(input, io) {
    const [{ hostFactsFromText }, { describeHostPlan, planHost, planHostRemoval }, { renderHostPlan }] =
      await Promise.all([
        import('@vmgpu/host-prep/facts'),
        import('@vmgpu/host-prep/plan'),
        import('@vmgpu/host-prep/render'),
      ]);
    const file = input.operands[0] ?? '';
    const facts = hostFactsFromText(await readText(file, io), { file });
    const platform = input.value('platform');
    const plan = input.flag('rollback')
      ? planHostRemoval(facts)
      : planHost(facts, await readGoal(input), platform === undefined ? {} : { platform });
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
      io.out(describePlan(plan, describeHostPlan(plan), paint));
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
    consent: input.values('consent') as readonly Consent[],
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

function describePlan(
  plan: HostPlan,
  changes: readonly { readonly step: string; readonly diff: string }[],
  paint: Palette,
): string {
  if (plan.steps.length === 0) return `${printable(plan.host)}: nothing to do\n`;
  const risk = {
    none: '',
    'service-restart': 'restarts a service',
    'vm-restart': 'restarts VMs',
    'host-reboot': 'reboots the host',
  };
  const lines = plan.steps.flatMap((step, index) => {
    const notes = [risk[step.risk], step.reversible ? '' : 'cannot be undone'].filter(Boolean).join(', ');
    const head = `${paint.bold(`${index + 1}. ${printable(step.summary)}`)}${notes ? paint.yellow(` (${notes})`) : ''}`;
    const diff = changes.find((change) => change.step === step.id)?.diff;
    return diff === undefined ? [head] : [head, colourDiff(printable(diff).trimEnd(), paint)];
  });
  return `${paint.bold(printable(plan.host))}: ${plan.steps.length} steps${plan.reboot ? ', with a reboot' : ''}\n${lines.join('\n')}\n`;
}

function colourDiff(diff: string, paint: Palette): string {
  return diff
    .split('\n')
    .map(
      (line) =>
        `   ${line.startsWith('+') ? paint.green(line) : line.startsWith('-') ? paint.red(line) : paint.dim(line)}`,
    )
    .join('\n');
}

import {
  badInput,
  type Finding,
  type FindingStatus,
  type HostMode,
  type HostReadiness,
  hostModes,
  parsePciAddress,
  platformNames,
} from '@vmgpu/core';
import type { HostFacts } from '@vmgpu/host-prep';
import type { HostPort } from '@vmgpu/host-prep/exec';
import type { Command, CommandInput } from '../command.ts';
import { readText } from '../files.ts';
import { type ExitStatus, exitStatus, type Io } from '../io.ts';
import { namesHosts, openHosts, sshOptions } from '../ssh-hosts.ts';
import { type Palette, palette, printable, wrap } from '../style.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'judge whether a host can give its GPUs to VMs, with evidence and remedy',
  usage: 'CAPTURE | --ssh HOST... --mode MODE [--platform P] [--device ADDR]...',
  operands: { min: 0, max: 1 },
  options: {
    mode: { type: 'string', choices: hostModes, value: 'MODE', help: `${hostModes.join(' | ')} (needed)` },
    platform: {
      type: 'string',
      choices: platformNames,
      value: 'P',
      help: `also judge for ${platformNames.join(' | ')}`,
    },
    device: {
      type: 'string',
      multiple: true,
      value: 'ADDR',
      help: 'only this GPU (0000:65:00.0); may be repeated',
    },
    guest: { type: 'boolean', help: 'the machine uses its GPUs itself: --mode container' },
    all: { type: 'boolean', help: 'list also the checks that passed or do not apply' },
    ...sshOptions,
  },
  examples: [
    { line: 'vmgpu doctor --ssh gpu01 --ssh gpu02 --mode vm-passthrough', what: 'two hosts, read now' },
    { line: 'vmgpu doctor gpu01.txt --mode vm-passthrough', what: 'may its GPUs be passed through to VMs?' },
    {
      line: 'vmgpu doctor gpu01.txt --mode vm-vgpu --platform kubevirt --json',
      what: 'for a program: HostReadiness as JSON',
    },
  ],
  async run(input, io) {
    const mode = input.value('mode') ?? (input.flag('guest') ? 'container' : undefined);
    if (mode === undefined) {
      throw badInput('vmgpu doctor: --mode is needed', {
        found: 'no --mode',
        expected: hostModes.join(' | '),
      });
    }
    if (namesHosts(input) === input.operands.length > 0)
      throw badInput('which host?', {
        found: input.operands[0] === undefined ? 'none' : 'both',
        expected: 'CAPTURE or --ssh HOST',
      });
    const judge = await judgeFor(input, mode as HostMode);
    if (namesHosts(input)) return judgeHosts(input, io, judge);
    const { hostFactsFromText } = await import('@vmgpu/host-prep/facts');
    const file = input.operands[0] ?? '';
    const facts = hostFactsFromText(await readText(file, io), { file });
    const readiness = judge(facts, file);
    if (input.json) io.out(`${JSON.stringify(readiness, null, 2)}\n`);
    else io.out(describeReadiness(readiness, facts, input.flag('all'), palette(io), io.width));
    return readiness.verdict === 'ready' ? exitStatus.done : exitStatus.findings;
  },
};

type Judge = (facts: HostFacts, source: string) => HostReadiness;

async function judgeFor(input: CommandInput, mode: HostMode): Promise<Judge> {
  const [{ assessHost }, { catalog }] = await Promise.all([
    import('@vmgpu/host-prep/readiness'),
    import('@vmgpu/core/catalog'),
  ]);
  const platform = input.value('platform');
  return (facts, source) => {
    const devices = input.values('device').map((text) => knownGpu(facts, text, source));
    return assessHost(facts, {
      mode,
      catalog,
      ...(platform === undefined ? {} : { platform }),
      ...(devices.length === 0 ? {} : { devices }),
    });
  };
}

/** Hosts over SSH, several at once; one that cannot be read does not hide the others. */
async function judgeHosts(input: CommandInput, io: Io, judge: Judge): Promise<ExitStatus> {
  const { onHosts, readHost } = await import('@vmgpu/host-prep/exec');
  const ports = await openHosts(input, io);
  const work = async (port: HostPort) => {
    try {
      const facts = await readHost(port, { signal: io.signal });
      return { facts, readiness: judge(facts, port.name) };
    } finally {
      await port.close();
    }
  };
  const results = await onHosts(ports, work, { signal: io.signal });
  const [only] = results;
  for (const result of results) {
    if (result.ok && !input.json)
      io.out(
        describeReadiness(
          result.value.readiness,
          result.value.facts,
          input.flag('all'),
          palette(io),
          io.width,
        ),
      );
    if (result.ok === false && results.length === 1) throw result.error;
    if (!result.ok)
      io.err(
        `${printable(result.host)}: ${printable(result.ok === false ? String((result.error as Error).message) : 'not read')}\n`,
      );
  }
  const list = results.flatMap((result) => (result.ok ? [result.value.readiness] : []));
  if (input.json) {
    const document =
      results.length === 1 && only?.ok
        ? only.value.readiness
        : { apiVersion: 'vmgpu/v1', kind: 'HostReadinessList', items: list };
    io.out(`${JSON.stringify(document, null, 2)}\n`);
  }
  if (list.length < results.length) return exitStatus.refused;
  return list.every(({ verdict }) => verdict === 'ready') ? exitStatus.done : exitStatus.findings;
}

function knownGpu(facts: HostFacts, text: string, file: string) {
  const address = parsePciAddress(text);
  if (!facts.gpus.some((gpu) => gpu.address === address)) {
    throw badInput('this host has no GPU at that address', {
      where: { file },
      found: address,
      expected: facts.gpus.map((gpu) => gpu.address).join(', ') || 'a host with GPUs',
    });
  }
  return address;
}

const marks: Readonly<Record<FindingStatus, string>> = {
  fail: '✗',
  unknown: '?',
  warn: '!',
  pass: '✓',
  'not-applicable': '–',
};
const order: readonly FindingStatus[] = ['fail', 'unknown', 'warn', 'pass', 'not-applicable'];
const verdictWords = { ready: 'READY', 'not-ready': 'NOT READY', unknown: 'CANNOT TELL' } as const;

/** The verdict in words: what stands in the way first. */
export function describeReadiness(
  readiness: HostReadiness,
  facts: HostFacts,
  all: boolean,
  paint: Palette,
  width: number,
): string {
  const colour = { ready: paint.green, 'not-ready': paint.red, unknown: paint.yellow };
  const subject = `${printable(readiness.host)} for ${readiness.mode}${readiness.platform ? ` on ${readiness.platform}` : ''}`;
  const devices = readiness.devices.map(({ address, verdict }) => {
    const gpu = facts.gpus.find((candidate) => candidate.address === address);
    return `  ${address}  ${printable(gpu?.deviceName ?? gpu?.id ?? '')}  ${colour[verdict](verdictWords[verdict].toLowerCase())}`;
  });
  const shown = readiness.findings
    .filter(
      (finding) =>
        all || finding.status === 'fail' || finding.status === 'unknown' || finding.status === 'warn',
    )
    .sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  const counts = order
    .map((status) => ({
      status,
      count: readiness.findings.filter((finding) => finding.status === status).length,
    }))
    .filter(({ count }) => count > 0)
    .map(({ status, count }) => `${count} ${status.replace('-', ' ')}`);
  return `${[
    `${paint.bold(subject)}: ${colour[readiness.verdict](paint.bold(verdictWords[readiness.verdict]))}`,
    ...devices,
    '',
    ...groupAlike(shown).map((alike) => describeFindings(alike, paint, width)),
    `${readiness.findings.length} checks: ${counts.join(', ')}${all ? '' : paint.dim(' (--all lists them)')}`,
  ].join('\n')}\n`;
}

/** The same verdict for the same reason on several GPUs is said once, with all their addresses. */
function groupAlike(findings: readonly Finding[]): readonly (readonly Finding[])[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = JSON.stringify([finding.id, finding.status, finding.why, finding.remedy]);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()];
}

const mostEvidence = 4;

function describeFindings(alike: readonly Finding[], paint: Palette, width: number): string {
  const [finding] = alike;
  if (finding === undefined) return '';
  const colour: Record<FindingStatus, (text: string) => string> = {
    fail: paint.red,
    unknown: paint.yellow,
    warn: paint.yellow,
    pass: paint.green,
    'not-applicable': paint.dim,
  };
  const mark = colour[finding.status](marks[finding.status]);
  const blocks = finding.severity === 'blocker' && finding.status === 'fail' ? paint.red(', blocks') : '';
  const devices = alike.flatMap(({ device }) => device ?? []).join(' ');
  const evidence = alike
    .flatMap((one) => one.evidence)
    .map(({ source, text }) => `${source}: ${text || '(empty)'}`);
  const lines = [
    `${mark} ${paint.bold(`${finding.id} ${finding.title}`)}${blocks}`,
    ...(devices === '' ? [] : [wrap(devices, width, '    ')]),
    wrap(printable(finding.why), width, '    '),
    ...[...new Set(evidence)]
      .slice(0, mostEvidence)
      .map((line) => paint.dim(wrap(printable(line), width, '    '))),
    ...(evidence.length > mostEvidence
      ? [paint.dim(`    … and ${evidence.length - mostEvidence} more`)]
      : []),
    ...(finding.remedy === undefined
      ? []
      : [
          wrap(
            `→ ${printable(finding.remedy)}${finding.automatic ? ' (vmgpu prepare does this)' : ''}`,
            width,
            '    ',
          ),
        ]),
  ];
  return `${lines.join('\n')}\n`;
}

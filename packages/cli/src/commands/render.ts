import {
  type Artifact,
  badInput,
  type Diagnostic,
  type HostInventory,
  type HostRequirement,
  isLoss,
  type Plan,
  type PlatformName,
  platformNames,
  type Scope,
} from '@vmgpu/core';
import { loadAdapter } from '../adapters.ts';
import { printArtifact } from '../artifact-text.ts';
import type { Command } from '../command.ts';
import { pathInside, readText, writeText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';
import { type Palette, palette, printable, wrap } from '../style.ts';
import { parseVmYaml, parseYaml } from '../yaml-input.ts';

export const render: Command = {
  name: 'render',
  summary: 'native files of a platform for a vm.yaml, without a network',
  usage: '-f vm.yaml --to P [--host CAPTURE]... [-o DIR]',
  operands: { min: 0, max: 0 },
  options: {
    file: { type: 'string', short: 'f', value: 'FILE', help: 'the intent (vm.yaml; - for standard input)' },
    to: { type: 'string', choices: platformNames, value: 'P', help: platformNames.join(' | ') },
    'target-version': {
      type: 'string',
      value: 'V',
      help: 'version or release of the platform (the newest known if not given)',
    },
    snapshot: {
      type: 'string',
      value: 'FILE',
      help: 'what the platform has, as saved by vmgpu inventory --json',
    },
    host: {
      type: 'string',
      multiple: true,
      value: 'CAPTURE',
      help: 'a host that shall run the VM; may be repeated',
    },
    scope: {
      type: 'string',
      choices: ['platform', 'vm'],
      value: 'S',
      help: "only the administrator's or the tenant's part",
    },
    vm: { type: 'string', value: 'REF', help: 'change the GPUs of this VM instead of making one' },
    output: {
      type: 'string',
      short: 'o',
      value: 'DIR',
      help: 'write the files below DIR instead of printing them',
    },
    strict: { type: 'boolean', help: 'exit with 1 when anything is lost' },
  },
  examples: [
    {
      line: 'vmgpu render -f vm.yaml --to kubevirt -o out',
      what: 'KubeVirt resources for the newest version',
    },
    {
      line: 'vmgpu render -f vm.yaml --to openstack --target-version 2024.1 --host gpu01.txt',
      what: 'nova.conf and flavor for one release and host',
    },
    {
      line: 'vmgpu render -f vm.yaml --to proxmox --host pve1.txt --scope vm',
      what: "only the VM owner's part",
    },
  ],
  async run(input, io) {
    const file = required(input.value('file'), '-f FILE');
    const platform = required(input.value('to'), '--to PLATFORM') as PlatformName;
    const intent = parseVmYaml(await readText(file, io), file);
    const [adapter, { catalog, checkIntent }] = await Promise.all([
      loadAdapter(platform),
      import('@vmgpu/core/catalog'),
    ]);
    const version = input.value('target-version');
    const hosts = await readHosts(input.values('host'), io);
    const snapshotFile = input.value('snapshot');
    const snapshot =
      snapshotFile === undefined
        ? adapter.offlineSnapshot({
            hosts,
            ...(version === undefined ? {} : { version }),
          })
        : adapter.parseSnapshot(parseYaml(await readText(snapshotFile, io), snapshotFile).value);
    const scope = input.value('scope') as Scope | undefined;
    const vm = input.value('vm');
    const planned = adapter.translator.plan(intent, snapshot, {
      catalog,
      ...(scope === undefined ? {} : { scope }),
      ...(vm === undefined ? {} : { vm }),
    });
    const plan = withDiagnostics(checkIntent(intent, catalog, hosts), planned);
    const artifacts = adapter.translator.render(plan);
    const directory = input.value('output');
    const texts = await Promise.all(
      artifacts.map(async (artifact) => ({ artifact, text: await printArtifact(artifact) })),
    );
    if (input.json) {
      const files = texts.map(({ artifact, text }) => ({
        path: artifact.path,
        scope: artifact.scope,
        apply: artifact.apply,
        text,
      }));
      io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'Rendering', plan, files }, null, 2)}\n`);
    } else if (directory === undefined) {
      for (const { artifact, text } of texts) io.out(`# ---- ${artifact.path}\n${text}`);
    }
    if (directory !== undefined) {
      for (const { artifact, text } of texts) {
        await writeText(pathInside(directory, artifact.path), text, io, artifact.mode);
      }
    }
    io.err(
      describeRendering(plan, directory === undefined ? [] : artifacts, directory, palette(io), io.width),
    );
    const blocked = plan.diagnostics.some((diagnostic) => diagnostic.kind === 'blocked');
    const lossy = input.flag('strict') && plan.diagnostics.some(isLoss);
    return blocked || lossy ? exitStatus.findings : exitStatus.done;
  },
};

/** The plan, with what is wrong with the intent on any platform said first. */
export function withDiagnostics(first: readonly Diagnostic[], plan: Plan): Plan {
  const paths = new Set(first.map(({ path }) => path));
  // A board that the catalogue does not have is said once, with suggestions.
  const rest = plan.diagnostics.filter(
    ({ code, path }) => !(code.endsWith('.board-unknown') && paths.has(path)),
  );
  return { ...plan, diagnostics: [...first, ...rest] };
}

/** Inventories of captured hosts, in the order given. */
export async function readHosts(files: readonly string[], io: Io): Promise<readonly HostInventory[]> {
  if (files.length === 0) return [];
  const { hostFactsFromText, hostInventory } = await import('@vmgpu/host-prep/facts');
  const hosts: HostInventory[] = [];
  for (const file of files) hosts.push(hostInventory(hostFactsFromText(await readText(file, io), { file })));
  return hosts;
}

export function required(value: string | undefined, option: string): string {
  if (value === undefined) throw badInput(`${option} is needed`, { found: 'nothing', expected: option });
  return value;
}

function describeRendering(
  plan: Plan,
  artifacts: readonly Artifact[],
  directory: string | undefined,
  paint: Palette,
  width: number,
): string {
  const files = artifacts.map(
    (artifact) => `  ${directory}/${artifact.path}\n      ${paint.dim(artifact.apply)}`,
  );
  return [
    ...(files.length > 0 ? [`Wrote for ${plan.platform} ${plan.platformVersion}:`, ...files] : []),
    ...describeDiagnostics(plan.diagnostics, paint, width),
    ...describeRequirements(plan.requirements, paint, width),
    '',
  ].join('\n');
}

/** What was lost, approximated or stands in the way; empty when nothing was. */
export function describeDiagnostics(
  diagnostics: readonly Diagnostic[],
  paint: Palette,
  width: number,
): string[] {
  return diagnostics.map((diagnostic) => {
    const colour = diagnostic.kind === 'blocked' ? paint.red : isLoss(diagnostic) ? paint.yellow : paint.dim;
    const remedy = diagnostic.remedy ? `\n${wrap(`→ ${printable(diagnostic.remedy)}`, width, '    ')}` : '';
    const place = diagnostic.path ? `${printable(diagnostic.path)}: ` : '';
    return `${colour(diagnostic.kind)} ${paint.dim(diagnostic.code)}\n${wrap(place + printable(diagnostic.message), width, '    ')}${remedy}`;
  });
}

/** What hosts must offer; empty when nothing. */
export function describeRequirements(
  requirements: readonly HostRequirement[],
  paint: Palette,
  width: number,
): string[] {
  if (requirements.length === 0) return [];
  const lines = requirements.map((requirement) => {
    const where = requirement.host ?? 'each host that may run it';
    const what =
      requirement.kind === 'config-file' ? `${requirement.file}: ${requirement.why}` : requirement.why;
    return wrap(`${where}: ${printable(what)}`, width, '    ').replace(/^ {4}/, '  - ');
  });
  return [
    paint.bold('Hosts need:'),
    ...new Set(lines),
    paint.dim('check a host with: vmgpu doctor CAPTURE --mode MODE'),
  ];
}

import {
  type Artifact,
  badInput,
  type GpuSelector,
  isLoss,
  type Plan,
  type PlatformName,
  platformNames,
} from '@vmgpu/core';
import type { Migration } from '@vmgpu/core/migrate';
import { loadAdapter } from '../adapters.ts';
import { printArtifact } from '../artifact-text.ts';
import type { Command, CommandInput } from '../command.ts';
import { pathInside, writeText } from '../files.ts';
import { type ExitStatus, exitStatus, type Io } from '../io.ts';
import { palette } from '../style.ts';
import { applyOptions, carryOut, setAside } from './apply.ts';
import { connect } from './plan.ts';
import { readVm, sourceOptions } from './read.ts';
import { describeDiagnostics, describeRequirements, readHosts, required } from './render.ts';

export const migrate: Command = {
  name: 'migrate',
  summary: 'plan a VM of one platform on another, with a report of what is lost',
  usage: '--from P FILE... --to P [-o DIR] | --from P --connection NAME VM --to P --apply',
  operands: { min: 1, max: 50 },
  options: {
    ...sourceOptions,
    to: {
      type: 'string',
      choices: platformNames,
      value: 'P',
      help: `where it shall go: ${platformNames.join(' | ')}`,
    },
    'target-version': { type: 'string', value: 'V', help: 'version or release of the target' },
    'target-host': {
      type: 'string',
      multiple: true,
      value: 'CAPTURE',
      help: 'a host of the target; may be repeated',
    },
    device: {
      type: 'string',
      multiple: true,
      value: 'NAME=ID',
      help: 'what a name of the source is: gt1030=10de:1d01',
    },
    profile: {
      type: 'string',
      multiple: true,
      value: 'NR=NAME',
      help: 'what a type number of the source is: nvidia-593=A10-4Q',
    },
    image: {
      type: 'string',
      multiple: true,
      value: 'DISK=IMAGE',
      help: 'what a disk starts from on the target: root=ubuntu-24.04',
    },
    network: {
      type: 'string',
      multiple: true,
      value: 'NAME=NAME',
      help: 'what a network is called on the target: vmbr0=private',
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'DIR',
      help: "write vm.yaml, plan.json and the target's files below DIR",
    },
    'target-connection': {
      type: 'string',
      value: 'NAME',
      help: 'plan against what this connection has now, instead of against nothing but --target-host',
    },
    apply: { type: 'boolean', help: 'carry the plan out on the target; the source is left as it is' },
    ...applyOptions,
    strict: { type: 'boolean', help: 'exit with 1 when anything is lost' },
  },
  examples: [
    {
      line: 'vmgpu migrate --from proxmox 101.conf pci.cfg --to kubevirt -o out',
      what: 'from a Proxmox VE node to a cluster',
    },
    {
      line: 'vmgpu migrate --from openstack server.json --to proxmox --device a10=10de:2236',
      what: 'say what an alias was',
    },
    {
      line: 'vmgpu migrate --from proxmox --connection lab 101 --to kubevirt --target-connection prod --apply',
      what: 'from one live platform to another',
    },
  ],
  async run(input, io) {
    const to = required(input.value('to'), '--to PLATFORM') as PlatformName;
    const [{ planMigration }, { catalog }, adapter] = await Promise.all([
      import('@vmgpu/core/migrate'),
      import('@vmgpu/core/catalog'),
      loadAdapter(to),
    ]);
    const devices = Object.fromEntries(
      pairs(input.values('device'), 'device').map(([name, id]) => [name, { id } satisfies GpuSelector]),
    );
    const profiles = Object.fromEntries(pairs(input.values('profile'), 'profile'));
    const images = Object.fromEntries(pairs(input.values('image'), 'image'));
    const networks = Object.fromEntries(pairs(input.values('network'), 'network'));
    const { from, reading } = await readVm(input, io);
    const live = input.flag('apply') || input.value('target-connection') !== undefined;
    const provider = live ? await connect(to, input, io, 'target-connection') : undefined;
    try {
      const snapshot = provider
        ? await provider.snapshot('vm', { signal: io.signal })
        : adapter.offlineSnapshot(await offlineTarget(input, io));
      const migration = planMigration(from, reading, adapter.translator as never, snapshot as never, {
        catalog,
        devices,
        profiles,
        images,
        networks,
      });
      const status = await show(migration, adapter.translator, input, io);
      if (!provider || !input.flag('apply') || status !== exitStatus.done) return status;
      const { name } = migration.intent.metadata;
      const path = input.value('journal') ?? pathInside(input.value('output') ?? '.', `${name}.journal.json`);
      const journal = { path, earlier: await setAside(path, io) };
      const done = await carryOut(migration.plan, provider, journal, input, io);
      io.err(
        `${name} is still on ${from} as it was: shut it down there before both use the same addresses\n`,
      );
      return done;
    } finally {
      await provider?.close?.();
    }
  },
};

/** What is known of a target that nobody asks: its version and captures of its hosts. */
async function offlineTarget(input: CommandInput, io: Io) {
  const version = input.value('target-version');
  const hosts = await readHosts(input.values('target-host'), io);
  return { hosts, ...(version === undefined ? {} : { version }) };
}

/** Writes and prints a migration; the exit status says whether something stands in its way. */
async function show(
  migration: Migration,
  translator: { render(plan: Plan): readonly Artifact[] },
  input: CommandInput,
  io: Io,
): Promise<ExitStatus> {
  const { from, to, intent, plan, report } = migration;
  const directory = input.value('output');
  if (directory !== undefined) {
    const { stringify } = await import('yaml');
    await writeText(pathInside(directory, 'vm.yaml'), stringify(intent, { lineWidth: 0 }), io);
    await writeText(pathInside(directory, 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`, io);
    for (const artifact of translator.render(plan)) {
      await writeText(pathInside(directory, artifact.path), await printArtifact(artifact), io, artifact.mode);
    }
  }
  const losses = report.filter(isLoss).length;
  const blocked = report.some(({ kind }) => kind === 'blocked');
  const status = blocked || (input.flag('strict') && losses > 0) ? exitStatus.findings : exitStatus.done;
  // Standard output holds one document: what comes last.
  const print = input.flag('apply') && status === exitStatus.done ? io.err : io.out;
  if (input.json) {
    const document = { apiVersion: 'vmgpu/v1', kind: 'Migration', ...migration };
    print(`${print === io.err ? JSON.stringify(document) : JSON.stringify(document, null, 2)}\n`);
  } else {
    const steps = plan.steps.map((step) => `  ${step.scope.padEnd(8)} ${step.summary}`);
    print(`${intent.metadata.name}: from ${from} to ${to} ${plan.platformVersion}\n${steps.join('\n')}\n`);
  }
  const paint = palette(io);
  io.err(
    `${[
      ...describeDiagnostics(report, paint, io.width),
      ...describeRequirements(plan.requirements, paint, io.width),
      `${report.length} remarks, ${losses} of them losses${directory === undefined ? '' : `; files are in ${directory}`}`,
    ].join('\n')}\n`,
  );
  return status;
}

function pairs(words: readonly string[], option: string): readonly (readonly [string, string])[] {
  return words.map((word) => {
    const [name, value] = [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)];
    if (!word.includes('=') || name === '' || value === '') {
      throw badInput(`--${option} is not a pair`, { found: word, expected: 'NAME=VALUE' });
    }
    return [name, value] as const;
  });
}

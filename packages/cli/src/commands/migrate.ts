import { badInput, type GpuSelector, isLoss, type PlatformName, platformNames } from '@vmgpu/core';
import { loadAdapter } from '../adapters.ts';
import { printArtifact } from '../artifact-text.ts';
import type { Command } from '../command.ts';
import { pathInside, writeText } from '../files.ts';
import { exitStatus } from '../io.ts';
import { palette } from '../style.ts';
import { readVm, sourceOptions } from './read.ts';
import { describeDiagnostics, describeRequirements, readHosts, required } from './render.ts';

export const migrate: Command = {
  name: 'migrate',
  summary: 'plan a VM of one platform on another, with a report of what is lost',
  usage: '--from P FILE... --to P [-o DIR]',
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
    output: {
      type: 'string',
      short: 'o',
      value: 'DIR',
      help: "write vm.yaml, plan.json and the target's files below DIR",
    },
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
    const { from, reading } = await readVm(input, io);
    const version = input.value('target-version');
    const hosts = await readHosts(input.values('target-host'), io);
    const snapshot = adapter.offlineSnapshot({ hosts, ...(version === undefined ? {} : { version }) });
    const migration = planMigration(from, reading, adapter.translator as never, snapshot as never, {
      catalog,
      devices,
      profiles,
    });
    const { intent, plan, report } = migration;
    const directory = input.value('output');
    if (directory !== undefined) {
      const { stringify } = await import('yaml');
      await writeText(pathInside(directory, 'vm.yaml'), stringify(intent, { lineWidth: 0 }), io);
      await writeText(pathInside(directory, 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`, io);
      for (const artifact of adapter.translator.render(plan)) {
        await writeText(
          pathInside(directory, artifact.path),
          await printArtifact(artifact),
          io,
          artifact.mode,
        );
      }
    }
    if (input.json) {
      io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'Migration', ...migration }, null, 2)}\n`);
    } else {
      const steps = plan.steps.map((step) => `  ${step.scope.padEnd(8)} ${step.summary}`);
      io.out(`${intent.metadata.name}: from ${from} to ${to} ${plan.platformVersion}\n${steps.join('\n')}\n`);
    }
    const paint = palette(io);
    const losses = report.filter(isLoss).length;
    io.err(
      `${[
        ...describeDiagnostics(report, paint, io.width),
        ...describeRequirements(plan.requirements, paint, io.width),
        `${report.length} remarks, ${losses} of them losses${directory === undefined ? '' : `; files are in ${directory}`}`,
      ].join('\n')}\n`,
    );
    const blocked = report.some(({ kind }) => kind === 'blocked');
    return blocked || (input.flag('strict') && losses > 0) ? exitStatus.findings : exitStatus.done;
  },
};

function pairs(words: readonly string[], option: string): readonly (readonly [string, string])[] {
  return words.map((word) => {
    const [name, value] = [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)];
    if (!word.includes('=') || name === '' || value === '') {
      throw badInput(`--${option} is not a pair`, { found: word, expected: 'NAME=VALUE' });
    }
    return [name, value] as const;
  });
}

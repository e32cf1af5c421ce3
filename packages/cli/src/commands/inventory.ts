import { type PlatformName, platformNames } from '@vmgpu/core';
import type { Command } from '../command.ts';
import { exitStatus } from '../io.ts';
import { palette, printable, table } from '../style.ts';
import { connect } from './plan.ts';

export const inventory: Command = {
  name: 'inventory',
  summary: 'what a live platform has: nodes, GPUs, profiles, used and free, what is wrong',
  usage: '--from P [--connection NAME]',
  operands: { min: 0, max: 0 },
  options: {
    from: { type: 'string', choices: platformNames, value: 'P', help: platformNames.join(' | ') },
    connection: { type: 'string', value: 'NAME', help: 'a connection of the configuration file' },
  },
  examples: [
    { line: 'vmgpu inventory --from proxmox --connection lab', what: 'as a table' },
    {
      line: 'vmgpu inventory --from proxmox --json > snapshot.json',
      what: 'a snapshot for vmgpu render --snapshot',
    },
  ],
  async run(input, io) {
    const provider = await connect(input.value('from') as PlatformName | undefined, input, io);
    try {
      const snapshot = await provider.snapshot('platform', { signal: io.signal });
      if (input.json) {
        io.out(`${JSON.stringify(snapshot, null, 2)}\n`);
        return exitStatus.done;
      }
      const paint = palette(io);
      const { describeInventory } = await import('../inventory-table.ts');
      const { rows, remarks } = describeInventory(provider.platform, snapshot);
      io.out(
        `${table([['NODE', 'DEVICE', 'WHAT', 'FREE', 'STATE'].map(paint.bold), ...rows.map((row) => row.map(printable))])}\n`,
      );
      for (const remark of remarks) io.err(`${printable(remark)}\n`);
      return exitStatus.done;
    } finally {
      await provider.close?.();
    }
  },
};

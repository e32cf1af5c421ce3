import { type GpuDevice, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '@vmgpu/host-prep';
import type { Command } from '../command.ts';
import { readText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';
import { type Palette, palette, printable, wrap } from '../style.ts';

export const inspect: Command = {
  name: 'inspect',
  summary: 'GPUs, companions, IOMMU groups and vGPU frameworks of a host',
  usage: 'CAPTURE|LSPCI...',
  operands: { min: 1, max: 100 },
  options: {},
  examples: [
    { line: 'vmgpu inspect gpu01.txt', what: 'a capture made by vmgpu collect' },
    { line: 'lspci -nnk | vmgpu inspect -', what: 'any form of lspci output will do' },
  ],
  async run(input, io) {
    const [{ hostFactsFromText }, { explainGpu }] = await Promise.all([
      import('@vmgpu/host-prep/facts'),
      import('@vmgpu/host-prep/readiness'),
    ]);
    const hosts: HostFacts[] = [];
    for (const file of input.operands) hosts.push(hostFactsFromText(await readText(file, io), { file }));
    if (input.json) {
      const document = hosts.length === 1 ? hosts[0] : { apiVersion: 'vmgpu/v1', kind: 'List', items: hosts };
      io.out(`${JSON.stringify(document, null, 2)}\n`);
      return exitStatus.done;
    }
    const paint = palette(io);
    for (const facts of hosts) io.out(describeHost(facts, explainGpu, paint, io));
    const file = input.operands[0] ?? '';
    io.err(`next: vmgpu doctor ${file} --mode vm-passthrough\n`);
    return exitStatus.done;
  },
};

type Explain = typeof import('@vmgpu/host-prep/readiness').explainGpu;

function describeHost(facts: HostFacts, explain: Explain, paint: Palette, io: Io): string {
  const { os, kernelRelease } = facts.system;
  const about = [
    isUnknown(os) ? undefined : (os.prettyName ?? os.id),
    isUnknown(kernelRelease) ? undefined : `kernel ${kernelRelease}`,
    `PCI read from ${facts.pciSource}`,
  ].filter((part) => part !== undefined);
  const physical = facts.gpus.filter((gpu) => gpu.role === 'physical');
  const virtual = facts.gpus.length - physical.length;
  const count = `${physical.length} ${physical.length === 1 ? 'GPU' : 'GPUs'}${virtual > 0 ? ` and ${virtual} virtual functions` : ''}`;
  const blocks = physical.map((gpu) => describeGpu(facts, gpu, explain, paint, io));
  const gaps =
    facts.gaps.length === 0
      ? ''
      : `\n${paint.dim('Not read:')}\n${facts.gaps
          .slice(0, 8)
          .map((gap) => paint.dim(`  ${printable(gap.source)}: ${printable(gap.why)}`))
          .join(
            '\n',
          )}${facts.gaps.length > 8 ? paint.dim(`\n  … and ${facts.gaps.length - 8} more (--json shows all)`) : ''}\n`;
  return `${paint.bold(printable(facts.host))}: ${count} (${printable(about.join(', '))})\n\n${blocks.join('\n')}${gaps}`;
}

function describeGpu(facts: HostFacts, gpu: GpuDevice, explain: Explain, paint: Palette, io: Io): string {
  const title = gpu.deviceName ?? `${gpu.vendor} device`;
  const head = `${paint.bold(gpu.address)}  ${paint.bold(printable(title))}  ${paint.dim(gpu.id)}`;
  const lines = explain(facts, gpu.address).map(({ text }) =>
    wrap(printable(text), io.width - 2, '    ').replace(/^ {4}/, '  - '),
  );
  return `${head}\n${lines.join('\n')}\n`;
}

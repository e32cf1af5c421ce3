import { isLoss, type PlatformName, platformNames, type Reading } from '@vmgpu/core';
import { loadAdapter } from '../adapters.ts';
import type { Command, OptionSpec } from '../command.ts';
import { readText, writeText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';
import { readNative } from '../native-input.ts';
import { palette } from '../style.ts';
import { connect } from './plan.ts';
import { describeDiagnostics, readHosts, required } from './render.ts';

/** Options of every command that reads a native VM. */
export const sourceOptions: Readonly<Record<string, OptionSpec>> = {
  from: {
    type: 'string',
    choices: platformNames,
    value: 'P',
    help: `where it comes from: ${platformNames.join(' | ')}`,
  },
  connection: { type: 'string', value: 'NAME', help: 'read the VM of that name or id from a live platform' },
  vm: { type: 'string', value: 'NAME', help: 'which VM, when the files hold several' },
  host: {
    type: 'string',
    multiple: true,
    value: 'CAPTURE',
    help: 'the host it runs on; tells what an address is',
  },
};

export const read: Command = {
  name: 'read',
  summary: 'a native VM as vm.yaml, and what could not be said in neutral words',
  usage: '--from P FILE... | --from P --connection NAME VM',
  operands: { min: 1, max: 50 },
  options: {
    ...sourceOptions,
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'write vm.yaml to FILE instead of standard output',
    },
    strict: { type: 'boolean', help: 'exit with 1 when anything is lost' },
  },
  examples: [
    {
      line: 'vmgpu read --from proxmox 101.conf pci.cfg --host pve1.txt',
      what: 'with the mappings and the host it ran on',
    },
    {
      line: 'vmgpu read --from kubevirt vm.yaml kubevirt-cr.yaml',
      what: 'the KubeVirt CR tells which device a resource is',
    },
    { line: 'vmgpu read --from proxmox --connection lab 101', what: 'from the cluster itself' },
    { line: 'vmgpu read --from openstack server.json nova.conf', what: 'nova.conf tells what an alias is' },
  ],
  async run(input, io) {
    const { reading } = await readVm(input, io);
    const { stringify } = await import('yaml');
    const text = stringify(reading.intent, { lineWidth: 0 });
    const target = input.value('output');
    if (input.json)
      io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'Reading', ...reading }, null, 2)}\n`);
    else if (target === undefined) io.out(text);
    if (target !== undefined) await writeText(target, text, io);
    io.err(
      describeDiagnostics(reading.diagnostics, palette(io), io.width)
        .map((line) => `${line}\n`)
        .join(''),
    );
    return input.flag('strict') && reading.diagnostics.some(isLoss) ? exitStatus.findings : exitStatus.done;
  },
};

/** Reads the VM that the operands and options of a command line name: from a live platform, or from files. */
export async function readVm(
  input: Parameters<Command['run']>[0],
  io: Io,
): Promise<{ readonly from: PlatformName; readonly reading: Reading }> {
  const from = required(input.value('from'), '--from PLATFORM') as PlatformName;
  const { catalog } = await import('@vmgpu/core/catalog');
  if (input.value('connection') !== undefined) {
    const provider = await connect(from, input, io);
    try {
      const ref = { name: input.operands[0] ?? '' };
      const native = await provider.describe(ref, { signal: io.signal });
      const snapshot = await provider.snapshot('vm', { signal: io.signal, vm: ref });
      return { from, reading: provider.translate.toIntent(native, snapshot, { catalog }) };
    } finally {
      await provider.close?.();
    }
  }
  const files = [];
  for (const path of input.operands) files.push({ path, text: await readText(path, io) });
  const hosts = await readHosts(input.values('host'), io);
  const [adapter, { native, snapshot }] = await Promise.all([
    loadAdapter(from),
    readNative(from, files, hosts, input.value('vm')),
  ]);
  return { from, reading: adapter.translator.toIntent(native, snapshot, { catalog }) };
}

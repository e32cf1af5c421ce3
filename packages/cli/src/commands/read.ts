import { isLoss, type PlatformName, platformNames, type Reading } from '@vmgpu/core';
import { loadAdapter } from '../adapters.ts';
import type { Command, OptionSpec } from '../command.ts';
import { readText, writeText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';
import { readNative } from '../native-input.ts';
import { palette } from '../style.ts';
import { describeDiagnostics, readHosts, required } from './render.ts';

/** Options of every command that reads a native VM. */
export const sourceOptions: Readonly<Record<string, OptionSpec>> = {
  from: {
    type: 'string',
    choices: platformNames,
    value: 'P',
    help: `where it comes from: ${platformNames.join(' | ')}`,
  },
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
  usage: '--from P FILE...',
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

/** Reads the VM that the operands and options of a command line name. */
export async function readVm(
  input: Parameters<Command['run']>[0],
  io: Io,
): Promise<{ readonly from: PlatformName; readonly reading: Reading }> {
  const from = required(input.value('from'), '--from PLATFORM') as PlatformName;
  const files = [];
  for (const path of input.operands) files.push({ path, text: await readText(path, io) });
  const hosts = await readHosts(input.values('host'), io);
  const [adapter, { catalog }, { native, snapshot }] = await Promise.all([
    loadAdapter(from),
    import('@vmgpu/core/catalog'),
    readNative(from, files, hosts, input.value('vm')),
  ]);
  return { from, reading: adapter.translator.toIntent(native, snapshot, { catalog }) };
}

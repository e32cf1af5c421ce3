import { join } from 'node:path';
import { badInput } from '@vmgpu/core';
import type { HostPort } from '@vmgpu/host-prep/exec';
import type { Command, CommandInput } from '../command.ts';
import { writeText } from '../files.ts';
import { type ExitStatus, exitStatus, type Io } from '../io.ts';
import { namesHosts, openHosts, sshOptions } from '../ssh-hosts.ts';
import { printable } from '../style.ts';

export const collect: Command = {
  name: 'collect',
  summary: 'read a host into one text file, or print the script that does',
  usage: '[--ssh HOST...] [--script] [-o FILE]',
  operands: { min: 0, max: 0 },
  options: {
    script: { type: 'boolean', help: 'print the POSIX sh script instead of running it here' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'write to FILE instead of standard output; of several hosts, to HOST.txt in that directory',
    },
    ...sshOptions,
  },
  examples: [
    { line: 'vmgpu collect --ssh root@gpu01 -o gpu01.txt', what: 'read another host in one round trip' },
    { line: 'vmgpu collect -o this-host.txt', what: 'read this machine (run it as root to see everything)' },
    {
      line: 'vmgpu collect --script | ssh gpu01 sudo sh > gpu01.txt',
      what: 'read another host with nothing but ssh',
    },
  ],
  async run(input, io) {
    const ports = namesHosts(input) && !input.flag('script') ? await openHosts(input, io) : undefined;
    if (ports && ports.length > 1) return collectMany(ports, input, io);
    const text = input.flag('script') ? await script() : await read(ports?.[0], io);
    const target = input.value('output');
    if (input.json) {
      const kind = input.flag('script') ? 'CaptureScript' : 'HostCapture';
      io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind, text })}\n`);
    } else if (target === undefined) {
      io.out(text);
    }
    if (target !== undefined) {
      await writeText(target, text, io);
      io.err(`wrote ${target}; next: vmgpu inspect ${target}\n`);
    }
    return exitStatus.done;
  },
};

async function script(): Promise<string> {
  return (await import('@vmgpu/host-prep/capture')).captureScript;
}

/** One host; this machine when none is named. */
async function read(port: HostPort | undefined, io: Io): Promise<string> {
  const { captureHost } = await import('@vmgpu/host-prep/exec');
  const from = port ?? (await import('@vmgpu/host-prep/local')).createLocalPort();
  try {
    return await captureHost(from, { signal: io.signal });
  } finally {
    await from.close();
  }
}

async function collectMany(ports: readonly HostPort[], input: CommandInput, io: Io): Promise<ExitStatus> {
  const target = input.value('output');
  if (target === undefined && !input.json)
    throw badInput('several captures need a directory', {
      found: 'no -o',
      expected: '-o DIRECTORY, or --json',
    });
  const { onHosts } = await import('@vmgpu/host-prep/exec');
  const results = await onHosts(ports, (port) => read(port, io), { signal: io.signal });
  for (const result of results) {
    if (result.ok && target !== undefined) {
      const file = join(target, `${result.host.replaceAll(/[^A-Za-z0-9._@-]/g, '_')}.txt`);
      await writeText(file, result.value, io);
      io.err(`wrote ${file}\n`);
    } else if (!result.ok) {
      io.err(
        `${printable(result.host)}: ${printable(result.ok === false ? String((result.error as Error).message) : 'not read')}\n`,
      );
    }
  }
  if (input.json) {
    const captures = results.map((result) => ({
      host: result.host,
      ...(result.ok ? { text: result.value } : {}),
      ...(result.ok === false ? { error: result.error } : {}),
    }));
    io.out(`${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'HostCaptureList', captures })}\n`);
  }
  return results.every(({ ok }) => ok) ? exitStatus.done : exitStatus.refused;
}

import { spawn } from 'node:child_process';
import { VmgpuError } from '@vmgpu/core';
import type { Command } from '../command.ts';
import { writeText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';

/** Far above what a slow host needs; a hanging driver must not hang us. */
const deadlineMs = 120_000;

export const collect: Command = {
  name: 'collect',
  summary: 'read a host into one text file, or print the script that does',
  usage: '[--script] [-o FILE]',
  operands: { min: 0, max: 0 },
  options: {
    script: { type: 'boolean', help: 'print the POSIX sh script instead of running it here' },
    output: { type: 'string', short: 'o', value: 'FILE', help: 'write to FILE instead of standard output' },
  },
  examples: [
    { line: 'vmgpu collect -o this-host.txt', what: 'read this machine (run it as root to see everything)' },
    {
      line: 'vmgpu collect --script | ssh gpu01 sudo sh > gpu01.txt',
      what: 'read another host in one round trip',
    },
  ],
  async run(input, io) {
    const { captureScript } = await import('@vmgpu/host-prep/capture');
    const text = input.flag('script') ? captureScript : await runLocally(captureScript, io.signal);
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

async function runLocally(script: string, signal: Io['signal']): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-s'], { stdio: ['pipe', 'pipe', 'pipe'], signal, timeout: deadlineMs });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(script);
    child.on('error', (error) =>
      reject(
        signal.aborted
          ? new VmgpuError('aborted', 'collect was cancelled')
          : new VmgpuError('refused', 'cannot run sh on this machine', {
              found: error.message,
              expected: 'a POSIX sh in PATH',
            }),
      ),
    );
    child.on('close', (status, killedBy) => {
      if (status === 0) return resolve(Buffer.concat(out).toString('utf8'));
      reject(
        new VmgpuError('refused', 'the capture script failed', {
          found: killedBy ?? `exit status ${status}: ${Buffer.concat(err).toString('utf8').trim()}`,
          expected: 'exit status 0',
        }),
      );
    });
  });
}

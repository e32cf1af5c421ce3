import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { VmgpuError } from '@vmgpu/core';
import { startDeadline, systemClock } from '@vmgpu/core/resilience';
import type { HostPort } from '../exec/host-port.ts';
import { lineReader } from '../exec/lines.ts';

/** This machine. The process must run as root to see and change everything. */
export function createLocalPort(name = 'this machine'): HostPort {
  return {
    name,
    close: async () => undefined,
    run: ([program = '', ...words], { input = '', onLine, signal, timeoutMs } = {}) =>
      new Promise((resolve, reject) => {
        const deadline = startDeadline(systemClock, program, timeoutMs, [signal]);
        if (deadline.signal.aborted) {
          deadline.release();
          reject(deadline.signal.reason);
          return;
        }
        // A group of its own: what the program has started must end with it.
        const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
        const out: Buffer[] = [];
        const err: Buffer[] = [];
        const lines = lineReader(onLine);
        const kill = () => {
          try {
            process.kill(-(child.pid as number), 'SIGTERM');
          } catch {
            // It has ended meanwhile.
          }
        };
        deadline.signal.addEventListener('abort', kill, { once: true });
        child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
        child.stderr.on('data', (chunk: Buffer) => {
          err.push(chunk);
          lines.push(chunk);
        });
        // A program may end without reading all its input.
        child.stdin.on('error', () => undefined);
        child.stdin.end(input);
        child.on('error', (error) => {
          deadline.release();
          reject(
            new VmgpuError('refused', `cannot run ${program} on this machine`, {
              found: error.message,
              expected: 'a POSIX system',
            }),
          );
        });
        child.on('close', (status, killedBy) => {
          deadline.signal.removeEventListener('abort', kill);
          deadline.release();
          lines.end();
          if (deadline.signal.aborted) return reject(deadline.signal.reason);
          resolve({
            status: status ?? 128 + (killedBy === null ? 0 : constants.signals[killedBy]),
            stdout: Buffer.concat(out).toString('utf8'),
            stderr: Buffer.concat(err).toString('utf8'),
          });
        });
      }),
  };
}

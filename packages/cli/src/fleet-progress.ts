import type { HostEvent } from '@vmgpu/host-prep/exec';
import type { Io } from './io.ts';
import { palette, printable } from './style.ts';

/**
 * What happens on hosts, in words: a line for what has ended; on a terminal, below them, one line a host that says what
 * it does now.
 */
export function fleetProgress(io: Io): (event: HostEvent) => void {
  const paint = palette(io);
  const now = new Map<string, string>();
  const steps = new Map<string, number>();
  let drawn = 0;
  const clear = () => {
    if (drawn > 0) io.err(`\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  };
  const draw = () => {
    if (!io.terminal) return;
    for (const [host, text] of now) io.err(`${`${printable(host)}  ${text}`.slice(0, io.width - 1)}\n`);
    drawn = now.size;
  };
  const said = (host: string, mark: string, text: string) =>
    io.err(`${mark} ${paint.bold(printable(host))}  ${printable(text)}\n`);
  return (event) => {
    const { host } = event;
    clear();
    switch (event.type) {
      case 'host-start':
        steps.set(host, event.steps);
        now.set(host, `… ${event.steps} steps`);
        break;
      case 'step-start':
        now.set(host, `… ${event.position}/${steps.get(host) ?? '?'} ${printable(event.summary)}`);
        break;
      case 'step-progress':
        if (!io.terminal || /^(?:write|edit|remove|restore|run:)/.test(event.message))
          said(host, paint.dim('·'), event.message);
        break;
      case 'step-end':
        if (event.status === 'failed') said(host, paint.red('✗'), event.step);
        break;
      case 'reboot-start':
        now.set(host, '… reboots');
        said(host, paint.yellow('↻'), 'reboots');
        break;
      case 'reboot-end':
        said(host, paint.yellow('↻'), `answers again after ${event.seconds} s`);
        break;
      case 'host-end': {
        now.delete(host);
        const bad = event.status === 'failed' || event.status === 'skipped';
        const words = { 'reboot-needed': 'needs a reboot', skipped: 'not begun: others failed' } as const;
        const status = words[event.status as keyof typeof words] ?? event.status;
        said(host, bad ? paint.red('✗') : paint.green('✓'), event.error ? event.error.message : status);
      }
    }
    draw();
  };
}

import type { OperationEvent } from '@vmgpu/core';
import type { Io } from './io.ts';
import { palette, printable } from './style.ts';

/** Words for the events of an operation: one line a step, and a line that is overwritten while one runs (terminals). */
export function progressPrinter(io: Io): (event: OperationEvent) => void {
  const paint = palette(io);
  const summaries = new Map<string, string>();
  let total = 0;
  const live = (text: string) => {
    if (io.terminal) io.err(`\r\u001b[2K${text.slice(0, io.width - 1)}`);
  };
  const line = (text: string) => io.err(`${io.terminal ? '\r\u001b[2K' : ''}${text}\n`);
  return (event) => {
    switch (event.type) {
      case 'operation-start': {
        total = event.steps;
        const before = event.alreadyDone > 0 ? `, ${event.alreadyDone} done before` : '';
        line(paint.bold(`${event.goal} on ${event.platform}: ${event.vm}, ${total} steps${before}`));
        return;
      }
      case 'step-start':
        summaries.set(event.step, printable(event.summary));
        live(`  … ${event.position}/${event.steps} ${printable(event.summary)}`);
        return;
      case 'step-progress': {
        const percent = event.fraction === undefined ? '' : ` ${Math.round(event.fraction * 100)} %`;
        live(`  … ${summaries.get(event.step) ?? event.step}${percent} ${printable(event.message ?? '')}`);
        return;
      }
      case 'step-retry':
        line(
          paint.yellow(
            `  ~ try ${event.attempt} failed, again in ${event.delayMs} ms: ${printable(event.error.message)}`,
          ),
        );
        return;
      case 'step-end': {
        const failed = event.status === 'failed';
        const mark = failed
          ? paint.red('✗')
          : event.status === 'unchanged'
            ? paint.dim('=')
            : paint.green('✓');
        const why = event.error ? `\n      ${printable(event.error.message)}` : '';
        line(`  ${mark} ${event.status.padEnd(9)} ${summaries.get(event.step) ?? event.step}${why}`);
        return;
      }
      case 'undo-start':
        summaries.set(event.step, printable(event.summary));
        live(`  … taking back: ${printable(event.summary)}`);
        return;
      case 'undo-end': {
        const failed = event.status === 'failed';
        const why = event.error ? `\n      ${printable(event.error.message)}` : '';
        line(
          `  ${failed ? paint.red('✗ left     ') : paint.yellow('↶ undone   ')} ${summaries.get(event.step) ?? event.step}${why}`,
        );
        return;
      }
      case 'operation-end':
        line(event.status === 'succeeded' ? paint.green('done') : paint.red(event.status));
    }
  };
}

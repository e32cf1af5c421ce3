import { describeHostPlan, type HostPlan } from '@vmgpu/host-prep/plan';
import { type Palette, printable } from './style.ts';

/** A host plan for people: every step, and every file as a diff. */
export function hostPlanText(plan: HostPlan, paint: Palette): string {
  if (plan.steps.length === 0) return `${printable(plan.host)}: nothing to do\n`;
  const changes = describeHostPlan(plan);
  const risk = {
    none: '',
    'service-restart': 'restarts a service',
    'vm-restart': 'restarts VMs',
    'host-reboot': 'reboots the host',
  };
  const lines = plan.steps.flatMap((step, index) => {
    const notes = [risk[step.risk], step.reversible ? '' : 'cannot be undone'].filter(Boolean).join(', ');
    const head = `${paint.bold(`${index + 1}. ${printable(step.summary)}`)}${notes ? paint.yellow(` (${notes})`) : ''}`;
    const diff = changes.find((change) => change.step === step.id)?.diff;
    return diff === undefined ? [head] : [head, colourDiff(printable(diff).trimEnd(), paint)];
  });
  return `${paint.bold(printable(plan.host))}: ${plan.steps.length} steps${plan.reboot ? ', with a reboot' : ''}\n${lines.join('\n')}\n`;
}

function colourDiff(diff: string, paint: Palette): string {
  return diff
    .split('\n')
    .map(
      (line) =>
        `   ${line.startsWith('+') ? paint.green(line) : line.startsWith('-') ? paint.red(line) : paint.dim(line)}`,
    )
    .join('\n');
}

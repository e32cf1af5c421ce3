import { apiVersion, type CallOptions, VmgpuError } from '@vmgpu/core';
import type { HostPlan } from '../plan/host-plan.ts';
import { here } from '../render/shell-step.ts';
import type { HostPort } from './host-port.ts';

/** The plan that is at work, kept on the host so that anybody with access to it can go on. */
const planFile = '/var/lib/vmgpu/plan.json';

/**
 * Shell lines that keep the plan before its first step, for a script that holds the lock. Another plan that did not end
 * stays what `unfinishedPlan` tells until this one is there. A host whose disk is full stops here, with nothing changed.
 */
export function rememberPlan(plan: HostPlan): string {
  return `(
file=\${VMGPU_ROOT:-}${planFile}
umask 077
trap 'rm -f "$file.new"' EXIT
{ cat >"$file.new" || exit 1; } ${here(`${JSON.stringify(plan)}\n`)}
sync "$file.new" 2>/dev/null || sync
mv -f "$file.new" "$file"
) || exit 1`;
}

export async function forgetPlan(port: HostPort, options: CallOptions): Promise<void> {
  await port.run(['sh', '-c', `rm -f "\${VMGPU_ROOT:-}${planFile}"`], options);
}

/** The plan whose application did not end on this host; undefined when there is none. */
export async function unfinishedPlan(
  port: HostPort,
  options: CallOptions = {},
): Promise<HostPlan | undefined> {
  const { stdout } = await port.run(
    ['sh', '-c', `cat "\${VMGPU_ROOT:-}${planFile}" 2>/dev/null || :`],
    options,
  );
  if (stdout.trim() === '') return undefined;
  try {
    const plan = JSON.parse(stdout) as Partial<HostPlan>;
    if (plan.apiVersion === apiVersion && plan.kind === 'HostPlan') return plan as HostPlan;
  } catch {
    // Said below.
  }
  throw new VmgpuError('bad-input', `${planFile} on ${port.name} is no plan`, {
    found: stdout.slice(0, 80),
    hint: 'remove it and prepare the host anew',
  });
}

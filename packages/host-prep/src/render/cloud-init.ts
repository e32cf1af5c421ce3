import type { HostPlan } from '../plan/host-plan.ts';
import { shellScript } from './shell.ts';

const script = '/var/lib/vmgpu/prepare';

/**
 * `#cloud-config` for a new host: the script, and a file of cloud-init's scripts-per-boot that runs it at every boot, so
 * that it goes on after the reboot it asks for (cloud-init, modules write_files and scripts_per_boot).
 */
export function cloudConfig(plan: HostPlan): Readonly<Record<string, unknown>> {
  return {
    write_files: [
      { path: script, permissions: '0755', content: shellScript(plan) },
      {
        path: '/var/lib/cloud/scripts/per-boot/vmgpu-prepare',
        permissions: '0755',
        content: `#!/bin/sh\nexec ${script} --reboot\n`,
      },
    ],
  };
}

import { type Artifact, badInput, shellCommand } from '@vmgpu/core';
import type { HostPlan } from '../plan/host-plan.ts';
import { playbook } from './ansible.ts';
import { cloudConfig } from './cloud-init.ts';
import { machineConfig, nixosModule, ostreeArguments, talosPatch } from './emit.ts';
import { shellScript } from './shell.ts';

/** Forms a host plan can be written in. */
export const hostPlanForms = [
  'sh',
  'cloud-init',
  'ansible',
  'machineconfig',
  'talos',
  'nixos',
  'rpm-ostree',
] as const;
export type HostPlanForm = (typeof hostPlanForms)[number];

export interface RenderHostOptions {
  /** Machine config pool of a MachineConfig; `worker` when not given. */
  readonly role?: string;
}

/** The same plan in another form, for people and tools that apply it instead of us. Throws `bad-input` for an unknown form. */
export function renderHostPlan(
  plan: HostPlan,
  form: HostPlanForm,
  options: RenderHostOptions = {},
): Artifact {
  const make = forms[form];
  if (make === undefined)
    throw badInput('not a form of a host plan', { found: form, expected: hostPlanForms.join(', ') });
  return { scope: 'host', ...make(plan, options) };
}

type Made = Omit<Artifact, 'scope'>;

const forms: Readonly<Record<HostPlanForm, (plan: HostPlan, options: RenderHostOptions) => Made>> = {
  sh: (plan) => ({
    path: 'host/prepare.sh',
    content: { format: 'text', text: shellScript(plan), comment: '#' },
    apply: `sh prepare.sh as root, again after the reboot${plan.goal === null ? '' : '; sh prepare.sh --rollback takes it back'}`,
    mode: 0o755,
  }),
  'cloud-init': (plan) => ({
    path: 'host/user-data',
    content: {
      format: 'text',
      text: `#cloud-config\n${JSON.stringify(cloudConfig(plan), null, 2)}\n`,
      comment: '#',
    },
    apply: "give it to the host's first boot as user data (JSON is YAML)",
  }),
  ansible: (plan) => ({
    path: 'host/playbook.yaml',
    content: { format: 'yaml', documents: [playbook(plan)] },
    apply: 'ansible-playbook -i INVENTORY playbook.yaml',
  }),
  machineconfig: (plan, { role = 'worker' }) => {
    if (!/^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$/.test(role))
      throw badInput('not a machine config pool', { found: role, expected: 'a name such as worker' });
    return {
      path: 'host/machine-config.yaml',
      content: { format: 'yaml', documents: [machineConfig(plan, role)] },
      apply: `oc apply -f machine-config.yaml; the nodes of the pool ${role} reboot one after another`,
    };
  },
  talos: (plan) => ({
    path: 'host/talos-patch.yaml',
    content: { format: 'yaml', documents: [talosPatch(plan)] },
    apply: 'talosctl patch machineconfig --patch @talos-patch.yaml; binds by id, so equal cards go together',
  }),
  nixos: (plan) => ({
    path: 'host/vmgpu.nix',
    content: { format: 'text', text: nixosModule(plan), comment: '#' },
    apply:
      'import it into configuration.nix, then nixos-rebuild boot; binds by id, so equal cards go together',
  }),
  'rpm-ostree': (plan) => ({
    path: 'host/kernel-arguments.sh',
    content: { format: 'text', text: `#!/bin/sh\n${shellCommand(ostreeArguments(plan))}\n`, comment: '#' },
    apply:
      'sh kernel-arguments.sh as root, then reboot; the files of the plan go into the image or the Ignition config',
    mode: 0o755,
  }),
};

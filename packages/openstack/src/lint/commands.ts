import type { LintFinding, SourceFile } from '@vmgpu/core';
import { hasTopology } from '../translate/extra-spec-keys.ts';
import { extraSpecProblem } from '../translate/extra-specs.ts';
import { aliasOptions } from './alias-rules.ts';
import { type ConfigView, whereIs } from './config-view.ts';
import { specsOf } from './device-spec-rules.ts';

interface Command {
  readonly text: string;
  readonly start: number;
}

interface Property {
  readonly key: string;
  readonly value: string;
  readonly start: number;
}

type Draft = Omit<LintFinding, 'where'> & { readonly at: number };

/** Commands of a shell text: flavors, images, and restarts of containers. */
export function lintCommands(
  file: SourceFile,
  part: { readonly text: string; readonly base: number },
  views: readonly ConfigView[],
): readonly LintFinding[] {
  return commandsOf(part.text)
    .flatMap((command) => [...restarts(command), ...properties(command, views)])
    .map(({ at, ...draft }) => ({ ...draft, where: whereIs(file, part.base + at) }));
}

/** Lines, with those that a backslash continues joined; a line of dots stands for options left out. */
function commandsOf(text: string): readonly Command[] {
  return [...text.matchAll(/(?:[^\n]*\\\n(?:[ \t]*\.\.\.[ \t]*\n)?)*[^\n]*/g)].flatMap(
    ({ 0: line, index }) => (line.trim() === '' ? [] : [{ text: line, start: index }]),
  );
}

function restarts({ text, start }: Command): readonly Draft[] {
  const match = /\b(docker|podman) restart (nova-[a-z]+)/.exec(text);
  if (match) {
    const [, tool, name = ''] = match;
    const container = name.replaceAll('-', '_');
    const at = start + match.index + match[0].length - name.length;
    const drafts: Draft[] = [
      {
        rule: 'kolla.container-name',
        severity: 'warning',
        at,
        message: `kolla-ansible’s container is called ${container}`,
        why: `${tool} finds none of the name ${name}`,
        remedy: `Write ${container}; better, change the configuration and run kolla-ansible reconfigure -t nova.`,
      },
    ];
    if (name === 'nova-api' || name === 'nova-scheduler') drafts.push(everyController(name, at));
    return drafts;
  }
  return [];
}

function everyController(name: string, at: number): Draft {
  return {
    rule: 'nova.restart-everywhere',
    severity: 'info',
    at,
    message: `restart ${name} on every controller`,
    why: 'one that was not restarted answers "PCI alias ... is not defined", now and then',
  };
}

function properties(command: Command, views: readonly ConfigView[]): readonly Draft[] {
  const found = [
    ...command.text.matchAll(/--property[ =]+["']?([^"'=\s]+)["']?=["']?([^"'\s\\]*)["']?/g),
  ].map(({ 1: key = '', 2: value = '', index }): Property => ({ key, value, start: command.start + index }));
  if (found.length === 0) return [];
  const ofFlavor = /\bflavor (create|set)\b/.test(command.text);
  const specs = Object.fromEntries(found.map(({ key, value }) => [key, value]));
  const bare = /^\s*\$?\s*--property/.test(command.text);
  return [
    ...(bare ? [withoutCommand(command)] : []),
    ...found.flatMap((property) => [
      ...(ofFlavor ? [...refused(property), ...undefinedAlias(property, views)] : []),
      ...hidden(property),
    ]),
    ...(ofFlavor ? numa(found, specs) : []),
  ];
}

function withoutCommand({ start, text }: Command): Draft {
  return {
    rule: 'openstack.property-without-command',
    severity: 'warning',
    at: start + text.indexOf('--property'),
    message: 'an option without its command',
    why: 'run like this it does nothing',
    remedy: 'Write openstack image set --property KEY=VALUE IMAGE (or openstack flavor set).',
  };
}

function refused({ key, value, start }: Property): readonly Draft[] {
  const problem = extraSpecProblem(key, value);
  if (problem === undefined) return [];
  return [
    {
      rule: 'openstack.extra-spec',
      severity: 'error',
      at: start,
      message: `${key}=${value}: ${problem}`,
      why: 'Nova refuses it from microversion 2.86 on; below, it is stored, and a server create may end with HTTP 500',
    },
  ];
}

function undefinedAlias({ key, value, start }: Property, views: readonly ConfigView[]): readonly Draft[] {
  const known = views.flatMap(aliasOptions).flatMap((option) => specsOf(option).map(({ name }) => name));
  if (key !== 'pci_passthrough:alias' || known.length === 0) return [];
  return value
    .split(',')
    .map((part) => part.split(':')[0]?.trim())
    .filter((name) => name !== undefined && !known.includes(name))
    .map((name) => ({
      rule: 'openstack.alias-undefined',
      severity: 'error',
      at: start,
      message: `no alias is called ${name}`,
      why: `server create is answered with HTTP 400 "PCI alias ${name} is not defined"; names are compared with case`,
    }));
}

function hidden({ key, start }: Property): readonly Draft[] {
  if (!['img_hide_hypervisor_id', 'hide_hypervisor_id', 'hw:hide_hypervisor_id'].includes(key)) return [];
  return [
    {
      rule: 'openstack.hide-hypervisor',
      severity: 'info',
      at: start,
      message: 'hiding the hypervisor is needed only for GeForce drivers on Windows before R465',
      why: 'it takes KVM’s paravirtual features from the guest; data-centre cards and newer drivers do not ask for it',
      remedy:
        'Leave it out; where it is needed, prefer the flavor key hw:hide_hypervisor_id (22.0.0 and later).',
    },
  ];
}

/** A NUMA policy without the guest topology that makes it hold, and GPU flavors without any. */
function numa(found: readonly Property[], specs: Readonly<Record<string, string>>): readonly Draft[] {
  const policy = found.find(({ key }) => key === 'hw:pci_numa_affinity_policy');
  const alias = found.find(({ key }) => key === 'pci_passthrough:alias');
  if (hasTopology(specs)) return [];
  if (policy !== undefined) {
    return [
      {
        rule: 'openstack.numa-policy-without-topology',
        severity: 'warning',
        at: policy.start,
        message: 'the NUMA policy does nothing: the guest has no NUMA topology',
        why: 'Nova looks at it only for guests with hw:numa_nodes, hw:cpu_policy=dedicated or hw:mem_page_size',
        remedy: 'Add --property hw:numa_nodes=1, and NUMATopologyFilter to the scheduler.',
      },
    ];
  }
  if (alias === undefined) return [];
  return [
    {
      rule: 'openstack.flavor-hints',
      severity: 'info',
      at: alias.start,
      message: 'the flavor says nothing of NUMA',
      why: 'CPUs and memory may come from the other socket than the GPU',
      remedy:
        'Consider hw:numa_nodes=1 with hw:pci_numa_affinity_policy=preferred, and hw_machine_type=q35 with hw_firmware_type=uefi on the image.',
    },
  ];
}

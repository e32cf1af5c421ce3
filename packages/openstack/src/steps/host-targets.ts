import { type Step, VmgpuError } from '@vmgpu/core';
import type { ConfigState } from '../translate/config-steps.ts';
import type { OsloSections } from '../translate/oslo-config.ts';
import type { Deployment, NovaService } from '../translate/snapshot.ts';
import { mergeConfig, ownHeader } from './merge-config.ts';

/** Hosts by what they are for: GPU hosts, controllers, and the one from which a deployment tool works. */
export type HostRole = 'compute' | 'control' | 'deploy';

/** What one step means on hosts. */
export interface HostTarget {
  readonly role: HostRole;
  /** The one host of that role it is for. */
  readonly host?: string;
  readonly files: readonly TargetFile[];
  /** What reads the files; `reconfigure` of a deployment tool. */
  readonly services: readonly (NovaService | 'reconfigure')[];
}

export interface TargetFile {
  readonly path: string;
  /** The whole file, made from what is there. */
  readonly content: (now: string | undefined) => string;
}

export interface TargetOptions {
  /** Where drop-in files go; default `/etc/nova/nova.conf.d`. For kolla-ansible its `node_custom_config`, `/etc/kolla/config`. */
  readonly directory?: string;
}

/** Files and services of one step of configuration. Throws `unsupported` where a deployment keeps them in files that are not ours to write. */
export function targetOf(step: Step, options: TargetOptions): HostTarget {
  return step.kind === 'openstack.provider-config'
    ? providerTarget(step)
    : configTarget(step.after as ConfigState, options);
}

function configTarget(state: ConfigState, { directory }: TargetOptions): HostTarget {
  const { deployment, service, host, sections } = state;
  const role = service === 'nova-compute' ? 'compute' : 'control';
  const only = host === undefined ? {} : { host };
  if (deployment === 'kolla-ansible') {
    const folder = directory ?? '/etc/kolla/config';
    const path =
      service === 'placement-api'
        ? 'placement.conf'
        : `nova/${host === undefined ? `${service}.conf` : `${host}/nova.conf`}`;
    return { role: 'deploy', files: [merged(`${folder}/${path}`, sections)], services: ['reconfigure'] };
  }
  if (deployment === 'openstack-ansible') throw byHand(deployment);
  if (service === 'placement-api') {
    return { role, files: [merged('/etc/placement/placement.conf', sections)], services: [service] };
  }
  if (deployment === 'devstack') {
    // Its units name their file, so that no drop-in is read. Source: DevStack, lib/nova (NOVA_CPU_CONF, NOVA_CONF).
    const file = service === 'nova-compute' ? '/etc/nova/nova-cpu.conf' : '/etc/nova/nova.conf';
    return { role, ...only, files: [merged(file, sections)], services: [service] };
  }
  const folder = directory ?? '/etc/nova/nova.conf.d';
  // What nova-api and nova-compute both read is a file of its own: on a host that runs both, an alias in two would count twice.
  const alias = pick(sections, (key) => key === 'alias');
  const rest = pick(sections, (key) => key !== 'alias');
  const rank = host === undefined ? 50 : 60;
  return {
    role,
    ...only,
    files: [
      ...(alias.length > 0 ? [merged(`${folder}/50-vmgpu-alias.conf`, alias)] : []),
      ...(rest.length > 0
        ? [merged(`${folder}/${rank}-vmgpu-${service.replace(/^nova-/, '')}.conf`, rest)]
        : []),
    ],
    services: [service],
  };
}

function pick(sections: OsloSections, wanted: (key: string) => boolean): OsloSections {
  return sections
    .map(({ section, options }) => ({ section, options: options.filter(({ key }) => wanted(key)) }))
    .filter(({ options }) => options.length > 0);
}

function merged(path: string, sections: OsloSections): TargetFile {
  return { path, content: (now = ownHeader) => mergeConfig(now, sections, path) };
}

interface ProviderDocument {
  readonly meta: unknown;
  readonly providers: readonly { readonly identification: { readonly name: string } }[];
}

/** Providers of other plans stay. JSON is YAML. Source: Nova 26, "Managing Resource Providers Using Config Files". */
function providerTarget({ after, target }: Step): HostTarget {
  const { deployment, host, document } = after as {
    readonly deployment: Deployment;
    readonly host: string;
    readonly document: ProviderDocument;
  };
  if (deployment === 'kolla-ansible' || deployment === 'openstack-ansible') throw byHand(deployment);
  const path = `/etc/nova/provider_config/${target.name}`;
  const content = (now: string | undefined) => {
    const names = document.providers.map(({ identification }) => identification.name);
    const others = now === undefined ? [] : readProviders(now, path);
    const providers = [
      ...others.filter(({ identification }) => !names.includes(identification.name)),
      ...document.providers,
    ];
    return `${ownHeader}${JSON.stringify({ ...document, providers }, null, 2)}\n`;
  };
  return { role: 'compute', host, files: [{ path, content }], services: ['nova-compute'] };
}

function readProviders(text: string, path: string): ProviderDocument['providers'] {
  try {
    return (JSON.parse(text.replace(/^#.*\n/, '')) as ProviderDocument).providers;
  } catch {
    throw new VmgpuError('conflict', `${path} is not a file of vmgpu`, {
      where: { file: path },
      hint: 'move its providers to another file of that folder',
    });
  }
}

function byHand(deployment: Deployment): VmgpuError {
  return new VmgpuError('unsupported', `what ${deployment} reads this from is not written over SSH`, {
    hint: 'write the files out (vmgpu render), put them in place and run its playbooks; then plan with that configuration, or with scope vm',
  });
}

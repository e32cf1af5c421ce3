import type { Step } from '@vmgpu/core';
import type { ConfigState } from './config-steps.ts';
import { type OsloSections, printOsloSections } from './oslo-config.ts';
import type { Deployment, NovaService } from './snapshot.ts';

/** A configuration file of one way to deploy. */
export interface ConfigFile {
  /** Where it belongs: on the host, or in the deployment tool's configuration. */
  readonly file: string;
  readonly content:
    | { readonly format: 'text'; readonly text: string; readonly comment: string }
    | { readonly format: 'yaml'; readonly documents: readonly unknown[] };
  readonly restart: readonly string[];
  /** The one host it is for. */
  readonly hosts?: readonly string[];
  readonly apply: string;
}

/** The files of a plan's configuration steps, in the order in which they must take effect. */
export function configFiles(steps: readonly Step[]): readonly ConfigFile[] {
  const states = steps.flatMap((step) =>
    step.kind === 'openstack.config' ? [step.after as ConfigState] : [],
  );
  const providers = steps.flatMap((step) =>
    step.kind === 'openstack.provider-config' ? [step.after as ProviderState] : [],
  );
  const deployment = states[0]?.deployment ?? providers[0]?.deployment;
  if (deployment === undefined) return [];
  return [...layouts[deployment](states), ...providers.map(providerFile)];
}

interface ProviderState {
  readonly deployment: Deployment;
  readonly host: string;
  readonly document: unknown;
}

function providerFile({ deployment, host, document }: ProviderState): ConfigFile {
  const kolla = deployment === 'kolla-ansible';
  return {
    file: kolla
      ? `/etc/kolla/config/nova/${host}/provider_config.yaml`
      : '/etc/nova/provider_config/vmgpu.yaml',
    content: { format: 'yaml', documents: [document] },
    restart: [kolla ? 'nova_compute' : 'nova-compute'],
    hosts: [host],
    apply: kolla
      ? `host variable nova_cell_compute_provider_config of ${host} names this file; then kolla-ansible reconfigure -t nova`
      : `on ${host}; then systemctl restart nova-compute`,
  };
}

const layouts: Readonly<Record<Deployment, (states: readonly ConfigState[]) => readonly ConfigFile[]>> = {
  packages,
  'kolla-ansible': kolla,
  'openstack-ansible': openstackAnsible,
  devstack,
};

function text(sections: OsloSections): ConfigFile['content'] {
  return { format: 'text', text: printOsloSections(sections), comment: '#' };
}

/**
 * Drop-in files, so that nobody's nova.conf is edited. What nova-api and nova-compute both read (aliases) is one file of
 * its own: on a host that runs both, an alias in two files would count twice.
 */
function packages(states: readonly ConfigState[]): readonly ConfigFile[] {
  const folder = '/etc/nova/nova.conf.d';
  const shared = states
    .find(({ service }) => service === 'nova-api')
    ?.sections.map(({ section, options }) => ({
      section,
      options: options.filter(({ key }) => key === 'alias'),
    }))
    .filter(({ options }) => options.length > 0);
  const files: ConfigFile[] = [];
  for (const { service, host, sections } of states) {
    const own = service === 'nova-compute' || service === 'nova-api' ? without(sections, 'alias') : sections;
    if (own.length === 0) continue;
    if (service === 'nova-api' || service === 'nova-conductor') continue;
    const placement = service === 'placement-api';
    files.push({
      file: placement
        ? '/etc/placement/placement.conf'
        : `${folder}/${host === undefined ? 50 : 60}-vmgpu-${service === 'nova-compute' ? 'compute' : 'control'}.conf`,
      content: text(service === 'nova-scheduler' ? merged([own, ...controlSections(states)]) : own),
      restart: service === 'nova-scheduler' ? ['nova-api', 'nova-scheduler', 'nova-conductor'] : [service],
      ...(host === undefined ? {} : { hosts: [host] }),
      apply: placement
        ? 'add to /etc/placement/placement.conf, then restart placement-api'
        : service === 'nova-compute'
          ? `on ${host ?? 'every GPU host'}; then systemctl restart nova-compute`
          : 'on every controller, after the compute hosts; then systemctl restart nova-api nova-scheduler nova-conductor',
    });
  }
  if (shared !== undefined && shared.length > 0) {
    const compute = files.findIndex(({ file }) => file.endsWith('compute.conf'));
    files.splice(Math.max(compute, 0), 0, {
      file: `${folder}/50-vmgpu-alias.conf`,
      content: text(shared),
      restart: ['nova-compute', 'nova-api'],
      apply:
        'on every GPU host and every controller; then systemctl restart nova-compute, and nova-api after it',
    });
  }
  return files;
}

/** What api and conductor read besides aliases; all services of a controller share the folder. */
function controlSections(states: readonly ConfigState[]): readonly OsloSections[] {
  return states
    .filter(({ service }) => service === 'nova-api' || service === 'nova-conductor')
    .map(({ sections }) => without(sections, 'alias'));
}

function without(sections: OsloSections, key: string): OsloSections {
  return sections
    .map(({ section, options }) => ({ section, options: options.filter((option) => option.key !== key) }))
    .filter(({ options }) => options.length > 0);
}

/** Several files as one; equal options once. */
function merged(files: readonly OsloSections[]): OsloSections {
  const all = files.flat();
  return [...new Set(all.map(({ section }) => section))].map((section) => {
    const options = new Map(
      all
        .filter((part) => part.section === section)
        .flatMap((part) => part.options.map((option) => [option.key, option])),
    );
    return { section, options: [...options.values()] };
  });
}

/** kolla-ansible merges by option, last file wins; see its order of files: nova.conf, nova/<service>.conf, nova/<host>/nova.conf. */
function kolla(states: readonly ConfigState[]): readonly ConfigFile[] {
  return states.map(({ service, host, sections }) => ({
    file:
      service === 'placement-api'
        ? '/etc/kolla/config/placement.conf'
        : `/etc/kolla/config/nova/${host === undefined ? `${service}.conf` : `${host}/nova.conf`}`,
    content: text(sections),
    restart: [service.replaceAll('-', '_')],
    ...(host === undefined ? {} : { hosts: [host] }),
    apply: `merge into this file of the deployment host, then kolla-ansible reconfigure -i INVENTORY -t ${service === 'placement-api' ? 'placement' : 'nova'}`,
  }));
}

/** openstack-ansible's variables; what they cannot say goes to the override. */
function openstackAnsible(states: readonly ConfigState[]): readonly ConfigFile[] {
  const files = new Map<string, ConfigState[]>();
  for (const state of states) {
    const group =
      state.service === 'nova-compute'
        ? 'nova_compute'
        : state.service === 'placement-api'
          ? 'placement_all'
          : 'nova_all';
    const file = state.host === undefined ? `group_vars/${group}.yml` : `host_vars/${state.host}.yml`;
    files.set(file, [...(files.get(file) ?? []), state]);
  }
  return [...files].map(([file, ofFile]) => {
    const restart = ofFile.map(({ service }) => service);
    const host = ofFile[0]?.host;
    return {
      file: `/etc/openstack_deploy/${file}`,
      content: {
        format: 'yaml',
        documents: [ansibleVariables(merged(ofFile.map(({ sections }) => sections)), restart)],
      },
      restart,
      ...(host === undefined ? {} : { hosts: [host] }),
      apply: `openstack-ansible ${restart.includes('placement-api') ? 'os-placement-install.yml' : 'os-nova-install.yml'}`,
    };
  });
}

/** Filters that openstack-ansible turns on by itself. */
const ansibleFilters =
  'ComputeFilter AggregateNumInstancesFilter AggregateIoOpsFilter ComputeCapabilitiesFilter ImagePropertiesFilter ServerGroupAntiAffinityFilter ServerGroupAffinityFilter NUMATopologyFilter';

function ansibleVariables(sections: OsloSections, services: readonly NovaService[]): Record<string, unknown> {
  const variables: Record<string, unknown> = {};
  const overrides: Record<string, Record<string, string>> = {};
  for (const { section, options } of sections) {
    for (const { key, values } of options) {
      if (key === 'device_spec') variables.nova_device_spec = values;
      else if (key === 'alias') variables.nova_pci_alias = values;
      else if (key === 'enabled_filters') {
        const extra = (values[0] ?? '')
          .split(',')
          .filter((name) => !ansibleFilters.split(' ').includes(name));
        if (extra.length > 0) variables.nova_scheduler_extra_filters = extra;
      } else overrides[section] = { ...overrides[section], [key]: values.join(',') };
    }
  }
  const name = services.includes('placement-api')
    ? 'placement_placement_conf_overrides'
    : 'nova_nova_conf_overrides';
  if (Object.keys(overrides).length > 0) variables[name] = overrides;
  if (overrides.devices !== undefined) variables.nova_discover_mdev_types = false;
  return variables;
}

/** DevStack's local.conf: its merger takes `=` only, and quotes must reach it as `\\\"`. */
function devstack(states: readonly ConfigState[]): readonly ConfigFile[] {
  const groups: readonly (readonly [string, readonly NovaService[]])[] = [
    ['NOVA_CPU_CONF', ['nova-compute']],
    ['NOVA_CONF', ['nova-api', 'nova-scheduler', 'nova-conductor']],
    ['PLACEMENT_CONF', ['placement-api']],
  ];
  const body = groups.flatMap(([variable, services]) => {
    const ofFile = states.filter(({ service }) => services.includes(service));
    if (ofFile.length === 0) return [];
    const printed = printOsloSections(merged(ofFile.map(({ sections }) => sections)));
    return [`[[post-config|$${variable}]]\n${printed.replaceAll('"', '\\\\\\"')}`];
  });
  return [
    {
      file: 'local.conf',
      content: { format: 'text', text: body.join('\n'), comment: '#' },
      restart: ['devstack@n-*'],
      apply: 'add to local.conf before ./stack.sh',
    },
  ];
}

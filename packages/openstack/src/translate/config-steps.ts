import type { Step } from '@vmgpu/core';
import type { PlanContext, Setting } from './context.ts';
import { type OsloSections, osloValues, parseOslo } from './oslo-config.ts';
import { defaultFilters } from './releases.ts';
import { type Deployment, type NovaService, novaServices } from './snapshot.ts';

/** What a configuration step leaves behind: settings of one service, on one host when `host` is set. */
export interface ConfigState {
  readonly deployment: Deployment;
  readonly service: NovaService;
  readonly host?: string;
  readonly sections: OsloSections;
}

/** Options whose last file wins with one comma-separated list; every other one of ours with several values is repeated. */
const listOptions = ['device_addresses', 'enabled_mdev_types', 'enabled_vgpu_types', 'enabled_filters'];

/** DevStack's own additions to the default filters. */
const devstackFilters = ['SameHostFilter', 'DifferentHostFilter'];

/** The whole filter list for the scheduler: what is configured, else the release's defaults, and what is needed. */
export function filterList({ snapshot, release }: PlanContext, needed: readonly string[]): readonly string[] {
  const texts = (snapshot.config ?? []).filter(({ service }) => service === 'nova-scheduler');
  const given = texts
    .flatMap(({ text }) => osloValues(parseOslo(text), 'filter_scheduler', 'enabled_filters'))
    .at(-1)
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const base = [
    ...defaultFilters(release),
    ...(given ?? (snapshot.deployment === 'devstack' ? devstackFilters : [])),
  ];
  return [...new Set([...base, ...needed])];
}

/**
 * Settings as steps: nova-compute first (Placement must know the devices before somebody schedules by them), the
 * services that schedule after it. An option that differs between hosts is given whole for each host, because in
 * kolla-ansible a host's file replaces the value of the common one.
 */
export function configSteps(context: PlanContext): readonly Step[] {
  const order: readonly NovaService[] = [
    'nova-compute',
    'placement-api',
    'nova-api',
    'nova-scheduler',
    'nova-conductor',
  ];
  const states = order.flatMap((service) => statesOf(context, service));
  const computeIds = states.filter(({ service }) => service === 'nova-compute').map(stepId);
  return states.map((state) => {
    const { service, host } = state;
    const before = known(context, state);
    const waits = novaServices.indexOf(service) > 0 && service !== 'placement-api' && computeIds.length > 0;
    return {
      id: stepId(state),
      kind: 'openstack.config',
      target: {
        type: service === 'placement-api' ? 'placement.conf' : 'nova.conf',
        name: service,
        ...(host ? { in: host } : {}),
      },
      ...(before === undefined ? {} : { before }),
      after: state,
      scope: 'platform',
      risk: 'service-restart',
      reversible: !state.sections.some(({ options }) =>
        options.some(({ key }) => key === 'report_in_placement'),
      ),
      summary: `configure ${service}${host ? ` on ${host}` : ''}: ${state.sections.map(({ section }) => `[${section}]`).join(' ')}, then restart it`,
      ...(waits ? { needs: computeIds } : {}),
    };
  });
}

function stepId({ service, host }: ConfigState): string {
  return `config/${service}${host ? `/${host}` : ''}`;
}

function statesOf(context: PlanContext, service: NovaService): readonly ConfigState[] {
  const settings = context.settings.filter(
    (setting) => setting.service === service && setting.section !== 'provider.yaml',
  );
  const hosts = [...new Set(settings.flatMap(({ host }) => host ?? []))].sort();
  const place = ({ section, key }: Setting) => `${section} ${key}`;
  const ofHosts = new Set(settings.filter(({ host }) => host !== undefined).map(place));
  const state = (host: string | undefined, chosen: readonly Setting[]): ConfigState => ({
    deployment: context.snapshot.deployment,
    service,
    ...(host === undefined ? {} : { host }),
    sections: sections(context, service, chosen),
  });
  const common = settings.filter((setting) => !ofHosts.has(place(setting)));
  const everywhere = settings.filter((setting) => setting.host === undefined && ofHosts.has(place(setting)));
  return [
    // Hosts that have no values of their own still get the common ones of a shared option.
    ...(common.length + everywhere.length > 0
      ? [
          state(
            undefined,
            settings.filter(({ host }) => host === undefined),
          ),
        ]
      : []),
    ...hosts.map((host) =>
      state(
        host,
        settings.filter((setting) => ofHosts.has(place(setting)) && (setting.host ?? host) === host),
      ),
    ),
  ];
}

function sections(context: PlanContext, service: NovaService, settings: readonly Setting[]): OsloSections {
  const names = [...new Set(settings.map(({ section }) => section))];
  return names.map((section) => {
    const inside = settings.filter((setting) => setting.section === section);
    return {
      section,
      options: [...new Set(inside.map(({ key }) => key))].map((key) => {
        const values = inside.filter((setting) => setting.key === key).map(({ value }) => value);
        return {
          key,
          values: joined(key, [...earlier(context, service, section, key), ...firstMatchOrder(values)]),
        };
      }),
    };
  });
}

/** The first device_spec that matches a device gives it its tags, so that the narrower ones come first. */
function firstMatchOrder(values: readonly string[]): readonly string[] {
  const narrow = values.filter((value) => value.includes('"address"'));
  return [...narrow, ...values.filter((value) => !narrow.includes(value))];
}

function joined(key: string, values: readonly string[]): readonly string[] {
  const unique = [...new Set(values)];
  return listOptions.includes(key)
    ? [[...new Set(unique.flatMap((value) => value.split(',')))].join(',')]
    : unique;
}

/** Options whose values add up (oslo.config's MultiOpt); of every other one the last value holds. Nova 34, nova.conf.pci. */
const repeated = ['alias', 'device_spec', 'passthrough_whitelist'];

/**
 * Values that stand in the configuration now and would be lost: a tool's file replaces the whole option. Drop-in files of
 * plain packages add to repeated options, so that there nothing needs to be said again.
 */
function earlier(
  { snapshot }: PlanContext,
  service: NovaService,
  section: string,
  key: string,
): readonly string[] {
  if (
    !(repeated.includes(key)
      ? snapshot.deployment !== 'packages'
      : listOptions.includes(key) && key !== 'enabled_filters')
  )
    return [];
  return (snapshot.config ?? [])
    .filter((config) => config.service === service && config.host === undefined)
    .flatMap(({ text }) => osloValues(parseOslo(text), section, key));
}

/** The same options as they stand now; undefined when the service's configuration is not known. */
function known({ snapshot }: PlanContext, { service, host, sections }: ConfigState): unknown {
  const texts = (snapshot.config ?? []).filter(
    (config) => config.service === service && (config.host ?? host) === host,
  );
  if (texts.length === 0) return undefined;
  const documents = texts.map(({ text }) => parseOslo(text));
  return {
    sections: sections.map(({ section, options }) => ({
      section,
      options: options.map(({ key }) => {
        const values = documents.flatMap((document) => osloValues(document, section, key));
        return { key, values: repeated.includes(key) ? values : values.slice(-1) };
      }),
    })),
  };
}

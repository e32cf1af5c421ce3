import { normalKey, type OsloOption, sameSection } from '../translate/oslo-config.ts';
import { optionNames, since } from '../translate/releases.ts';
import { aliasOptions } from './alias-rules.ts';
import { type Draft, type LintInput, optionsOf, type Rule, replaceKey } from './config-view.ts';

/** Which option belongs where, what it is called in which release, and what it takes away from others. */
export const serviceRules: Rule = (input) => [
  ...renamed(input),
  ...tooNew(input),
  ...wrongService(input),
  ...separators(input),
  ...dollars(input),
  ...paths(input),
  ...aliasOnCompute(input),
  ...sectionCase(input),
];

/** Old names, their sections, and the release that renamed them. */
function renamed({ view, release }: LintInput): readonly Draft[] {
  const { deviceSpec, mdevTypes } = optionNames(release);
  const names: readonly (readonly [string, string, string])[] = [
    ['pci', 'passthrough_whitelist', deviceSpec],
    ['devices', 'enabled_vgpu_types', mdevTypes],
  ];
  const drafts = names.flatMap(([section, old, current]) =>
    old === current ? [] : optionsOf(view, section, old).map((option) => deprecated(option, current)),
  );
  const moved = [
    ['pci_passthrough_whitelist', `[pci] ${deviceSpec}`],
    ['pci_alias', '[pci] alias'],
  ] as const;
  return [
    ...drafts,
    ...moved.flatMap(([old, current]) =>
      optionsOf(view, 'DEFAULT', old).map((option) => ({ ...deprecated(option, current), fix: [] })),
    ),
  ].map(({ fix, ...draft }) => (fix === undefined || fix.length === 0 ? draft : { ...draft, fix }));
}

function deprecated(option: OsloOption, current: string): Draft {
  return {
    rule: 'nova.option-renamed',
    severity: 'warning',
    at: option.at.key,
    message: `${option.key} is called ${current} now`,
    why: 'the old name is deprecated; it is still read, and its values add to those of the new name',
    remedy: `Write ${current}.`,
    fix: replaceKey(option, current),
  };
}

function tooNew({ view, release }: LintInput): readonly Draft[] {
  const known = [
    ['pci', 'device_spec', since(release, 'deviceSpec'), 'passthrough_whitelist'],
    ['pci', 'report_in_placement', since(release, 'reportInPlacement'), undefined],
    ['filter_scheduler', 'pci_in_placement', since(release, 'pciInPlacement'), undefined],
    ['devices', 'enabled_mdev_types', since(release, 'mdevNames'), 'enabled_vgpu_types'],
  ] as const;
  const plain = known.flatMap(([section, key, there, old]) =>
    there ? [] : optionsOf(view, section, key).map((option) => ({ option, old })),
  );
  const groups = view.options
    .filter(
      ({ section, key }) =>
        /^mdev_/i.test(section) &&
        (!since(release, 'mdevNames') || (key === 'max_instances' && !since(release, 'maxInstances'))),
    )
    .map((option) => ({ option, old: undefined }));
  return [...plain, ...groups].map(({ option, old }) => ({
    rule: 'nova.option-too-new',
    severity: 'error' as const,
    at: option.at.key,
    message: `Nova ${release.nova} does not know [${option.section}] ${option.key}`,
    why: 'an unknown option is ignored without a word',
    ...(old === undefined ? {} : { remedy: `Write ${old}.`, fix: replaceKey(option, old) }),
  }));
}

/** Who reads an option. */
const readers: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['filter_scheduler', ['enabled_filters', 'available_filters', 'pci_weight_multiplier'], ['nova-scheduler']],
  ['pci', ['device_spec', 'passthrough_whitelist', 'report_in_placement'], ['nova-compute']],
  ['pci', ['alias'], ['nova-api', 'nova-compute']],
  ['devices', ['enabled_mdev_types', 'enabled_vgpu_types'], ['nova-compute']],
  [
    'placement',
    ['max_allocation_candidates', 'allocation_candidates_generation_strategy'],
    ['placement-api'],
  ],
  ['workarounds', ['optimize_for_wide_provider_trees'], ['placement-api']],
];

function wrongService({ view }: LintInput): readonly Draft[] {
  const { service } = view;
  const named = service ?? (/nova[^/]*\.conf$/.test(view.path) ? 'nova' : undefined);
  if (named === undefined) return [];
  return readers.flatMap(([section, keys, services]) => {
    const here =
      named === 'nova' ? !services.every((name) => name === 'placement-api') : services.includes(named);
    if (here) return [];
    return optionsOf(view, section, ...keys).map((option) => ({
      rule: 'nova.option-in-wrong-service',
      severity: 'warning' as const,
      at: option.at.key,
      message: `${named} does not read [${section}] ${option.key}`,
      why: `it is read by ${services.join(' and ')}, and ignored here`,
      remedy: `Move it to the configuration of ${services.join(' and ')}.`,
    }));
  });
}

const multiple = ['alias', 'device_spec', 'passthrough_whitelist'];

function separators({ view }: LintInput): readonly Draft[] {
  return view.options
    .filter(
      ({ section, key, separator }) =>
        separator === ':' && sameSection(section, 'pci') && multiple.includes(normalKey(key)),
    )
    .map((option) => {
      const devstack = view.deployment === 'devstack';
      const { key, value } = option.at;
      return {
        rule: 'nova.colon-separator',
        severity: devstack ? ('error' as const) : ('info' as const),
        at: option.at.separator,
        message: `${option.key} is written with a colon`,
        why: devstack
          ? 'DevStack’s merger looks for "=" and drops this line'
          : 'oslo.config takes it, but other tools that merge such files (DevStack) want "="',
        remedy: 'Write " = ".',
        fix: [{ start: key + option.key.length, end: value, text: ' = ' }],
      };
    });
}

function dollars({ view }: LintInput): readonly Draft[] {
  return view.options
    .filter(({ section, raw }) => sameSection(section, 'pci') && /(^|[^$])(\$\$)*\$[A-Za-z_{(]/.test(raw))
    .map((option) => ({
      rule: 'nova.dollar-interpolated',
      severity: 'error' as const,
      at: option.start + option.raw.indexOf('$'),
      message: 'oslo.config puts another option’s value in place of $name',
      why: 'the regular expression is no longer what was written, or the service does not start',
      remedy: 'Write "$$" for a dollar sign.',
    }));
}

function paths({ view }: LintInput): readonly Draft[] {
  const [first] = view.options;
  if (first === undefined) return [];
  const drafts: Draft[] = [];
  if (/^\/?etc\/kolla\/(nova|placement)[^/]*\//.test(view.path)) {
    drafts.push({
      rule: 'kolla.generated-file',
      severity: 'error',
      at: view.sections[0]?.start ?? first.start,
      message: `${view.path} is written by kolla-ansible`,
      why: 'the next reconfigure or upgrade overwrites it',
      remedy: `Put it into /etc/kolla/config/nova/${view.service ?? 'nova-compute'}.conf on the deployment host, then kolla-ansible reconfigure -t nova.`,
    });
  }
  const global = /etc\/kolla\/config\/nova\.conf$/.test(view.path);
  const pci = optionsOf(view, 'pci', ...multiple);
  if (global && pci.length > 0) {
    drafts.push({
      rule: 'kolla.global-file',
      severity: 'warning',
      at: pci[0]?.at.key ?? 0,
      message: 'GPU options stand in the file of all services and hosts',
      why: 'kolla-ansible merges by option and the last file wins: a host’s own alias or device_spec line then takes all of these away',
      remedy:
        'Split it: nova/nova-compute.conf (device_spec, alias), nova/nova-api.conf (alias), nova/nova-scheduler.conf (filters).',
    });
  }
  return drafts;
}

/** Aliases that nova-api has and nova-compute has not. */
function aliasOnCompute({ view, all }: LintInput): readonly Draft[] {
  if (view.service !== 'nova-api') return [];
  const computes = all.filter(({ service }) => service === 'nova-compute');
  const [alias] = aliasOptions(view);
  if (alias === undefined || computes.length === 0) return [];
  if (computes.some((compute) => aliasOptions(compute).length > 0)) return [];
  return [
    {
      rule: 'nova.alias-not-on-compute',
      severity: 'warning',
      at: alias.at.key,
      message: 'nova-compute’s configuration has no alias',
      why: 'resize and cold migration claim devices by alias on the compute host, and from 32.0.0 nova-compute checks aliases when it starts',
      remedy: 'Copy the alias lines to nova-compute’s configuration.',
    },
  ];
}

function sectionCase({ view }: LintInput): readonly Draft[] {
  if (view.deployment !== 'kolla-ansible') return [];
  return view.sections
    .filter(
      ({ name }) =>
        /^(pci|devices|filter_scheduler|libvirt|placement|workarounds)$/i.test(name) &&
        name !== name.toLowerCase(),
    )
    .map(({ name, start, raw }) => {
      const at = start + raw.indexOf(name);
      return {
        rule: 'kolla.section-case',
        severity: 'warning' as const,
        at,
        message: `[${name}] is another section than [${name.toLowerCase()}] for kolla-ansible’s merger`,
        why: 'both end up in the file, and values that should be replaced or joined stand twice',
        remedy: `Write [${name.toLowerCase()}].`,
        fix: [{ start: at, end: at + name.length, text: name.toLowerCase() }],
      };
    });
}

import { nearest } from '@vmgpu/core';
import { hintedDeviceType } from '../translate/device-type.ts';
import { aliasKeys, parseAliases } from '../translate/matching/alias.ts';
import { tryJson } from '../translate/matching/python.ts';
import type { OsloOption } from '../translate/oslo-config.ts';
import { type Draft, insideValue, type LintInput, listOf, optionsOf, type Rule } from './config-view.ts';
import { editWord, placementNames, specsOf } from './device-spec-rules.ts';

export function aliasOptions(view: LintInput['view']): readonly OsloOption[] {
  return [...optionsOf(view, 'pci', 'alias'), ...optionsOf(view, 'DEFAULT', 'pci_alias')];
}

export const aliasRules: Rule = (input) => [
  ...aliasOptions(input.view).flatMap((option) => {
    const spec = Array.isArray(tryJson(option.value)?.value) ? undefined : specsOf(option)[0];
    const wrong = refused(option, input);
    if (wrong.length > 0 || spec === undefined) return wrong;
    return [
      ...neverMatches(option, spec),
      ...numaPolicy(option, spec, input),
      ...placementNames(option, spec),
    ];
  }),
  ...together(input),
];

type Spec = Readonly<Record<string, unknown>>;

function refused(option: OsloOption, input: LintInput): readonly Draft[] {
  const spec = specsOf(option)[0] ?? {};
  const unknown = Object.keys(spec).filter((key) => !aliasKeys(input.release).includes(key));
  const why =
    input.release.nova >= 32
      ? 'from 32.0.0 nova-api and nova-compute do not start with it'
      : 'every server create with any alias is answered with HTTP 400';
  if (unknown.length > 0) {
    return unknown.map((key) => {
      const close = nearest(key, aliasKeys(input.release), 1);
      return {
        rule: 'nova.alias-unknown-key',
        severity: 'error',
        at: insideValue(option, key),
        message: `"${key}" is no key of an alias in Nova ${input.release.nova}${close.length > 0 ? `; did you mean "${close[0]}"?` : ''}`,
        why,
        remedy: `An alias has ${aliasKeys(input.release).join(', ')}.`,
      };
    });
  }
  const prefixed = Object.values(spec).find(
    (value) => typeof value === 'string' && /^0x[0-9a-f]{4}$/i.test(value),
  );
  if (typeof prefixed === 'string') {
    return [
      {
        rule: 'nova.alias-id-prefix',
        severity: 'error',
        at: insideValue(option, prefixed),
        message: `ids of an alias have no 0x: "${prefixed}"`,
        why: `device_spec takes the prefix, an alias does not; ${why}`,
        remedy: `Write "${prefixed.slice(2)}".`,
        fix: editWord(option, `"${prefixed}"`, `"${prefixed.slice(2)}"`),
      },
    ];
  }
  const result = parseAliases([option.value.replaceAll('$$', '$')], {
    release: input.release,
    pciInPlacement: inPlacement(input),
  });
  if (result.ok) return [];
  return [
    {
      rule: 'nova.alias-refused',
      severity: 'error',
      at: option.at.value,
      message: `Nova refuses this alias: ${result.error.message}`,
      why,
      remedy:
        'Write one JSON object a line, with vendor_id, product_id (four hexadecimal digits each) and device_type.',
    },
  ];
}

function inPlacement({ all }: LintInput): boolean {
  return all.some((view) =>
    optionsOf(view, 'filter_scheduler', 'pci_in_placement').some(({ value }) =>
      /^(true|1|yes|on)$/i.test(value),
    ),
  );
}

/** Aliases that are valid and never get a device. */
function neverMatches(option: OsloOption, spec: Spec): readonly Draft[] {
  if (spec.capability_type !== undefined) {
    return [
      {
        rule: 'nova.alias-capability-type',
        severity: 'error',
        at: insideValue(option, 'capability_type'),
        message: 'an alias with capability_type never gets a device',
        why: 'no device has this key, and Nova compares every key of the alias',
        remedy: 'Take it out.',
      },
    ];
  }
  const hint = hintedDeviceType(`${spec.vendor_id}:${spec.product_id}`.toLowerCase());
  const type = spec.device_type;
  const text =
    'A card with the SR-IOV capability is type-PF for Nova, even when no virtual function is enabled';
  if (hint === 'type-PF' && type === 'type-PCI') {
    return [
      {
        rule: 'nova.alias-never-matches',
        severity: 'error',
        at: insideValue(option, 'type-PCI'),
        message: `${spec.vendor_id}:${spec.product_id} is a type-PF device; as type-PCI it never gets a host`,
        why: `${text}. The server ends with "No valid host was found. There are not enough hosts available."`,
        remedy: 'Write "type-PF", after a look at sriov_totalvfs of the card on the host.',
        fix: editWord(option, '"type-PCI"', '"type-PF"'),
      },
    ];
  }
  if (type === undefined && hint !== 'type-PCI') {
    return [
      {
        rule: 'nova.alias-without-type',
        severity: hint === 'type-PF' ? 'error' : 'warning',
        at: option.at.value,
        message: 'the alias has no device_type, and so never matches a physical function',
        why: text,
        remedy:
          'Add "device_type": "type-PF" when the card’s sriov_totalvfs on the host is above 0, else "type-PCI".',
      },
    ];
  }
  return [];
}

function numaPolicy(option: OsloOption, spec: Spec, { all }: LintInput): readonly Draft[] {
  const policy = spec.numa_policy;
  const filters = all.flatMap((view) => optionsOf(view, 'filter_scheduler', 'enabled_filters'));
  if (policy === undefined || policy === 'legacy' || filters.length === 0) return [];
  if (filters.some((filter) => listOf(filter).includes('NUMATopologyFilter'))) return [];
  return [
    {
      rule: 'nova.numa-policy-without-filter',
      severity: 'warning',
      at: insideValue(option, 'numa_policy'),
      message: `numa_policy ${policy} has no effect when hosts are chosen: NUMATopologyFilter is not enabled`,
      why: 'it is not among the defaults; without it the chosen host may fail to place the guest',
      remedy: 'Add NUMATopologyFilter to enabled_filters, and give the flavor hw:numa_nodes.',
    },
  ];
}

/** Rules about all aliases of one text. */
function together(input: LintInput): readonly Draft[] {
  const seen = new Map<string, OsloOption>();
  return aliasOptions(input.view).flatMap((option) => {
    const name = specsOf(option)[0]?.name;
    if (typeof name !== 'string') return [];
    const first = seen.get(name);
    seen.set(name, first ?? option);
    if (first === undefined) return [];
    const result = parseAliases([first.value, option.value], {
      release: input.release,
      pciInPlacement: inPlacement(input),
    });
    if (result.ok && !inPlacement(input)) return [];
    return [
      {
        rule: 'nova.alias-twice',
        severity: 'error',
        at: option.at.value,
        message: `the alias ${name} is defined twice${result.ok ? '' : `: ${result.error.message}`}`,
        why: inPlacement(input)
          ? 'with pci_in_placement an alias has one definition'
          : 'definitions of one name must have equal device_type and numa_policy',
        remedy: 'Give both device_spec lines one resource_class and ask for that, or use two names.',
      },
    ];
  });
}

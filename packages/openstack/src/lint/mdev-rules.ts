import type { OsloOption } from '../translate/oslo-config.ts';
import { optionNames } from '../translate/releases.ts';
import { type Draft, type LintInput, listOf, optionsOf, type Rule, replaceValue } from './config-view.ts';

const group = /^(?:mdev|vgpu)_(.+)$/i;

/** `[devices]` and `[mdev_<type>]`. */
export const mdevRules: Rule = (input) => [
  ...typesWithoutAddresses(input),
  ...classes(input),
  ...addresses(input),
];

function inGroup(view: LintInput['view'], key: string): readonly (OsloOption & { readonly type: string })[] {
  return view.options.flatMap((option) => {
    const type = group.exec(option.section)?.[1];
    return type !== undefined && option.key.replaceAll('-', '_') === key ? [{ ...option, type }] : [];
  });
}

function enabledTypes(view: LintInput['view']): readonly OsloOption[] {
  return optionsOf(view, 'devices', 'enabled_mdev_types', 'enabled_vgpu_types');
}

function typesWithoutAddresses({ view, release }: LintInput): readonly Draft[] {
  const option = enabledTypes(view).at(-1);
  const types = option === undefined ? [] : listOf(option);
  if (option === undefined || types.length < 2) return [];
  const addressed = inGroup(view, 'device_addresses').map(({ type }) => type);
  const bare = types.filter((type) => !addressed.includes(type));
  if (bare.length === 0 || (release.nova >= 29 && bare.length === 1)) return [];
  return [
    {
      rule: 'nova.mdev-type-without-addresses',
      severity: 'error',
      at: option.at.value,
      message: `${bare.join(', ')} has no device_addresses`,
      why:
        release.nova < 29
          ? 'Nova then drops all addresses, makes the first type on every GPU, and forces the class VGPU'
          : 'one type without addresses is the default for all other GPUs; a second one is dropped with a warning',
      remedy: `List the addresses in [${optionNames(release).mdevGroup}${bare[0]}] device_addresses.`,
    },
  ];
}

function classes({ view }: LintInput): readonly Draft[] {
  const addressed = inGroup(view, 'device_addresses')
    .filter((option) => listOf(option).length > 0)
    .map(({ type }) => type);
  return inGroup(view, 'mdev_class').flatMap((option): Draft[] => {
    if (!/^(VGPU|CUSTOM_[A-Z0-9_]+)$/.test(option.value)) {
      const upper = option.value.toUpperCase().replace(/[^A-Z0-9_]/g, '_');
      return [
        {
          rule: 'nova.mdev-class-name',
          severity: 'error',
          at: option.at.value,
          message: `${option.value} is no class for mediated devices`,
          why: 'nova-compute takes VGPU or a name of the form CUSTOM_[A-Z0-9_]+ and ends with an error otherwise',
          remedy: `Write ${upper.startsWith('CUSTOM_') ? upper : `CUSTOM_${upper}`}.`,
        },
      ];
    }
    if (option.value === 'VGPU' || addressed.includes(option.type)) return [];
    return [
      {
        rule: 'nova.mdev-class-ignored',
        severity: 'error',
        at: option.at.key,
        message: `mdev_class has no effect: ${option.type} has no device_addresses`,
        why: 'the inventory stays VGPU, and from 29.0.0 a server that asks for VGPU then starts without a vGPU',
        remedy: 'Add device_addresses with the GPU’s (or its virtual functions’) addresses to the section.',
      },
    ];
  });
}

function addresses({ view }: LintInput): readonly Draft[] {
  const seen = new Map<string, string>();
  return inGroup(view, 'device_addresses').flatMap((option): Draft[] => {
    const drafts: Draft[] = [];
    const list = listOf(option);
    const wrong = list.filter((address) => !/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(address));
    if (wrong.length > 0) {
      drafts.push({
        rule: 'nova.mdev-address',
        severity: 'error',
        at: option.at.value,
        message: `not a full PCI address: ${wrong.join(', ')}`,
        why: 'nova-compute ends with InvalidLibvirtMdevConfig; patterns are not allowed here',
        remedy: 'Write addresses such as 0000:41:00.4.',
      });
    } else if (/[A-F]/.test(option.value)) {
      drafts.push({
        rule: 'nova.mdev-address-upper-case',
        severity: 'error',
        at: option.at.value,
        message: 'these addresses have upper-case digits and never match',
        why: 'Nova takes them, and compares them with libvirt’s lower-case names',
        remedy: `Write ${option.value.toLowerCase()}.`,
        fix: replaceValue(option, option.value.toLowerCase()),
      });
    }
    for (const address of list.map((item) => item.toLowerCase())) {
      const other = seen.get(address);
      if (other !== undefined && other !== option.type) {
        drafts.push({
          rule: 'nova.mdev-address-twice',
          severity: 'error',
          at: option.at.value,
          message: `${address} is listed for ${other} and ${option.type}`,
          why: 'nova-compute ends with "duplicate types for PCI ID"',
          remedy: 'List each address once.',
        });
      }
      seen.set(address, option.type);
    }
    return drafts;
  });
}

import { nearest, type TextEdit } from '@vmgpu/core';
import { parseDeviceSpecs } from '../translate/matching/device-spec.ts';
import { tryJson } from '../translate/matching/python.ts';
import { isPlacementName, normalClass } from '../translate/names.ts';
import type { OsloOption } from '../translate/oslo-config.ts';
import { since } from '../translate/releases.ts';
import { type Draft, insideValue, type LintInput, optionsOf, type Rule } from './config-view.ts';

const knownKeys =
  'vendor_id product_id address devname resource_class traits managed live_migratable one_time_use physical_network trusted remote_managed'.split(
    ' ',
  );

type Spec = Readonly<Record<string, unknown>>;

/** The objects of one `device_spec` value; none when it is not JSON. */
export function specsOf(option: OsloOption): readonly Spec[] {
  const { value } = tryJson(option.value.replaceAll('$$', '$')) ?? { value: [] };
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.filter(
    (item): item is Spec => typeof item === 'object' && item !== null && !Array.isArray(item),
  );
}

export function deviceSpecOptions(view: LintInput['view']): readonly OsloOption[] {
  return [
    ...optionsOf(view, 'pci', 'device_spec', 'passthrough_whitelist'),
    ...optionsOf(view, 'DEFAULT', 'pci_passthrough_whitelist'),
  ];
}

export const deviceSpecRules: Rule = (input) =>
  deviceSpecOptions(input.view).flatMap((option) => [
    ...refused(option, input),
    ...specsOf(option).flatMap((spec) => [
      ...unknownTags(option, spec),
      ...addressRules(option, spec),
      ...placementNames(option, spec),
      ...scopeRules(option, spec, input),
    ]),
  ]);

/** What nova-compute itself would stop at. */
function refused(option: OsloOption, { release, all }: LintInput): readonly Draft[] {
  const reportInPlacement = all.some((view) =>
    optionsOf(view, 'pci', 'report_in_placement').some(({ value }) => /^(true|1|yes|on)$/i.test(value)),
  );
  const line = option.value.replaceAll('$$', '$');
  const result = parseDeviceSpecs([line], { release, reportInPlacement });
  if (result.ok) return [];
  const { message } = result.error;
  const glob = /property (domain|bus|slot|func) \('([^']*[*[?][^']*)'\)/.exec(message);
  const broken = message.includes('Invalid entry') && !message.includes('Expecting');
  return [
    {
      rule: glob ? 'nova.partial-glob' : 'nova.device-spec-refused',
      severity: 'error',
      at: glob ? insideValue(option, glob[2] ?? '') : option.at.value,
      message: glob
        ? `"${glob[2]}" is neither a whole number nor "*"`
        : `Nova refuses this device_spec: ${message}`,
      why: 'nova-compute ends with this error when it starts; in a file that nova-api reads, nova-api does too',
      remedy: glob
        ? 'Write an address object, whose fields are regular expressions: {"bus": "4[0-9a-f]$"}.'
        : broken
          ? 'Write JSON: double quotes, no comma at the end; a line that continues the value must begin with a blank.'
          : 'Correct the value.',
    },
  ];
}

function unknownTags(option: OsloOption, spec: Spec): readonly Draft[] {
  return Object.keys(spec)
    .filter((key) => !knownKeys.includes(key))
    .map((key) => {
      const close = nearest(key, knownKeys, 1);
      return {
        rule: 'nova.device-spec-unknown-key',
        severity: 'warning',
        at: insideValue(option, key),
        message: `"${key}" is no key of device_spec${close.length > 0 ? `; did you mean "${close[0]}"?` : ''}`,
        why: 'Nova takes an unknown key as a tag, without a word, and the condition that was meant does not hold',
        remedy: `Use one of ${knownKeys.slice(0, 9).join(', ')}.`,
      };
    });
}

/** Lengths of the fields that Nova compares a regular expression with. */
const widths: Readonly<Record<string, number>> = { domain: 4, bus: 2, slot: 2, function: 1 };

function addressRules(option: OsloOption, { address }: Spec): readonly Draft[] {
  if (typeof address !== 'object' || address === null || Array.isArray(address)) return [];
  return Object.entries(address as Spec).flatMap(([field, text]) => {
    if (typeof text !== 'string') return [];
    const at = insideValue(option, `"${text}"`);
    const drafts: Draft[] = [];
    if (!(field in widths)) {
      drafts.push({
        rule: 'nova.device-spec-unknown-key',
        severity: 'warning',
        at: insideValue(option, field),
        message: `"${field}" is no field of an address`,
        why: 'Nova ignores it, and the spec means more devices than was meant',
        remedy: 'The fields are domain, bus, slot and function.',
      });
    }
    const short = text
      .split('|')
      .some((part) => /^[0-9a-f]+$/i.test(part) && part.length < (widths[field] ?? 0));
    if (short) {
      drafts.push({
        rule: 'nova.regex-unanchored',
        severity: 'warning',
        at,
        message: `"${text}" also means every ${field} that only begins so`,
        why: 'Nova compares with Python’s re.match, which holds at the start only: "4" means 40 to 4f',
        remedy: `Write all ${widths[field]} digits, or end it with "$".`,
      });
    }
    if (/[A-F]/.test(text)) {
      drafts.push({
        rule: 'nova.regex-upper-case',
        severity: 'error',
        at,
        message: `"${text}" never matches: it has upper-case digits`,
        why: 'Nova compares regular expressions with the lower-case address',
        remedy: `Write "${text.toLowerCase()}".`,
        fix: editWord(option, `"${text}"`, `"${text.toLowerCase()}"`),
      });
    }
    return drafts;
  });
}

/** Class and traits of a device_spec or alias, spelt so that Placement takes them and they mean what was meant. */
export function placementNames(option: OsloOption, spec: Spec): readonly Draft[] {
  const drafts: Draft[] = [];
  const { traits, resource_class } = spec;
  if (typeof traits === 'string' && /\s|^,|,$|,,/.test(traits)) {
    const trimmed = traits
      .split(',')
      .map((trait) => trait.trim())
      .filter(Boolean)
      .join(',');
    drafts.push({
      rule: 'nova.traits-untrimmed',
      severity: 'error',
      at: insideValue(option, `"${traits}"`),
      message: `"${traits}" has blanks or empty names between its commas`,
      why: 'Nova splits at commas and does not trim: " nvlink" becomes the trait CUSTOM__NVLINK, which nobody asks for',
      remedy: `Write "${trimmed}".`,
      fix: editWord(option, `"${traits}"`, `"${trimmed}"`),
    });
  }
  const names = [
    ...(typeof traits === 'string' ? traits.split(',').map((trait) => trait.trim()) : []),
    ...(typeof resource_class === 'string' ? [resource_class] : []),
  ];
  for (const name of names) {
    const nova = normalClass(name);
    if (!/^custom_/i.test(name) || isPlacementName(nova)) continue;
    drafts.push({
      rule: 'nova.placement-name',
      severity: 'error',
      at: insideValue(option, name),
      message: `Placement refuses the name ${nova}`,
      why: 'Nova passes a name that begins with CUSTOM_ on unchanged; Placement takes only A-Z, 0-9 and "_"',
      remedy: `Write ${nova.replace(/[^A-Z0-9_]/g, '_')}.`,
      fix: editWord(option, name, nova.replace(/[^A-Z0-9_]/g, '_')),
    });
  }
  return drafts;
}

function scopeRules(option: OsloOption, spec: Spec, { view, all, release }: LintInput): readonly Draft[] {
  const drafts: Draft[] = [];
  const addressed = spec.address !== undefined && spec.address !== '';
  const ids = `${spec.vendor_id ?? '*'}:${spec.product_id ?? '*'}`.toLowerCase().replaceAll('0x', '');
  if (
    !addressed &&
    spec.devname === undefined &&
    spec.vendor_id === undefined &&
    spec.product_id === undefined
  ) {
    drafts.push({
      rule: 'nova.device-spec-everything',
      severity: 'error',
      at: option.at.value,
      message: 'this device_spec means every PCI device of the host',
      why: 'network and storage controllers would be offered to guests',
      remedy: 'Add vendor_id and product_id, or an address.',
    });
  }
  const virtual = all
    .flatMap((other) => optionsOf(other, 'pci', 'alias'))
    .some((alias) => {
      const line = specsOf(alias)[0] ?? {};
      return line.device_type === 'type-VF' && `${line.vendor_id}:${line.product_id}`.toLowerCase() === ids;
    });
  if (!addressed && virtual) {
    drafts.push({
      rule: 'nova.virtual-functions-by-id',
      severity: 'warning',
      at: option.at.value,
      message: 'virtual functions are offered by their ids alone',
      why: 'functions that have no vGPU type yet, and often the physical function too, have the same ids and are offered as well',
      remedy: 'List the addresses of the virtual functions to use.',
    });
  } else if (!addressed && view.guide && spec.product_id !== undefined) {
    drafts.push({
      rule: 'nova.ids-take-every-card',
      severity: 'info',
      at: option.at.value,
      message: 'this offers every card of the kind, on every host that reads it',
      why: 'no card is left for the host’s own use',
      remedy: 'Add "address" to offer single cards.',
    });
  }
  if (spec.managed !== undefined && !since(release, 'managedTag')) {
    drafts.push(tooNew(option, 'managed', 31));
  }
  return drafts;
}

function tooNew(option: OsloOption, key: string, nova: number): Draft {
  return {
    rule: 'nova.option-too-new',
    severity: 'warning',
    at: insideValue(option, key),
    message: `"${key}" means something from Nova ${nova}.0.0 on`,
    why: 'this release keeps it as a tag and does nothing with it',
  };
}

/** An edit of one word inside a value; none when it is not there as written (as inside DevStack’s quoting). */
export function editWord(option: OsloOption, from: string, to: string): readonly TextEdit[] {
  const index = option.raw.indexOf(from, option.at.value - option.start);
  if (index < 0) return [];
  return [{ start: option.start + index, end: option.start + index + from.length, text: to }];
}

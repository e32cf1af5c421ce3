import { isUnknown, type PciId, type Unknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { moduleName } from './module-names.ts';

/** One place that gives vfio-pci a list of ids. */
export interface IdsSource {
  readonly source: string;
  readonly text: string;
  readonly ids: readonly string[];
  /** Ids after a blank: modprobe and the kernel end the list there. */
  readonly cutOff: readonly string[];
}

export interface VfioIds {
  readonly sources: readonly IdsSource[];
  /** The list that counts. */
  readonly effective: readonly string[];
  /** Ids that stand somewhere but have no effect. */
  readonly lost: readonly string[];
  /** Where the list that counts was read. */
  readonly from: string;
}

const loadedIds = '/sys/module/vfio_pci/parameters/ids';

/**
 * The ids that vfio-pci really has. A string parameter keeps its last value, so lists on several lines do not add up;
 * what the loaded module says counts most (Linux, kernel/params.c; kmod, kmod_module_get_options).
 */
export function vfioIds(facts: HostFacts): VfioIds | Unknown {
  const { modprobe, vfioPciIds, vfioPci } = facts.kernelModules;
  const { cmdline } = facts.boot;
  const running = isUnknown(vfioPciIds) ? [] : splitIds(vfioPciIds.replace('(null)', ''));
  if (isUnknown(modprobe) && isUnknown(cmdline) && running.length === 0) return modprobe;
  const fromFiles = (isUnknown(modprobe) ? [] : modprobe.options)
    .filter((option) => moduleName(option.module) === 'vfio_pci')
    .flatMap(({ file, line, module, parameters }) => {
      const list = idsParameter(parameters);
      return list ? [{ source: `${file}:${line}`, text: `options ${module} ${parameters}`, ...list }] : [];
    });
  const fromBoot = (isUnknown(cmdline) ? [] : cmdline.args)
    .filter(({ key }) => key === 'vfio_pci.ids')
    .map(({ value = '', raw }) => ({
      source: '/proc/cmdline',
      text: raw,
      ids: splitIds(value),
      cutOff: [],
    }));
  const sources: IdsSource[] = [...fromFiles, ...fromBoot];
  const counting = (vfioPci === 'builtin' ? fromBoot : sources).at(-1);
  const effective = running.length > 0 ? running : (counting?.ids ?? []);
  const named = new Set(sources.flatMap(({ ids, cutOff }) => [...ids, ...cutOff]));
  return {
    sources,
    effective,
    lost: [...named].filter((id) => !effective.includes(id)),
    from: running.length > 0 ? loadedIds : (counting?.source ?? loadedIds),
  };
}

/** Reads `ids=` of a parameter string; undefined when it has none. The last one counts. */
export function idsParameter(
  parameters: string,
): { readonly ids: readonly string[]; readonly cutOff: readonly string[] } | undefined {
  const words = parameters.trim().split(/\s+/);
  const last = words.filter((word) => word.startsWith('ids=')).at(-1);
  if (last === undefined) return undefined;
  const ids = splitIds(last.slice('ids='.length));
  const at = words.lastIndexOf(last);
  const cutOff = words.slice(at + 1).filter((word) => /^,?[0-9a-f]{4}:[0-9a-f:,]+$/i.test(word));
  return { ids, cutOff: cutOff.flatMap(splitIds) };
}

/**
 * True when an entry of `ids=` takes a device with this id. Grammar: vendor:device[:subvendor[:subdevice[:class
 * [:mask]]]], ffffffff standing for any (Linux, drivers/vfio/pci/vfio_pci.c).
 */
export function takesId(entry: string, id: PciId): boolean {
  const actual = id.split(':');
  return entry
    .toLowerCase()
    .split(':')
    .slice(0, 4)
    .every((part, index) => {
      const own = actual[index];
      return part === '' || part === 'ffffffff' || own === undefined || part.padStart(4, '0') === own;
    });
}

function splitIds(text: string): string[] {
  return text
    .replaceAll('"', '')
    .split(',')
    .map((id) => id.trim().toLowerCase())
    .filter(Boolean);
}

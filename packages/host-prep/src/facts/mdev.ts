import { type OfferedVgpuType, tryParsePciAddress, tryParseVgpuProfile, unknown } from '@vmgpu/core';
import type { MdevDefinition, MdevDevice } from './host-facts.ts';
import { compact, isRecord, linesOf, tryParseJson, wholeNumber } from './text.ts';

/** What the `description` of a mediated device type says. */
export interface MdevDescription {
  readonly framebufferMiB?: number;
  readonly maxInstances?: number;
}

/**
 * NVIDIA: `num_heads=4, frl_config=60, framebuffer=24576M, max_resolution=7680x4320, max_instance=2`; Maxwell-era
 * hosts stop after the framebuffer. Intel GVT-g: lines such as `low_gm_size: 128MB`. Others are free text.
 */
export function parseMdevDescription(text: string): MdevDescription {
  return compact({
    framebufferMiB: wholeNumber(/framebuffer=(\d{1,7})M/.exec(text)?.[1]),
    maxInstances: wholeNumber(/max_instances?=(\d{1,5})/.exec(text)?.[1]),
  });
}

/** Types by parent device, a PCI address or another name (`mtty`). */
export type MdevTypes = ReadonlyMap<string, readonly OfferedVgpuType[]>;

interface RawType {
  name?: string;
  description?: string;
  available_instances?: string;
}

/** Lines `PARENT/mdev_supported_types/TYPE/ATTRIBUTE:text`, as `grep ''` prints inside `/sys/class/mdev_bus`. */
export function parseMdevBus(text: string): MdevTypes {
  const parents = new Map<string, Map<string, Record<string, string>>>();
  for (const line of linesOf(text)) {
    const [, parent = '', type = '', key = '', value = ''] =
      /^(?:.*\/mdev_bus\/)?([^/]{1,80})\/mdev_supported_types\/([^/]{1,80})\/(\w{1,40}):(.*)$/.exec(line) ??
      [];
    if (parent === '') continue;
    const types = parents.get(parent) ?? new Map<string, Record<string, string>>();
    const fields = types.get(type) ?? {};
    // A text of several lines comes as several lines with the same path.
    fields[key] = key in fields ? `${fields[key]}\n${value}` : value;
    parents.set(parent, types.set(type, fields));
  }
  return toTypes(parents);
}

/** `mdevctl types`, as JSON (`--dumpjson`) or as text indented by two blanks a level. */
export function parseMdevctlTypes(text: string): MdevTypes {
  const parents = new Map<string, Map<string, RawType>>();
  const json = tryParseJson(text);
  if (json !== undefined) {
    for (const [parent, types] of entriesOf(json)) {
      const raw = entriesOf(types).map(([type, fields]): [string, RawType] => [type, rawType(fields)]);
      parents.set(parent, new Map(raw));
    }
    return toTypes(parents);
  }
  let types: Map<string, RawType> | undefined;
  let current: RawType | undefined;
  for (const line of linesOf(text)) {
    const [, indent = '', word = ''] = /^( *)(\S.*)$/.exec(line) ?? [];
    if (word === '') continue;
    if (indent.length === 0) {
      types = new Map();
      current = undefined;
      parents.set(word, types);
    } else if (indent.length <= 2) {
      current = {};
      types?.set(word, current);
    } else if (current) {
      const [, key = '', value = ''] = /^([A-Z][a-z ]{1,30}|Device API): ?(.*)$/.exec(word) ?? [];
      if (key === 'Available instances') current.available_instances = value;
      else if (key === 'Name') current.name = value;
      else if (key === 'Description') current.description = value;
      else if (key === '' && current.description !== undefined) current.description += `\n${word}`;
    }
  }
  return toTypes(parents);
}

/** `mdevctl list` (active) and `mdevctl list -d` (defined), as text or JSON. */
export function parseMdevctlList(text: string): readonly MdevDefinition[] {
  const json = tryParseJson(text);
  if (json !== undefined) {
    return entriesOf(json).flatMap(([parent, devices]) =>
      entriesOf(devices).flatMap(([uuid, fields]) => definition(uuid, parent, fields)),
    );
  }
  return linesOf(text).flatMap((line) => {
    const [, uuid = '', parent = '', typeId = '', start = ''] =
      /^([0-9a-f-]{36})\s+(\S+)\s+(\S+)(?:\s+(auto|manual))?(?:\s|$)/i.exec(line) ?? [];
    return uuid === '' ? [] : [{ uuid: uuid.toLowerCase(), parent, typeId, autoStart: start === 'auto' }];
  });
}

/** One file of `/etc/mdevctl.d/PARENT/UUID`. */
export function parseMdevDefinition(text: string, uuid: string, parent: string): readonly MdevDefinition[] {
  return definition(uuid, parent, tryParseJson(text));
}

/** Lines `UUID/parent:NAME`, `UUID/mdev_type:TYPE`, `UUID/iommu_group:N` of `/sys/bus/mdev/devices`. */
export function parseMdevDevices(text: string): readonly MdevDevice[] {
  const devices = new Map<string, Record<string, string>>();
  for (const line of linesOf(text)) {
    const [, uuid = '', key = '', value = ''] = /^([0-9a-f-]{36})\/(\w+):(.*)$/i.exec(line) ?? [];
    if (uuid !== '') devices.set(uuid, { ...devices.get(uuid), [key]: value });
  }
  return [...devices].map(([uuid, { parent = '', mdev_type = '', iommu_group }]) => ({
    uuid,
    parent: tryParsePciAddress(parent) ?? parent,
    typeId: mdev_type,
    ...compact({ iommuGroup: wholeNumber(iommu_group) }),
  }));
}

/** `creatable_vgpu_types` of a virtual function: `ID    : vGPU Name`, then `1155  : NVIDIA L40S-24Q`. */
export function parseCreatableVgpuTypes(text: string): readonly OfferedVgpuType[] {
  return linesOf(text).flatMap((line) => {
    const [, id, name = ''] = /^\s*(\d{1,6})\s*:\s*(\S.*)$/.exec(line) ?? [];
    if (id === undefined) return [];
    const framebufferMiB = tryParseVgpuProfile(name)?.framebufferMiB;
    const available = unknown('the driver lists what can be created, not how often');
    return [{ typeId: `nvidia-${id}`, name: name.trim(), available, ...compact({ framebufferMiB }) }];
  });
}

function toTypes(parents: ReadonlyMap<string, ReadonlyMap<string, RawType>>): MdevTypes {
  return new Map(
    [...parents].map(([parent, types]) => [
      tryParsePciAddress(parent) ?? parent,
      [...types].map(
        ([typeId, { name, description = '', available_instances }]): OfferedVgpuType => ({
          typeId,
          ...compact({ name: name || undefined }),
          available: wholeNumber(available_instances) ?? unknown('no available_instances'),
          ...parseMdevDescription(description),
        }),
      ),
    ]),
  );
}

function definition(uuid: string, parent: string, fields: unknown): MdevDefinition[] {
  if (!isRecord(fields) || typeof fields.mdev_type !== 'string') return [];
  return [{ uuid, parent, typeId: fields.mdev_type, autoStart: fields.start === 'auto' }];
}

function rawType(fields: unknown): RawType {
  if (!isRecord(fields)) return {};
  const text = (key: string) => (fields[key] === undefined ? undefined : String(fields[key]));
  return compact({
    name: text('name'),
    description: text('description'),
    available_instances: text('available_instances'),
  });
}

/** Keys and values of `{…}` or of a list of such objects. */
function entriesOf(value: unknown): [string, unknown][] {
  if (Array.isArray(value)) return value.flatMap(entriesOf);
  return isRecord(value) ? Object.entries(value) : [];
}

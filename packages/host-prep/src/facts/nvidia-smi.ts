import { type OfferedVgpuType, type PciAddress, tryParsePciAddress, unknown } from '@vmgpu/core';
import type { NvidiaSmiGpu } from './host-facts.ts';
import { compact, linesOf, wholeNumber } from './text.ts';
import { parseXml, type XmlElement, xmlAll, xmlAt } from './xml.ts';

/** Where each fact stands: path in `nvidia-smi -q -x` (DTD v9 to v13), and in the text of `nvidia-smi -q`. */
const places = {
  productName: ['product_name', 'Product Name'],
  uuid: ['uuid', 'GPU UUID'],
  fbTotal: ['fb_memory_usage/total', 'FB Memory Usage/Total'],
  bar1Total: ['bar1_memory_usage/total', 'BAR1 Memory Usage/Total'],
  migCurrent: ['mig_mode/current_mig', 'MIG Mode/Current'],
  migPending: ['mig_mode/pending_mig', 'MIG Mode/Pending'],
  eccCurrent: ['ecc_mode/current_ecc', 'ECC Mode/Current'],
  eccPending: ['ecc_mode/pending_ecc', 'ECC Mode/Pending'],
  persistence: ['persistence_mode', 'Persistence Mode'],
  virtualization: [
    'gpu_virtualization_mode/virtualization_mode',
    'GPU Virtualization Mode/Virtualization Mode',
  ],
  hostVgpu: ['gpu_virtualization_mode/host_vgpu_mode', 'GPU Virtualization Mode/Host VGPU Mode'],
  heterogeneous: [
    'gpu_virtualization_mode/vgpu_heterogeneous_mode',
    'GPU Virtualization Mode/vGPU Heterogeneous Mode',
  ],
  sizes: [
    'vgpu_device_capability/heterogeneous_timeSlice_sizes',
    'vGPU Device Capability/Heterogeneous Time-Slice Sizes',
  ],
} as const;

/** `nvidia-smi -q -x`, also after warnings; undefined when the text holds no such document. */
export function parseNvidiaSmiXml(text: string): readonly NvidiaSmiGpu[] | undefined {
  const start = text.indexOf('<nvidia_smi_log');
  if (start < 0) return undefined;
  return xmlAll(parseXml(text.slice(start)), 'gpu').flatMap((gpu) => {
    const address = tryParsePciAddress(gpu.attributes.id ?? xmlAt(gpu, 'pci', 'pci_bus_id')?.text ?? '');
    const value = (path: string) => xmlAt(gpu, ...path.split('/'))?.text;
    return address ? [gpuFrom(address, (place) => value(places[place][0]), faultIn(gpu))] : [];
  });
}

/** `nvidia-smi -q`, indented `Key : Value` lines below `GPU 00000000:65:00.0`. */
export function parseNvidiaSmiText(text: string): readonly NvidiaSmiGpu[] {
  const gpus = new Map<PciAddress, Map<string, string>>();
  let values: Map<string, string> | undefined;
  let parents: { indent: number; key: string }[] = [];
  for (const line of linesOf(text)) {
    const address = /^GPU ([0-9A-F]{4,8}:\S{7})\s*$/i.exec(line)?.[1];
    const parsed = address === undefined ? undefined : tryParsePciAddress(address);
    if (parsed) {
      // Printed twice in one text, the first counts.
      values = gpus.get(parsed) ?? new Map();
      gpus.set(parsed, values);
      parents = [];
      continue;
    }
    const [, indent = '', key = '', value] =
      /^( {4,40})([^:]{1,60}?)\s*(?::\s(.*))?$/.exec(line.slice(0, 500)) ?? [];
    if (key === '') continue;
    parents = parents.filter((parent) => parent.indent < indent.length);
    parents.push({ indent: indent.length, key });
    const path = parents.map((parent) => parent.key).join('/');
    if (value !== undefined && values && !values.has(path)) values.set(path, value.trim());
  }
  return [...gpus].map(([address, found]) =>
    gpuFrom(address, (place) => found.get(places[place][1]), undefined),
  );
}

/** `nvidia-smi -L`: index, name and UUID of each GPU. */
export function parseNvidiaSmiList(text: string): readonly { index: number; name: string; uuid: string }[] {
  return linesOf(text).flatMap((line) => {
    const [, index, name = '', uuid = ''] =
      /^GPU (\d{1,4}): (.{1,100}) \(UUID: (\S{1,60})\)\s*$/.exec(line) ?? [];
    return index === undefined ? [] : [{ index: Number(index), name, uuid }];
  });
}

/** A type in `nvidia-smi vgpu -s -v` (supported) or `-c -v` (creatable now). */
export interface NvidiaVgpuType extends OfferedVgpuType {
  /** Absent for time-sliced types. 0 is a profile, N/A is none. */
  readonly gpuInstanceProfile?: number;
}

/** `nvidia-smi vgpu -s -v` and `-c -v`: blocks of `Key : Value` below `GPU 00000000:8C:00.0`. */
export function parseNvidiaVgpuTypes(text: string): ReadonlyMap<PciAddress, readonly NvidiaVgpuType[]> {
  const gpus = new Map<PciAddress, Record<string, string>[]>();
  let types: Record<string, string>[] = [];
  for (const line of linesOf(text)) {
    const address = tryParsePciAddress(/^GPU ([0-9A-F]{4,8}:\S{7})\s*$/i.exec(line)?.[1] ?? '');
    if (address) {
      types = [];
      gpus.set(address, types);
      continue;
    }
    const [, label = '', value = ''] = /^\s*([A-Za-z][^:]{0,59}):\s+(.*)$/.exec(line.slice(0, 500)) ?? [];
    const key = label.trimEnd();
    if (key === 'vGPU Type ID') types.push({});
    const current = types.at(-1);
    if (current && key !== '') current[key] = value.trim();
  }
  return new Map([...gpus].map(([address, blocks]) => [address, blocks.flatMap(vgpuType)]));
}

function vgpuType(fields: Readonly<Record<string, string>>): NvidiaVgpuType[] {
  const id = Number(fields['vGPU Type ID']);
  if (!Number.isInteger(id)) return [];
  return [
    {
      typeId: `nvidia-${id}`,
      available: unknown('nvidia-smi lists types, not how many can be created'),
      ...compact({
        name: fields.Name,
        framebufferMiB: mebibytes(fields['FB Memory']) ?? undefined,
        maxInstances: wholeNumber(fields['Max Instances']),
        gpuInstanceProfile: wholeNumber(fields['GPU Instance Profile ID']),
      }),
    },
  ];
}

function gpuFrom(
  address: PciAddress,
  read: (place: keyof typeof places) => string | undefined,
  fault: string | undefined,
): NvidiaSmiGpu {
  const value = (place: keyof typeof places) => orNull(read(place));
  const mode = (current: keyof typeof places, pending: keyof typeof places) =>
    read(current) === undefined
      ? undefined
      : { current: value(current) ?? null, pending: value(pending) ?? null };
  return compact({
    address,
    productName: value('productName') ?? undefined,
    uuid: value('uuid') ?? undefined,
    fbTotalMiB: mebibytes(read('fbTotal')),
    bar1TotalMiB: mebibytes(read('bar1Total')),
    migMode: mode('migCurrent', 'migPending'),
    eccMode: mode('eccCurrent', 'eccPending'),
    persistenceMode: value('persistence'),
    virtualizationMode: value('virtualization'),
    hostVgpuMode: value('hostVgpu'),
    heterogeneousTimeSliceSizes: value('sizes'),
    vgpuHeterogeneousMode: value('heterogeneous'),
    fault,
  });
}

/** `N/A`, `[N/A]` and R580's notice of removal all mean that there is no value. */
function orNull(text: string | undefined): string | null | undefined {
  if (text === undefined) return undefined;
  return /^\[?N\/A\]?$|^Requested functionality has been deprecated$|^$/.test(text) ? null : text;
}

function mebibytes(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  return wholeNumber(/^(\d{1,9}) MiB$/.exec(text)?.[1]) ?? null;
}

/** A GPU that fell off the bus says so in place of its values. */
function faultIn(element: XmlElement): string | undefined {
  if (/GPU is lost|GPU requires reset|Unknown Error/i.test(element.text)) return element.text;
  for (const child of element.children) {
    const fault = faultIn(child);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

import { type Fact, isUnknown, unknown } from '@vmgpu/core';
import { type CaptureReader, mapFact } from './capture-reader.ts';
import type { KernelModuleFacts } from './host-facts.ts';
import { mergeModprobe } from './modprobe.ts';
import { moduleName, parseDkmsStatus, parseLsmod, parseModinfo, parseModuleList } from './modules.ts';
import { unameOf } from './read-system.ts';
import { cut, linesOf } from './text.ts';

export function readModules(
  reader: CaptureReader,
  config: Fact<Readonly<Record<string, string>>>,
): KernelModuleFacts {
  const loaded = reader.section('lsmod')
    ? mapFact(reader.required('lsmod'), parseLsmod)
    : mapFact(reader.optional('/proc/modules'), (text) => parseLsmod(text ?? ''));
  const modinfo = mapFact(reader.required('modinfo vfio-pci'), parseModinfo);
  const parameters = moduleParameters(reader);
  const isLoaded = (name: string) => !isUnknown(loaded) && loaded.includes(name);
  return {
    loaded,
    vfioPci: vfioPci(reader, config, isLoaded('vfio_pci')),
    vfioPciIds: mapFact(
      parameters,
      (values) => values.get('vfio_pci/parameters/ids') ?? unknown('the kernel does not show it'),
    ),
    modprobe: readModprobe(reader),
    loadAtBoot: readLists(reader),
    vfioPciParameters: mapFact(modinfo, (info) =>
      info.parameters.length > 0 ? info.parameters : unknown('modinfo lists no parameters'),
    ),
    dkms: mapFact(reader.optional('dkms status'), (text) => parseDkmsStatus(text ?? '')),
    kernelHeaders: mapFact(unameOf(reader), ([, , release]) =>
      reader.exists(`/lib/modules/${release}/build`),
    ),
    ignoreMsrs: mapFact(parameters, (values) => flag(values.get('kvm/parameters/ignore_msrs'), 'kvm')),
  };
}

/** `vfio_iommu_type1`'s parameter; a module that is not loaded allows nothing. */
export function readUnsafeInterrupts(reader: CaptureReader): Fact<boolean> {
  return mapFact(moduleParameters(reader), (values) => {
    const value = values.get('vfio_iommu_type1/parameters/allow_unsafe_interrupts');
    return value !== undefined && value.trim() === 'Y';
  });
}

function moduleParameters(reader: CaptureReader): Fact<ReadonlyMap<string, string>> {
  return mapFact(
    reader.required('/sys/module'),
    (text) => new Map(linesOf(text).flatMap((line) => [cut(line, ':')].filter((pair) => pair !== undefined))),
  );
}

function flag(value: string | undefined, module: string): Fact<boolean> {
  return value === undefined ? unknown(`${module} is not loaded`) : /^[Y1]/.test(value);
}

function vfioPci(
  reader: CaptureReader,
  config: Fact<Readonly<Record<string, string>>>,
  loaded: boolean,
): KernelModuleFacts['vfioPci'] {
  const modinfo = reader.section('modinfo vfio-pci');
  const filename = modinfo && parseModinfo(modinfo.text).fields.filename;
  if (filename) return filename === '(builtin)' ? 'builtin' : 'module';
  if (modinfo?.status === 'rc=1') return 'absent';
  const option = isUnknown(config) ? undefined : config.CONFIG_VFIO_PCI;
  if (option === 'y') return 'builtin';
  if (loaded || option === 'm') return 'module';
  return option === 'n' || (!isUnknown(config) && config.CONFIG_VFIO === 'n')
    ? 'absent'
    : unknown('neither modinfo nor the kernel configuration could be read');
}

function readModprobe(reader: CaptureReader): KernelModuleFacts['modprobe'] {
  const files = reader.matching(/\/modprobe\.d\/[^/]+$/);
  const resolved = reader.section('modprobe -c');
  const hidden = files.find(({ status }) => status === 'denied');
  const works = resolved?.status === 'rc=0';
  if (files.length === 0 && resolved === undefined) return unknown('not in the capture');
  if (hidden && !works) return unknown(`${hidden.name} needs root`);
  const readable = files
    .filter(({ status }) => status === 'ok')
    .map(({ name, text }) => ({ path: name, text }));
  return mergeModprobe(readable, works ? resolved.text : undefined);
}

function readLists(reader: CaptureReader): KernelModuleFacts['loadAtBoot'] {
  const files = reader.matching(
    /^\/etc\/modules$|\/modules-load\.d\/[^/]+\.conf$|^\/etc\/initramfs-tools\/modules$/,
  );
  if (files.length === 0) return unknown('not in the capture');
  const text = (name: string) => files.find((file) => file.name === name)?.text;
  return (
    files
      // Debian links /etc/modules into modules-load.d; listed once is enough.
      .filter(
        ({ name }) => name !== '/etc/modules-load.d/modules.conf' || text(name) !== text('/etc/modules'),
      )
      .flatMap(({ name, text: content }) => parseModuleList(content, name))
  );
}

/** `nvidia`'s modinfo field; null when the module is not installed or has none. */
export function nvidiaField(reader: CaptureReader, field: string): Fact<string | null> {
  const section = reader.section('modinfo nvidia');
  if (section?.status === 'rc=1') return null;
  return mapFact(reader.required('modinfo nvidia'), (text) => parseModinfo(text).fields[field] ?? null);
}

/** True when a module is loaded or compiled in, as `/sys/module` shows. */
export function moduleInKernel(reader: CaptureReader, name: string): Fact<boolean> {
  return mapFact(reader.pathsBelow('/sys/module/'), (names) => names.includes(moduleName(name)));
}

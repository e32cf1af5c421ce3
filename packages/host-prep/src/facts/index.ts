import { apiVersion, type Fact, type HostInventory, isUnknown, knownValue, unknown } from '@vmgpu/core';
import { type HostCapture, looksLikeCapture, parseCapture } from '../capture/format.ts';
import { type CaptureReader, createCaptureReader, mapFact } from './capture-reader.ts';
import { selectGpus } from './gpus.ts';
import type { Gap, HostFacts, IommuFacts, MdevDefinition, MdevDevice } from './host-facts.ts';
import { interruptRemappingIn, parseKernelLog } from './kernel-log.ts';
import {
  type MdevTypes,
  parseMdevBus,
  parseMdevctlList,
  parseMdevDefinition,
  parseMdevDevices,
} from './mdev.ts';
import { readBoot } from './read-boot.ts';
import { moduleInKernel, readModules, readUnsafeInterrupts } from './read-modules.ts';
import { readNvidia, readSupportedTypes } from './read-nvidia.ts';
import { readPci } from './read-pci.ts';
import { readContainers, readMemory, readRoles, readServices, readSystem, unameOf } from './read-system.ts';
import { captureOf } from './recognise.ts';
import { parseIommuGroups } from './sysfs-pci.ts';

export { argumentValues, parseCommandLine, parseKernelArgument } from './command-line.ts';
export { parseGrubDefaults } from './grub.ts';
export type * from './host-facts.ts';
export { functionsOf, type LspciForm, type LspciListing, type LspciRecord, parseLspci } from './lspci.ts';
export { mergeModprobe, parseModprobe } from './modprobe.ts';
export { moduleName, parseModuleList } from './modules.ts';
export {
  parseNvidiaSmiList,
  parseNvidiaSmiText,
  parseNvidiaSmiXml,
  parseNvidiaVgpuTypes,
} from './nvidia-smi.ts';
export { type Recognised, recognise, type TextKind } from './recognise.ts';

/** What a capture says, as data. Never throws: what the capture lacks is `unknown` with the reason. */
export function readHostFacts(capture: HostCapture): HostFacts {
  const reader = createCaptureReader(capture);
  const system = readSystem(reader);
  const pci = readPci(reader);
  const nvidia = readNvidia(reader);
  const kernelLog = readKernelLog(reader);
  const mdevTypes = mapFact(
    reader.optional('/sys/class/mdev_bus'),
    (text): MdevTypes => parseMdevBus(text ?? ''),
  );
  const mdevs = readMdevs(reader, mdevTypes);
  const gpus = selectGpus(pci, { mdevTypes, smi: nvidia.gpus, supported: readSupportedTypes(reader) });
  return {
    apiVersion,
    kind: 'HostFacts',
    host: knownValue(unameOf(reader))?.[1] ?? baseName(capture.file) ?? 'host',
    gaps: [...reader.gaps, ...pci.gaps, ...logGaps(reader)],
    system,
    boot: readBoot(reader),
    iommu: readIommu(reader, kernelLog, pci.functions),
    kernelModules: readModules(reader, system.kernelConfig),
    pci: pci.functions,
    pciSource: pci.source,
    gpus,
    pciDetails: pci.details,
    mdevs,
    mdevDefinitions: readMdevDefinitions(reader),
    nvidia,
    amd: { gimLoaded: moduleInKernel(reader, 'gim') },
    memory: readMemory(reader),
    containers: readContainers(reader),
    deviceNodes: mapFact(reader.pathsBelow('/dev/'), (names) => names.map((name) => `/dev/${name}`)),
    services: readServices(reader),
    kernelLog,
    roles: readRoles(reader),
    ...readFiles(reader),
  };
}

/**
 * Facts from any text that tells about a host's PCI functions: a capture, lspci in any form, an IOMMU group listing,
 * libvirt node devices, a udev database. Throws `bad-capture` when the text is a damaged capture or holds no function
 * with an id.
 */
export function hostFactsFromText(text: string, options: { readonly file?: string } = {}): HostFacts {
  const capture = looksLikeCapture(text) ? parseCapture(text, options) : captureOf(text, options);
  return readHostFacts(capture);
}

/** The GPUs of the host as a platform adapter's snapshot carries them; `name` is the platform's name of the host. */
export function hostInventory(facts: HostFacts, name: string = facts.host): HostInventory {
  return { host: name, gpus: facts.gpus };
}

function readIommu(
  reader: CaptureReader,
  log: HostFacts['kernelLog'],
  functions: HostFacts['pci'],
): IommuFacts {
  const table = mapFact(reader.optional('/sys/kernel/iommu_groups'), (text) => parseIommuGroups(text ?? ''));
  return {
    units: reader.pathsBelow('/sys/class/iommu/'),
    groups: isUnknown(table) ? groupsOf(functions) : table,
    interruptRemapping: interruptRemapping(reader, log),
    unsafeInterruptsAllowed: readUnsafeInterrupts(reader),
  };
}

/** Groups as the functions themselves tell them, when the capture has no listing of groups. */
function groupsOf(functions: HostFacts['pci']): IommuFacts['groups'] {
  if (isUnknown(functions)) return functions;
  const why = functions.map(({ iommuGroup }) => iommuGroup).find(isUnknown);
  if (why) return why;
  const ids = [
    ...new Set(functions.flatMap(({ iommuGroup }) => (typeof iommuGroup === 'number' ? [iommuGroup] : []))),
  ];
  return ids
    .sort((a, b) => a - b)
    .map((id) => ({
      id,
      members: functions.filter((each) => each.iommuGroup === id).map(({ address }) => address),
    }));
}

function interruptRemapping(reader: CaptureReader, log: HostFacts['kernelLog']): Fact<boolean> {
  const said = isUnknown(log) ? undefined : interruptRemappingIn(log);
  if (said !== undefined) return said;
  // Interrupt chips behind a remapping unit are called IR-PCI-MSI, IR-IO-APIC.
  if (/\bIR-/.test(reader.section('/proc/interrupts')?.text ?? '')) return true;
  return isUnknown(log) ? log : unknown('the kernel log does not say');
}

const logSections = ['journalctl -k -b 0 -o cat --no-pager', 'dmesg'];

function readKernelLog(reader: CaptureReader): HostFacts['kernelLog'] {
  const readings = logSections.map((name) => mapFact(reader.required(name), parseKernelLog));
  const logs = readings.filter((log) => !isUnknown(log) && log.length > 0) as (readonly string[])[];
  return logs.find(isWhole) ?? logs[0] ?? readings[1] ?? unknown('not in the capture');
}

function logGaps(reader: CaptureReader): readonly Gap[] {
  const log = readKernelLog(reader);
  if (isUnknown(log) || isWhole(log)) return [];
  return [{ source: 'dmesg', why: 'the kernel log has wrapped: its beginning is lost' }];
}

function isWhole(log: readonly string[]): boolean {
  return log.some((line) => /^(?:Linux version|Command line:|ACPI: RSDP)/.test(line));
}

function readMdevs(reader: CaptureReader, types: Fact<MdevTypes>): Fact<readonly MdevDevice[]> {
  const names = new Map(
    [...(knownValue(types)?.values() ?? [])]
      .flat()
      .flatMap(({ typeId, name }) => (name ? [[typeId, name]] : [])) as [string, string][],
  );
  return mapFact(reader.optional('/sys/bus/mdev/devices'), (text) =>
    parseMdevDevices(text ?? '').map((device) => {
      const typeName = names.get(device.typeId);
      return typeName === undefined ? device : { ...device, typeName };
    }),
  );
}

function readMdevDefinitions(reader: CaptureReader): Fact<readonly MdevDefinition[]> {
  const files = reader.matching(/^\/etc\/mdevctl\.d\/[^/]+\/[^/]+$/).filter(({ status }) => status === 'ok');
  const fromFiles = files.flatMap(({ name, text }) => {
    const [uuid = '', parent = ''] = name.split('/').reverse();
    return parseMdevDefinition(text, uuid, parent);
  });
  const listed = mapFact(reader.optional('mdevctl list -d'), (text) => parseMdevctlList(text ?? ''));
  return fromFiles.length > 0 ? fromFiles : listed;
}

/** Where preparation writes, and the foreign files it may have to edit. */
const configuration =
  /^\/(?:etc\/(?:vmgpu|modprobe\.d|modules(?:-load\.d|$)|initramfs-tools|default\/grub|kernel\/cmdline|dracut\.conf\.d|mkinitcpio|systemd\/system)|usr\/lib\/dracut\/modules\.d|var\/lib\/vmgpu\/original|(?:boot|efi|boot\/efi)\/loader\/entries)/;

function readFiles(reader: CaptureReader): { readonly files?: Readonly<Record<string, string>> } {
  const sections = reader
    .matching(configuration)
    .filter(({ kind, status }) => kind === 'file' && (status === 'ok' || status === 'absent'));
  const present = sections.filter(({ status }) => status === 'ok');
  return sections.length === 0
    ? {}
    : { files: Object.fromEntries(present.map(({ name, text }) => [name, text])) };
}

function baseName(file: string | undefined): string | undefined {
  return (
    file
      ?.split('/')
      .at(-1)
      ?.replace(/\.(txt|log|capture)$/, '') || undefined
  );
}

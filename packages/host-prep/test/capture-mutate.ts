import { isVmgpuError } from '@vmgpu/core';
import { parseCapture } from '../src/capture/index.ts';
import { parseGrubby, parseGrubConfig, parseLoaderEntry } from '../src/facts/boot-entries.ts';
import { parseCommandLine } from '../src/facts/command-line.ts';
import { parseCpuinfo, parseLscpu } from '../src/facts/cpu.ts';
import { parseGrubDefaults } from '../src/facts/grub.ts';
import { hostFactsFromText, recognise } from '../src/facts/index.ts';
import { parseKernelLog } from '../src/facts/kernel-log.ts';
import { parseLspci } from '../src/facts/lspci.ts';
import { parseLspciMachine } from '../src/facts/lspci-machine.ts';
import { parseLspciRecords } from '../src/facts/lspci-records.ts';
import { parseLspciText } from '../src/facts/lspci-text.ts';
import {
  parseCreatableVgpuTypes,
  parseMdevBus,
  parseMdevctlList,
  parseMdevctlTypes,
  parseMdevDefinition,
  parseMdevDescription,
  parseMdevDevices,
} from '../src/facts/mdev.ts';
import { mergeModprobe, parseModprobe } from '../src/facts/modprobe.ts';
import {
  parseDkmsStatus,
  parseKernelConfig,
  parseLsmod,
  parseModinfo,
  parseModuleList,
} from '../src/facts/modules.ts';
import { parseNodedev, parseUdevadm } from '../src/facts/nodedev.ts';
import {
  parseNvidiaSmiList,
  parseNvidiaSmiText,
  parseNvidiaSmiXml,
  parseNvidiaVgpuTypes,
} from '../src/facts/nvidia-smi.ts';
import { parseOsRelease } from '../src/facts/os-release.ts';
import { parseFramebuffers } from '../src/facts/read-boot.ts';
import { parseServices } from '../src/facts/read-system.ts';
import { parseIommuGroups, parseSysfsPci } from '../src/facts/sysfs-pci.ts';
import { parseXml } from '../src/facts/xml.ts';

/** Every parser of host texts, each given only the text. */
export const parsers: Readonly<Record<string, (text: string) => unknown>> = {
  hostFactsFromText,
  parseCapture,
  recognise,
  parseCommandLine,
  parseCpuinfo,
  parseCreatableVgpuTypes,
  parseDkmsStatus,
  parseFramebuffers,
  parseGrubby,
  parseGrubConfig: (text) => parseGrubConfig(text, 'f'),
  parseGrubDefaults: (text) => parseGrubDefaults([{ path: 'f', text }]),
  parseIommuGroups,
  parseKernelConfig,
  parseKernelLog,
  parseLoaderEntry: (text) => parseLoaderEntry(text, 'f'),
  parseLscpu,
  parseLsmod,
  parseLspci,
  parseLspciMachine,
  parseLspciRecords,
  parseLspciText,
  parseMdevBus,
  parseMdevctlList,
  parseMdevctlTypes,
  parseMdevDefinition: (text) => parseMdevDefinition(text, 'u', 'p'),
  parseMdevDescription,
  parseMdevDevices,
  parseModinfo,
  parseModprobe: (text) => parseModprobe(text, 'f'),
  mergeModprobe: (text) => mergeModprobe([{ path: '/etc/modprobe.d/a.conf', text }], text),
  parseModuleList: (text) => parseModuleList(text, 'f'),
  parseNodedev,
  parseNvidiaSmiList,
  parseNvidiaSmiText,
  parseNvidiaSmiXml,
  parseNvidiaVgpuTypes,
  parseOsRelease,
  parseServices,
  parseSysfsPci,
  parseUdevadm,
  parseXml,
};

/** Runs one parser; gives the error when it threw one that is not a VmgpuError. */
export function untypedThrow(parse: (text: string) => unknown, text: string): unknown {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    return isVmgpuError(error) ? undefined : error;
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const fragments = [
  '\0',
  '\r\n',
  '\n',
  '"',
  "'",
  '\\',
  '[',
  ']',
  '{',
  '<',
  '</',
  '<!--',
  '$(',
  '${',
  '`',
  ':',
  '|',
  '#',
  '=',
  '\t',
  '\uFFFD',
  '-1',
  '0xffffffffffffffffff',
  'N/A',
  '#end 3',
  '__proto__',
  'constructor:',
  ' '.repeat(300),
  '('.repeat(300),
];

/** A text with some of its characters, lines or blocks removed, doubled, swapped or replaced. */
export function mutate(text: string, random: () => number): string {
  let result = text;
  const place = () => Math.floor(random() * (result.length + 1));
  const times = 1 + Math.floor(random() * 4);
  for (let round = 0; round < times; round += 1) {
    const [from, length] = [place(), Math.floor(random() ** 3 * 400)];
    const piece = result.slice(from, from + length);
    const fragment = fragments[Math.floor(random() * fragments.length)] ?? '';
    switch (Math.floor(random() * 6)) {
      case 0:
        result = result.slice(0, from);
        break;
      case 1:
        result = result.slice(0, from) + result.slice(from + length);
        break;
      case 2:
        result = result.slice(0, from) + piece.repeat(1 + Math.floor(random() * 5)) + result.slice(from);
        break;
      case 3:
        result = result.slice(0, from) + fragment + result.slice(from + 1);
        break;
      case 4:
        result = result.slice(0, from) + fragment.repeat(1 + Math.floor(random() * 40)) + result.slice(from);
        break;
      case 5:
        result =
          result.slice(0, from) + String.fromCharCode(Math.floor(random() * 256)) + result.slice(from + 1);
        break;
    }
  }
  return result;
}

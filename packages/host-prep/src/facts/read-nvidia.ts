import { type Fact, isUnknown, type PciAddress, unknown } from '@vmgpu/core';
import { type CaptureReader, mapFact } from './capture-reader.ts';
import type { NvidiaFacts, NvidiaSmiGpu } from './host-facts.ts';
import {
  type NvidiaVgpuType,
  parseNvidiaSmiText,
  parseNvidiaSmiXml,
  parseNvidiaVgpuTypes,
} from './nvidia-smi.ts';
import { moduleInKernel, nvidiaField } from './read-modules.ts';

export function readNvidia(reader: CaptureReader): NvidiaFacts {
  const version = reader.optional('/proc/driver/nvidia/version');
  const gpus = readGpus(reader);
  const moduleLicense = nvidiaField(reader, 'license');
  const smi = reader.section('nvidia-smi -q -x') ?? reader.section('nvidia-smi -q');
  return {
    driverVersion: mapFact(version, (text) =>
      text === null
        ? null
        : (/ (\d{3}\.\d{1,4}(?:\.\d{1,4})?) /.exec(`${text} `)?.[1] ?? unknown('no version in it')),
    ),
    flavour: mapFact(version, (text) => flavour(reader, text, gpus, moduleLicense)),
    moduleLicense,
    moduleSigner: nvidiaField(reader, 'signer'),
    smiPresent: smi ? smi.status !== 'absent' : unknown('not in the capture'),
    gpus,
  };
}

function readGpus(reader: CaptureReader): Fact<readonly NvidiaSmiGpu[]> {
  const xml = reader.section('nvidia-smi -q -x');
  // It may fail for one lost GPU and still print the others.
  const parsed = xml && parseNvidiaSmiXml(xml.text);
  if (parsed) return parsed;
  const text = reader.section('nvidia-smi -q');
  return text
    ? parseNvidiaSmiText(text.text)
    : mapFact(reader.required('nvidia-smi -q -x'), () => unknown('no GPUs in it'));
}

function flavour(
  reader: CaptureReader,
  version: string | null,
  gpus: Fact<readonly NvidiaSmiGpu[]>,
  license: Fact<string | null>,
): NvidiaFacts['flavour'] {
  if (version === null) return null;
  const modes = isUnknown(gpus) ? [] : gpus.map(({ virtualizationMode }) => virtualizationMode);
  if (moduleInKernel(reader, 'nvidia_vgpu_vfio') === true || modes.includes('Host VGPU')) return 'vgpu-host';
  if (modes.includes('VGPU')) return 'vgpu-guest';
  if (/Open Kernel Module/.test(version) || (typeof license === 'string' && /MIT/.test(license)))
    return 'open';
  return 'data-centre';
}

/** Types with their limits, as far as `nvidia-smi vgpu -s -v` was there. */
export function readSupportedTypes(
  reader: CaptureReader,
): ReadonlyMap<PciAddress, readonly NvidiaVgpuType[]> {
  return parseNvidiaVgpuTypes(reader.section('nvidia-smi vgpu -s -v')?.text ?? '');
}

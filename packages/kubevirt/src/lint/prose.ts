import { nearest, type SourceFile } from '@vmgpu/core';
import { workloads, workloadWhy } from './operator-rules.ts';

/** A finding at an offset of the text. */
export interface ProseFinding {
  readonly rule: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly offset: number;
  readonly message: string;
  readonly why: string;
  readonly remedy?: string;
}

/** Types of boards that the default table of vgpu-device-manager had up to GPU Operator v24.6. */
const oldBoardType = /mdevNameSelector:\s*["']?(GRID (?:M6|M10|M60|P4|P6|P40|P100)-\w+)/g;

/** Mistakes in the sentences and shell lines of guides, which readers copy as well. */
export function proseFindings({ text }: SourceFile): readonly ProseFinding[] {
  return [
    ...matches(text, /nvidia\.com\/gpu\.workload\.config[=:]\s*["']?([A-Za-z][\w-]*)/g, (value, offset) =>
      workloads.includes(value)
        ? undefined
        : {
            rule: 'gpu-operator.workload-label',
            severity: 'error',
            offset,
            message: `"${value}" is no workload: ${workloads.join(', ')}`,
            why: workloadWhy,
            ...(nearest(value, workloads, 1)[0] === undefined
              ? {}
              : { remedy: `did you mean ${nearest(value, workloads, 1)[0]}?` }),
          },
    ),
    ...matches(
      text,
      /resourceName[^\n:=]{0,24}?["“`']([A-Z]{2,}[A-Za-z0-9-]*_[\w.-]+)["”`']/g,
      (value, offset) => ({
        rule: 'kubevirt.resource-name',
        severity: 'error',
        offset,
        message: `${value} lacks the vendor domain, such as nvidia.com/`,
        why: 'Nodes publish resources as vendor-domain/name; nothing matches this one.',
        remedy: `write nvidia.com/${value}`,
      }),
    ),
    ...matches(text, /\b(permittedDevices)\b/g, (_, offset) => ({
      rule: 'kubevirt.permitted-devices',
      severity: 'error',
      offset,
      message: 'permittedDevices is called permittedHostDevices',
      why: 'The API server drops the key, so nothing is permitted by it.',
      remedy: 'write permittedHostDevices',
    })),
    ...(/kind: HyperConverged/.test(text)
      ? []
      : matches(text, /\b(pciDeviceSelector)\b/g, (_, offset) => ({
          rule: 'kubevirt.selector-key',
          severity: 'error',
          offset,
          message: 'pciDeviceSelector is the key of HyperConverged; a KubeVirt object says pciVendorSelector',
          why: 'The key is dropped, and the entry is refused for lack of its selector.',
          remedy: 'write pciVendorSelector',
        }))),
    ...matches(text, /^[ \t]*[a-z0-9.-]+\/[\w.-]+( +):[ \t]+\d/gm, (blank, offset) => ({
      rule: 'kubevirt.output-blank',
      severity: 'info',
      offset,
      message: 'the name of the resource has a blank after it',
      why: 'Copied with it, the name matches nothing.',
      ...(blank === '' ? {} : { remedy: 'delete the blank' }),
    })),
    ...matches(text, oldBoardType, (type, offset) => ({
      rule: 'gpu-operator.no-default-type',
      severity: 'info',
      offset,
      message: `the GPU Operator makes no ${type} by itself since v24.9.0`,
      why: 'Its table of vGPU types lost the boards of Maxwell and Pascal then; nodes with another table go on.',
      remedy: 'bring a ConfigMap of your own for vgpu-device-manager (vmgpu render writes it)',
    })).slice(0, 1),
    ...(/\bguest:/.test(text)
      ? []
      : matches(text, /\brequests:\s*\n\s+(memory):/g, (_, offset) => ({
          rule: 'kubevirt.memory-as-request',
          severity: 'info',
          offset,
          message: 'the memory of the guest is said by a request of the pod only',
          why: 'It works: the guest gets as much. But limits, hugepages and hot-plug start from memory.guest.',
          remedy: 'write domain.memory.guest; KubeVirt makes the request from it',
        }))),
    ...matches(text, /featureGates\/-/g, (_, offset) => ({
      rule: 'kubevirt.gate-json-patch',
      severity: 'error',
      offset,
      message:
        'this JSON patch fails where there is no list of feature gates yet, and adds the gate again at each run',
      why: 'JSON patch makes no parents, and lists have no memory.',
      remedy: 'read the object, add the gate when it is absent, write the list',
    })),
  ];
}

function matches(
  text: string,
  pattern: RegExp,
  make: (value: string, offset: number) => ProseFinding | undefined,
): readonly ProseFinding[] {
  return [...text.matchAll(pattern)].flatMap((match) => {
    const value = match[1] ?? '';
    const offset = (match.index ?? 0) + Math.max(0, match[0].lastIndexOf(value));
    return make(value, offset) ?? [];
  });
}

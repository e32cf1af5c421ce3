import type { CpuFacts } from './host-facts.ts';
import { linesOf } from './text.ts';

/** `/proc/cpuinfo`, or the script's count of its lines (`     16 vendor_id	: AuthenticAMD`). */
export function parseCpuinfo(text: string): CpuFacts {
  const seen = { processors: 0, vmx: 0, svm: 0 };
  let vendor: string | undefined;
  let model: string | undefined;
  for (const line of linesOf(text)) {
    const [, times, key = '', value = ''] =
      /^ {0,7}(?:(\d{1,7}) )?([A-Za-z][\w ]{0,40}?)\s{0,20}:\s*(.*)$/.exec(line.slice(0, 8000)) ?? [];
    const count = times === undefined ? 1 : Number(times);
    switch (key) {
      case 'processor':
        seen.processors += count;
        break;
      case 'vendor_id':
      case 'CPU implementer':
        vendor ??= key === 'vendor_id' ? value.trim() : 'ARM';
        break;
      case 'model name':
        model ??= value.trim();
        break;
      case 'cpu':
        model ??= value.trim();
        break;
      case 'flags':
        if (/\bvmx\b/.test(value)) seen.vmx += count;
        if (/\bsvm\b/.test(value)) seen.svm += count;
        break;
    }
  }
  return facts(vendor, model, seen.processors, seen.vmx, seen.svm);
}

/** `lscpu`, which prints one summary for all CPUs. */
export function parseLscpu(text: string): CpuFacts {
  const fields: Record<string, string> = {};
  for (const line of linesOf(text)) {
    const [, key = '', value = ''] = /^\s*([A-Z][^:]{0,60}):\s*(.*)$/.exec(line.slice(0, 8000)) ?? [];
    fields[key] ??= value.trim();
  }
  const count = Number(fields['CPU(s)'] ?? 0) || 0;
  const flags = `${fields.Flags ?? ''} ${fields.Virtualization ?? ''}`;
  const has = (pattern: RegExp) => (pattern.test(flags) ? count : 0);
  return facts(fields['Vendor ID'], fields['Model name'], count, has(/\bvmx\b|VT-x/), has(/\bsvm\b|AMD-V/));
}

function facts(
  vendor: string | undefined,
  model: string | undefined,
  count: number,
  vmx: number,
  svm: number,
): CpuFacts {
  return {
    vendor: vendor ?? 'unknown',
    ...(model === undefined ? {} : { model }),
    count,
    withVirtualization: Math.max(vmx, svm),
    virtualization: vmx > 0 ? 'vmx' : svm > 0 ? 'svm' : null,
  };
}

/** Wanted values against those that are stored: what means the same, or is left unsaid, stays as it stands. */
import type { Report } from './diagnostics.ts';
import { cpuFormat, machineFormat, propertiesOf } from './formats.ts';
import { canonicalOption, isDrive, requestForm, type VmOptions } from './option-text.ts';
import { printProperties } from './property-string.ts';

/** Values that mean what is stored already are left as they stand, so that nothing is written for nothing. */
export function keepAsStored(said: VmOptions, current: VmOptions, report: Report): VmOptions {
  return Object.fromEntries(
    Object.entries(said).map(([key, value]) => {
      const stored = current[key];
      if (stored === undefined) return [key, value];
      if (requestForm(key, stored) === canonicalOption(key, value) || pinnedFormOf(key, value, stored))
        return [key, stored];
      if (isDrive(key) && allocatesVolume(value)) {
        report.add(
          'unsupported',
          'disk-exists',
          `spec.providerOptions.proxmox.options.${key}`,
          `${key} exists and is left as it is: ${stored}`,
          'change it by hand; Proxmox VE would attach a new, empty disk instead',
        );
        return [key, stored];
      }
      return [key, value];
    }),
  );
}

/** What the intent does not say of CPU and machine (flags, viommu, the pinned version) stays as it is stored. */
export function mergeStored(composed: VmOptions, current: VmOptions): Record<string, string> {
  const merged: Record<string, string> = { ...composed };
  for (const [key, format] of [
    ['cpu', cpuFormat],
    ['machine', machineFormat],
  ] as const) {
    const stored = propertiesOf(key, current[key]);
    const said = propertiesOf(key, composed[key]);
    if (composed[key] === undefined) continue;
    const pinned = said.type === 'q35' && /^pc-q35-/.test(stored.type ?? '');
    merged[key] = printProperties(format, {
      ...stored,
      ...said,
      ...(pinned ? { type: stored.type ?? '' } : {}),
    });
  }
  return merged;
}

/** Proxmox VE pins the machine version of Windows guests by itself: `q35` becomes `pc-q35-11.0+pve2`. */
function pinnedFormOf(key: string, value: string, stored: string): boolean {
  return key === 'machine' && value === 'q35' && /^(type=)?pc-q35-[\d.]+(\+pve\d+)?$/.test(stored);
}

function allocatesVolume(value: string): boolean {
  return /^(file=)?[^:,/]+:(\d|cloudinit)/.test(value);
}

export function allocates(managed: VmOptions, current: VmOptions): boolean {
  return Object.entries(managed).some(
    ([key, value]) => isDrive(key) && value !== current[key] && allocatesVolume(value),
  );
}

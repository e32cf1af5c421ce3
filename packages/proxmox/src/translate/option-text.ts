/** VM options compared by meaning, and brought from the stored form into the form of a request. */
import { formatOf, propertiesOf } from './formats.ts';
import { printHostPci, tryParseHostPci, withoutDefaults } from './hostpci.ts';
import { printProperties, tryParseProperties } from './property-string.ts';

export type VmOptions = Readonly<Record<string, string>>;

const drive = /^(ide|sata|scsi|virtio|efidisk|tpmstate)\d+$/;

/** True for options whose value names a volume. */
export function isDrive(option: string): boolean {
  return drive.test(option);
}

/** One spelling for values that mean the same: keys sorted, booleans 1/0, hostpci without its defaults. */
export function canonicalOption(option: string, text: string): string {
  if (/^hostpci\d+$/.test(option)) {
    const result = tryParseHostPci(text);
    return result.ok ? printHostPci(withoutDefaults(result.value)) : text;
  }
  if (option === 'tags')
    return text
      .split(/[;, ]+/)
      .filter(Boolean)
      .sort()
      .join(';');
  const format = formatOf(option);
  const result = format && tryParseProperties(format, text);
  return format && result?.ok ? printProperties(format, result.value) : text.trim();
}

/** The canonical form of a stored value as one would ask for it anew: volumes as `STORAGE:GiB`. */
export function requestForm(option: string, text: string): string {
  if (!isDrive(option)) return canonicalOption(option, text);
  const format = formatOf(option);
  const { file, size, ...rest } = propertiesOf(option, text);
  if (!format || file === undefined) return text;
  const [, storage, volume = ''] = /^([^:/]+):(.+)$/.exec(file) ?? [];
  if (storage === undefined || /^\d+$/.test(volume)) return canonicalOption(option, text);
  if (/-cloudinit(\.|$)/.test(volume))
    return printProperties(format, { ...rest, file: `${storage}:cloudinit` });
  if (rest.media === 'cdrom') return printProperties(format, { ...rest, file });
  if (/^(efidisk|tpmstate)/.test(option)) {
    // The size is fixed by the firmware, and Proxmox VE picks the certificates itself.
    const { 'ms-cert': _, ...kept } = rest;
    return printProperties(format, { ...kept, file: `${storage}:1` });
  }
  const gib = sizeInGiB(size);
  return gib === undefined ? text : printProperties(format, { ...rest, file: `${storage}:${gib}` });
}

/** Whole GiB, rounded up, of `32G`, `4M`, `528K`. */
export function sizeInGiB(size: string | undefined): number | undefined {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(size ?? '') ?? [];
  if (amount === undefined) return undefined;
  return Math.ceil((Number(amount) * 1024 ** ' KMGT'.indexOf(unit || ' ')) / 1024 ** 3);
}

import { badInput } from '../errors/vmgpu-error.ts';

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  MB: 1e6,
  G: 1e9,
  GB: 1e9,
  T: 1e12,
  TB: 1e12,
  Ki: 2 ** 10,
  KiB: 2 ** 10,
  Mi: 2 ** 20,
  MiB: 2 ** 20,
  Gi: 2 ** 30,
  GiB: 2 ** 30,
  Ti: 2 ** 40,
  TiB: 2 ** 40,
};

/**
 * Reads an amount of memory or disk into bytes: `64GiB`, `64Gi` (Kubernetes), `512 MiB`, `100GB`. Decimal and binary
 * units are told apart by the `i`. Throws `bad-input` for anything else, for fractions of a byte, and from 2^53 on.
 */
export function parseBytes(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$/.exec(text);
  const unit = units[match?.[2] ?? 'none'];
  const bytes = match && unit !== undefined ? Number(match[1]) * unit : Number.NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw badInput('not an amount of memory', {
      found: text,
      expected: 'a number with a unit, such as 64GiB or 512MiB',
    });
  }
  return bytes;
}

/** True when `parseBytes` reads it. */
export function isBytes(text: string): boolean {
  try {
    parseBytes(text);
    return true;
  } catch {
    return false;
  }
}

/** Prints bytes with the largest binary unit that leaves a whole number: `64GiB`, `1536MiB`, `1000`. */
export function printBytes(bytes: number): string {
  return printWith(bytes, ['TiB', 'GiB', 'MiB', 'KiB']);
}

/** Kubernetes' spelling of the same: `64Gi`. */
export function printKubernetesQuantity(bytes: number): string {
  return printWith(bytes, ['Ti', 'Gi', 'Mi', 'Ki']);
}

/** Whole MiB, rounded up (Nova's and Proxmox VE's unit for memory). */
export function toMiB(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}

/** Whole GiB, rounded up (Nova's and Proxmox VE's unit for disks). */
export function toGiB(bytes: number): number {
  return Math.ceil(bytes / 2 ** 30);
}

function printWith(bytes: number, names: readonly string[]): string {
  for (const name of names) {
    const size = units[name] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${name}`;
  }
  return String(bytes);
}

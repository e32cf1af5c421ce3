import { tryParsePciAddress } from '@vmgpu/core';
import { type LspciListing, type LspciRecord, makeListing } from './lspci-record.ts';
import { cut, linesOf, wholeNumber } from './text.ts';

/**
 * `lspci -vmm`, with or without `-nn`, `-n`, `-k`, `-D`: blank-line separated records of `Key:<tab>value` (pciutils
 * 3.9, lspci.8 "Verbose format"). An id is the last `[xxxx]` of its value: names contain brackets too.
 */
export function parseLspciRecords(text: string): LspciListing {
  const records: LspciRecord[] = [];
  let current: LspciRecord | undefined;
  for (const line of linesOf(text)) {
    const pair = cut(line, ':');
    if (!pair) {
      if (line.trim() === '') current = undefined;
      continue;
    }
    const key = pair[0].trim();
    const value = pair[1].trim();
    // The verbose form of pciutils before 3.0 called the address `Device:`.
    const address = key === 'Slot' || (key === 'Device' && !current) ? tryParsePciAddress(value) : undefined;
    if (address) {
      current = { address };
      records.push(current);
    } else if (current) {
      readField(current, key, value);
    }
  }
  return makeListing('lspci -vmm', records);
}

function readField(record: LspciRecord, key: string, value: string): void {
  const { id, name } = splitIdName(value);
  switch (key) {
    case 'Class':
      record.class = id;
      record.className = name;
      break;
    case 'Vendor':
      record.vendor = id;
      record.vendorName = name;
      break;
    case 'Device':
      record.device = id;
      record.deviceName = name;
      break;
    case 'SVendor':
      record.subvendor = id;
      break;
    case 'SDevice':
      record.subdevice = id;
      record.subsystemName = name;
      break;
    case 'Rev':
      record.revision = value;
      if (value === 'ff') record.dead = 'Rev: ff';
      break;
    case 'Driver':
      record.driver = value;
      break;
    case 'Module':
      record.modules = [...(record.modules ?? []), value];
      break;
    case 'NUMANode':
      record.numaNode = wholeNumber(value);
      break;
    case 'IOMMUGroup':
      record.iommuGroup = wholeNumber(value);
      break;
  }
}

/** `GA102GL [A10] [2236]`, `2236` or `GA102GL [A10]`. */
export function splitIdName(value: string): { id?: string | undefined; name?: string | undefined } {
  if (/^[0-9a-f]{4}$/i.test(value)) return { id: value.toLowerCase() };
  const match = /\s*\[([0-9a-f]{4})\]$/i.exec(value.slice(-8));
  if (!match) return { name: value || undefined };
  const name = value.slice(0, -6).trimEnd();
  return { id: match[1]?.toLowerCase(), name: name || undefined };
}

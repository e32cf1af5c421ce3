import { tryParsePciAddress } from '@vmgpu/core';
import { type LspciListing, type LspciRecord, makeListing } from './lspci-record.ts';
import { splitIdName } from './lspci-records.ts';
import { linesOf } from './text.ts';

/**
 * `lspci -mm` (and `-m`), one function a line: address, then quoted class, vendor and device, flags such as `-ra1`
 * and `-p00`, then subsystem vendor and device. `\"` and `\\` are escapes inside quotes (lspci.8 "Machine readable
 * output").
 */
export function parseLspciMachine(text: string): LspciListing {
  const records: LspciRecord[] = [];
  for (const line of linesOf(text)) {
    const [first = '', ...words] = quotedWords(line.trim());
    const address = tryParsePciAddress(first);
    if (!address) continue;
    const flags = words.filter((word) => !word.startsWith('"'));
    const [pciClass, vendor, device, subvendor, subdevice] = words
      .filter((word) => word.startsWith('"'))
      .map((word) => splitIdName(word.slice(1)));
    const revision = flags.find((flag) => /^-r[0-9a-f]{2}$/i.test(flag))?.slice(2);
    records.push({
      address,
      class: pciClass?.id,
      className: pciClass?.name,
      vendor: vendor?.id,
      vendorName: vendor?.name,
      device: device?.id,
      deviceName: device?.name,
      subvendor: subvendor?.id,
      subdevice: subdevice?.id,
      subsystemName: subdevice?.name,
      revision,
      dead: revision === 'ff' ? '-rff' : undefined,
    });
  }
  return makeListing('lspci -mm', records);
}

/** Words of a line; a quoted one keeps a leading `"` to tell it from a flag. */
function quotedWords(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|[^\s"]+/g)].map((match) =>
    match[1] === undefined ? match[0] : `"${match[1].replace(/\\(.)/g, '$1')}`,
  );
}

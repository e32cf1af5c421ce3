import { parseLspciMachine } from './lspci-machine.ts';
import type { LspciListing } from './lspci-record.ts';
import { parseLspciRecords } from './lspci-records.ts';
import { parseLspciText } from './lspci-text.ts';

export { functionsOf, type LspciForm, type LspciListing, type LspciRecord } from './lspci-record.ts';

/** Reads the output of any form of lspci. A text that holds none gives no records. */
export function parseLspci(text: string): LspciListing {
  if (/^Slot:[ \t]/m.test(text)) return parseLspciRecords(text);
  if (/^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] "/im.test(text)) return parseLspciMachine(text);
  return parseLspciText(text);
}

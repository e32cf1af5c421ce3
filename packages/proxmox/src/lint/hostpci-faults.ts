/** Faults of one hostpci value, by itself. The API stores many of them; the VM then does not start. */
import { nearest, tryParsePciAddress, tryParsePciSlot } from '@vmgpu/core';
import { type HostPci, hostPciFormat, tryParseHostPci } from '../translate/hostpci.ts';
import { functionsAt, type PciItem } from '../translate/inventory.ts';
import { isConfigId, type PropertyProblem } from '../translate/property-string.ts';
import type { Fault } from './findings.ts';

const notStored = 'Proxmox VE refuses the value with status 400.';

/** Faults of a value. `items` is the node's inventory, when it is known. */
export function hostPciFaults(text: string, items?: readonly PciItem[]): readonly Fault[] {
  const result = tryParseHostPci(text);
  if (result.ok) return meaningFaults(result.value, items ?? []);
  const repaired = repair(text);
  return [repaired ?? grammarFault(text, result.problem)];
}

/** The meaning that a misspelt value certainly has. */
function repair(text: string): Fault | undefined {
  const attempts: readonly (readonly [string, (part: string) => string, string])[] = [
    ['hostpci-spaces', (part) => part.trim(), 'has spaces around a comma'],
    ['mapping-as-address', mappingPart, 'names a mapping where an address is expected'],
    [
      'address-spelling',
      addressPart,
      'has an address that is not spelt as Proxmox VE expects: lower case, two digits for bus and slot',
    ],
    ['key-case', keyPart, 'has a key in upper case'],
  ];
  const apply = (value: string, change: (part: string) => string) => value.split(',').map(change).join(',');
  const fault = (rule: string, what: string, value: string): Fault => ({
    rule,
    severity: 'error',
    message: `${text} ${what}`,
    why: rule === 'mapping-as-address' ? `The part without a key is an address; ${notStored}` : notStored,
    remedy: `write ${value}`,
    replacement: value,
  });
  let all = text;
  for (const [rule, change, what] of attempts) {
    const alone = apply(text, change);
    if (alone !== text && tryParseHostPci(alone).ok) return fault(rule, what, alone);
    all = apply(all, change);
  }
  return tryParseHostPci(all).ok ? fault('hostpci-spelling', 'is misspelt in several ways', all) : undefined;
}

function mappingPart(part: string): string {
  const name = part.replace(/^host=/, '');
  const isAddress = /^[0-9a-f]{1,8}:|^[0-9a-f:.;]+$/i.test(name);
  return !part.includes('=', 5) &&
    !isAddress &&
    isConfigId(name) &&
    !Object.hasOwn(hostPciFormat.keys, name.toLowerCase())
    ? `mapping=${name}`
    : part;
}

function addressPart(part: string): string {
  const [, key = '', list = ''] = /^(host=)?([0-9a-f:.;]+)$/i.exec(part) ?? [];
  if (list === '') return part;
  const spelt = list.split(';').map((one) => tryParsePciAddress(one) ?? tryParsePciSlot(one) ?? one);
  return `${key}${spelt.join(';')}`;
}

function keyPart(part: string): string {
  const equals = part.indexOf('=');
  const key = part.slice(0, equals).toLowerCase();
  return equals > 0 && Object.hasOwn(hostPciFormat.keys, key) ? key + part.slice(equals) : part;
}

function grammarFault(text: string, { text: headline, errors = {} }: PropertyProblem): Fault {
  const [key, why] = Object.entries(errors)[0] ?? [];
  const known = Object.keys(hostPciFormat.keys);
  const [guess] = key === undefined || known.includes(key) ? [] : nearest(key.trim(), known, 1);
  return {
    rule: 'hostpci-invalid',
    severity: 'error',
    message: `${text}: ${key === undefined ? headline : `${key}: ${why?.trim()}`}`,
    why: notStored,
    remedy: guess === undefined ? `keys are ${known.join(', ')}` : `did you mean ${guess}?`,
  };
}

const stored = 'The API stores this without complaint; the VM does not start.';

function meaningFaults(device: HostPci, items: readonly PciItem[]): readonly Fault[] {
  const faults: Fault[] = [];
  const add = (
    rule: string,
    message: string,
    why: string,
    remedy: string,
    severity: Fault['severity'] = 'error',
  ) => faults.push({ rule, severity, message, why, remedy });
  const paths = device.host?.split(';') ?? [];
  if (device.host !== undefined && device.mapping !== undefined) {
    add(
      'host-and-mapping',
      'host and mapping are both set',
      `${stored} (Cannot set both 'host' and 'mapping'.)`,
      'keep the mapping',
    );
  }
  if (device.host === undefined && device.mapping === undefined) {
    add(
      'no-device',
      'neither host nor mapping is set',
      `${stored} (Either 'host' or 'mapping' must be set.)`,
      'add mapping=NAME',
    );
  }
  if (device.mdev !== undefined && paths.some((path) => !/\.[0-9a-f]$/.test(path))) {
    add(
      'mdev-whole-slot',
      'a mediated device is asked of a whole slot',
      'As soon as the slot has several functions the VM does not start: cannot use mediated device with multifunction device.',
      'name one function, e.g. 0000:41:00.4',
    );
  }
  if (/[/\\]|^\.\.?$/.test(device.romfile ?? '')) {
    add(
      'romfile-path',
      `romfile ${device.romfile} is a path`,
      'It is looked up below /usr/share/kvm/ of the node; a path leaves that folder.',
      'copy the file to /usr/share/kvm and give its name alone',
    );
  }
  for (const path of paths) {
    const functions = functionsAt(items, path);
    if (items.length > 0 && functions.length === 0) {
      add(
        'no-such-device',
        `the node has no device ${path}`,
        `${stored} (no PCI device found for '${path}')`,
        'take the address from lspci -D',
      );
    }
    if (functions.length > 1 && functions.some((item) => item.physfn !== undefined || item.virtfns)) {
      add(
        'whole-slot-with-vfs',
        `${path} takes the physical function and its virtual functions`,
        'An address without function matches every function of the slot, virtual functions included.',
        'give the function, e.g. .0',
      );
    }
  }
  return faults;
}

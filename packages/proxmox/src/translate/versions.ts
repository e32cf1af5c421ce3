/** Which versions know which words. Source: changelogs of qemu-server, pve-manager and pve-guest-common up to 9.2. */

/** Compares dotted numbers: `9.2.6` is at least `9.2`, and `9.2` at least `9.2`. */
export function atLeast(version: string, wanted: string): boolean {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  for (const [index, part] of wanted.split('.').entries()) {
    const difference = (parts[index] ?? 0) - Number(part);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

interface Gate {
  readonly option: RegExp;
  readonly value: RegExp;
  readonly since: string;
  readonly what: string;
}

const gates: readonly Gate[] = [
  { option: /^hostpci/, value: /(^|,)mapping=/, since: '8.0', what: 'PCI mappings' },
  { option: /^hostpci/, value: /(^|,)driver=/, since: '9.1', what: 'the hostpci key driver' },
  { option: /^machine$/, value: /viommu=/, since: '8.2', what: 'the machine key viommu' },
  { option: /^machine$/, value: /aw-bits=/, since: '9.1', what: 'the machine key aw-bits' },
  { option: /^cpu$/, value: /guest-phys-bits=/, since: '9.1', what: 'the cpu key guest-phys-bits' },
  { option: /^allow-ksm$/, value: /^/, since: '9.1', what: 'the option allow-ksm' },
];

/** What this version does not know of an option's value: the words, and the version that brought them. */
export function notYetIn(
  version: string,
  option: string,
  value: string,
): { readonly what: string; readonly since: string } | undefined {
  return gates.find(
    (gate) => gate.option.test(option) && gate.value.test(value) && !atLeast(version, gate.since),
  );
}

import type { LintContext, Linter, LintFinding, SourceFile } from '@vmgpu/core';
import { maxHostPci } from '../translate/hostpci.ts';
import type { PciItem } from '../translate/inventory.ts';
import { type ConfigLine, configLines } from '../translate/vm-config.ts';
import { type Fault, findingAt, snapshotOf } from './findings.ts';
import { hostPciFaults } from './hostpci-faults.ts';
import { addressesOf, overlap, vmFaults } from './vm-faults.ts';

const typical = /^(hostpci\d+|efidisk0|scsihw|ostype|smbios1|vmgenid|bios|machine|memory|cores): /m;

export const vmConfigLinter: Linter = {
  name: 'Proxmox VM configuration',
  recognises: ({ path, text }) => path.endsWith('.conf') && typical.test(text),
  lint: lintVmConfig,
};

function lintVmConfig(file: SourceFile, context?: LintContext): readonly LintFinding[] {
  const items = inventoryFor(context);
  const lines = configLines(file.text).filter(({ kind }) => kind === 'option' || kind === 'unknown');
  const findings = lines.filter(({ kind }) => kind === 'unknown').map((line) => at(file, line, strayLine));
  const running = lines.filter(({ kind, section }) => kind === 'option' && section === '');
  const pending = lines.filter(({ kind, section }) => kind === 'option' && section === 'PENDING');
  for (const line of [...running, ...pending]) {
    if (!/^hostpci\d+$/.test(line.key) || line.value === '') continue;
    for (const fault of hostPciFaults(line.value, items)) findings.push(at(file, line, fault));
  }
  // What counts is the next start: pending values in the place of those that run.
  const now = new Map(
    [...running, ...pending.filter(({ key }) => key !== 'delete')].map((line) => [line.key, line]),
  );
  const options = Object.fromEntries([...now].map(([key, { value }]) => [key, value]));
  for (const { option, ...fault } of vmFaults(options)) {
    const line = now.get(option);
    if (line) findings.push(at(file, line, fault));
  }
  for (const [option, address, other] of sharedWith(file, context, options)) {
    const line = now.get(option);
    if (line) findings.push(at(file, line, twoVms(address, other)));
  }
  return findings;
}

const strayLine: Fault = {
  rule: 'config-line',
  severity: 'error',
  message: 'this is not a line "key: value"',
  why: 'Proxmox VE ignores it, and drops it when it next writes the file.',
  remedy: 'write key: value without indentation',
};

function twoVms(address: string, other: string): Fault {
  return {
    rule: 'device-in-two-vms',
    severity: 'warning',
    message: `${address} is passed through in ${other} too`,
    why: 'The second VM that starts is refused: the device is in use.',
    remedy: 'start only one of them, or use a mapping with several devices',
  };
}

function at(file: SourceFile, line: ConfigLine, fault: Fault): LintFinding {
  return findingAt(file, line.valueStart, line.value.length, fault);
}

function sharedWith(
  file: SourceFile,
  context: LintContext | undefined,
  options: Readonly<Record<string, string>>,
): readonly (readonly [string, string, string])[] {
  const own = addressesOf(options);
  return (context?.files ?? [])
    .filter((other) => other.path !== file.path && vmConfigLinter.recognises(other))
    .flatMap((other) => {
      const lines = configLines(other.text).filter(
        ({ kind, section }) => kind === 'option' && section === '',
      );
      const theirs = addressesOf(
        Object.fromEntries(lines.slice(0, 100 + maxHostPci).map(({ key, value }) => [key, value])),
      );
      return own
        .filter(([, address]) => theirs.some(([, taken]) => overlap(address, taken)))
        .map(([option, address]) => [option, address, other.path] as const);
    });
}

/** The devices of the node, when the snapshot leaves no doubt which one is meant. */
function inventoryFor(context: LintContext | undefined): readonly PciItem[] | undefined {
  const nodes = snapshotOf(context)?.nodes ?? [];
  return nodes.length === 1 ? nodes[0]?.pci : undefined;
}

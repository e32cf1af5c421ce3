import { type LintContext, type Linter, type LintFinding, type SourceFile, shellQuote } from '@vmgpu/core';
import { type Fault, findingAt, snapshotOf } from './findings.ts';
import { guideFindings } from './guide-faults.ts';
import { hostPciFaults } from './hostpci-faults.ts';
import { entryFaults } from './pci-config-linter.ts';
import { type ShellCommand, type ShellWord, shellCommands } from './shell-words.ts';
import { vmFaults } from './vm-faults.ts';

const commands = /(^|[\s`$#])(qm\s+(create|set|importconfig)|pvesh\s+(create|set))\s/m;

export const commandLinter: Linter = {
  name: 'Proxmox commands and guides',
  recognises: ({ path, text }) =>
    /\.(md|markdown|sh|bash|txt|adoc|rst)$/i.test(path) &&
    (commands.test(text) || /\b(proxmox|pve)\b/i.test(text)),
  lint: lintCommands,
};

interface Option {
  readonly name: string;
  readonly value: ShellWord;
}

function lintCommands(file: SourceFile, context?: LintContext): readonly LintFinding[] {
  const findings: LintFinding[] = [];
  for (const command of shellCommands(file.text)) {
    const start = command.words.findIndex(({ text }) => text === 'qm' || text === 'pvesh');
    const [tool, verb] = command.words.slice(start);
    if (start < 0 || !tool || !verb) continue;
    const options = optionsOf(command.words.slice(start + 2));
    if (tool.text === 'qm' && /^(create|set)$/.test(verb.text)) {
      findings.push(...vmCommand(file, command, options, verb.text === 'create'));
    }
    const target = command.words[start + 2]?.text ?? '';
    if (tool.text === 'pvesh' && /^(create|set)$/.test(verb.text)) {
      if (/\/qemu(\/\d+\/config)?$/.test(target))
        findings.push(...vmCommand(file, command, options, target.endsWith('/qemu')));
      if (target.includes('/cluster/mapping/pci'))
        findings.push(...mappingCommand(file, target, options, context));
    }
  }
  if (/\.(md|markdown|adoc|rst)$/i.test(file.path)) findings.push(...guideFindings(file));
  return findings;
}

/** `-name value`, `--name value` and `--name=value`. */
function optionsOf(words: readonly ShellWord[]): readonly Option[] {
  const options: Option[] = [];
  words.forEach((word, index) => {
    const [head = '', name = '', equals] = /^--?([a-z][a-z0-9-]*)(=)?/i.exec(word.text) ?? [];
    if (head === '') return;
    const next = words[index + 1];
    if (equals)
      options.push({
        name,
        value: { ...word, text: word.text.slice(head.length), start: word.start + head.length },
      });
    else if (next && !/^--?[a-z]/i.test(next.text)) options.push({ name, value: next });
  });
  return options;
}

function vmCommand(
  file: SourceFile,
  command: ShellCommand,
  options: readonly Option[],
  create: boolean,
): LintFinding[] {
  const at = (value: ShellWord, { replacement, ...fault }: Fault) =>
    findingAt(file, value.start, value.end - value.start, {
      ...fault,
      ...(replacement === undefined ? {} : { replacement: shellQuote(replacement) }),
    });
  const devices = options.filter(({ name, value }) => /^hostpci\d+$/.test(name) && !/[<>$]/.test(value.text));
  const findings = devices.flatMap(({ value }) => hostPciFaults(value.text).map((fault) => at(value, fault)));
  const last = devices.at(-1)?.value;
  if (command.ended === ';' && last && last === command.words.at(-1)) findings.push(at(last, unquotedList));
  for (const { value } of devices) {
    if (/^(host=)?[0-9a-f]{2,}:[0-9a-f]{2}/i.test(value.text)) findings.push(at(value, rawAddress));
  }
  // What `set` leaves alone is not known here; only a whole VM can be judged as such.
  const all = Object.fromEntries(options.map(({ name, value }) => [name, value.text]));
  for (const { option, ...fault } of create ? vmFaults(all) : []) {
    const value = options.find(({ name }) => name === option)?.value;
    if (value) findings.push(at(value, fault));
  }
  return findings;
}

const unquotedList: Fault = {
  rule: 'semicolon-unquoted',
  severity: 'error',
  message: 'the ; of a device list is not quoted',
  why: 'The shell ends the command there and runs the rest as another one.',
  remedy: 'put the value in single quotes, or give the whole slot',
};

const rawAddress: Fault = {
  rule: 'raw-address',
  severity: 'info',
  message: 'the device is named by its address',
  why: 'Addresses change when hardware is added, only root@pam may set them, and such a VM cannot move to another node.',
  remedy: 'make a PCI mapping and write mapping=NAME',
};

function mappingCommand(
  file: SourceFile,
  target: string,
  options: readonly Option[],
  context: LintContext | undefined,
): LintFinding[] {
  const value = (wanted: string) => options.find(({ name }) => name === wanted)?.value.text;
  const id = value('id') ?? target.split('/').at(-1) ?? '';
  const mdev = value('mdev') !== undefined && value('mdev') !== '0';
  return options
    .filter(({ name, value: { text } }) => name === 'map' && !/[<>$]/.test(text))
    .flatMap(({ value: word }) =>
      entryFaults(id, word.text, mdev, snapshotOf(context)).map(({ replacement, ...fault }) =>
        findingAt(file, word.start, word.end - word.start, {
          ...fault,
          ...(replacement === undefined ? {} : { replacement: shellQuote(replacement) }),
        }),
      ),
    );
}

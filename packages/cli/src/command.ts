import { parseArgs } from 'node:util';
import { badInput, nearest } from '@vmgpu/core';
import type { ExitStatus, Io } from './io.ts';

/** One option of a command; the help text and the parser are both made of it. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** Word for the value in the help: `FILE`. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly help: string;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows `vmgpu NAME` in the usage line. */
  readonly usage: string;
  /** How many operands are taken. */
  readonly operands: { readonly min: number; readonly max: number };
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly examples: readonly { readonly line: string; readonly what: string }[];
  run(input: CommandInput, io: Io): Promise<ExitStatus>;
}

/** A parsed command line. */
export interface CommandInput {
  readonly operands: readonly string[];
  flag(name: string): boolean;
  value(name: string): string | undefined;
  values(name: string): readonly string[];
  readonly json: boolean;
}

const commonOptions: Readonly<Record<string, OptionSpec>> = {
  json: { type: 'boolean', help: 'print one JSON document on standard output' },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
};

/** Parses the words after the command's name. Throws `bad-input` that names the word and what was expected. */
export function parseCommandLine(
  command: Command,
  words: readonly string[],
): CommandInput & { help: boolean } {
  const specs = { ...command.options, ...commonOptions };
  const parsed = tolerateHelp(command, specs, words);
  const values = parsed.values as Record<string, string | boolean | string[] | undefined>;
  for (const [name, spec] of Object.entries(specs)) {
    for (const value of [values[name] ?? []].flat()) checkChoice(command, name, spec, value);
  }
  const help = values.help === true;
  const count = parsed.positionals.length;
  const { min, max } = command.operands;
  if (!help && (count < min || count > max)) {
    throw badInput(`vmgpu ${command.name}: wrong number of operands`, {
      found: parsed.positionals.join(' ') || 'none',
      expected: `vmgpu ${command.name} ${command.usage}`,
      hint: `see: vmgpu ${command.name} --help`,
    });
  }
  return {
    operands: parsed.positionals,
    help,
    json: values.json === true,
    flag: (name) => values[name] === true,
    value: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    values: (name) => [values[name] ?? []].flat().map(String),
  };
}

function tolerateHelp(
  command: Command,
  specs: Readonly<Record<string, OptionSpec>>,
  words: readonly string[],
) {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  );
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true, strict: true });
  } catch (error) {
    const word = /'(--?[^'=\s]+)/.exec((error as Error).message)?.[1] ?? '';
    const known = Object.keys(specs).map((name) => `--${name}`);
    const [guess] = nearest(word, known, 1);
    const isUnknown = (error as { code?: string }).code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION';
    throw badInput(`vmgpu ${command.name}: ${isUnknown ? 'no such option' : 'cannot read the options'}`, {
      found: word,
      expected: isUnknown ? known.join(', ') : ((error as Error).message.split('.')[0] ?? ''),
      hint: guess && isUnknown ? `did you mean ${guess}?` : `see: vmgpu ${command.name} --help`,
    });
  }
}

function checkChoice(command: Command, name: string, spec: OptionSpec, value: string | boolean): void {
  if (!spec.choices || typeof value !== 'string' || spec.choices.includes(value)) return;
  const [guess] = nearest(value, spec.choices, 1);
  throw badInput(`vmgpu ${command.name}: --${name} has a value that does not exist`, {
    found: value,
    expected: spec.choices.join(' | '),
    ...(guess === undefined ? {} : { hint: `did you mean ${guess}?` }),
  });
}

/** The help page of one command. */
export function commandHelp(command: Command): string {
  const options = Object.entries({ ...command.options, ...commonOptions });
  const heads = options.map(([name, spec]) => {
    const value = spec.type === 'boolean' ? '' : ` ${spec.value ?? (spec.choices?.join('|') || 'VALUE')}`;
    return `${spec.short ? `-${spec.short}, ` : '    '}--${name}${value}${spec.multiple ? ' ...' : ''}`;
  });
  const width = Math.min(44, Math.max(...heads.map((head) => head.length)));
  const lines = options.map(([, spec], index) => {
    const head = heads[index] ?? '';
    return head.length > width
      ? `  ${head}\n  ${' '.repeat(width)}  ${spec.help}`
      : `  ${head.padEnd(width)}  ${spec.help}`;
  });
  const examples = command.examples.map(({ line, what }) => `  ${line}\n      ${what}`);
  return `${[
    `vmgpu ${command.name}: ${command.summary}`,
    `\nUsage: vmgpu ${command.name} ${command.usage}`,
    `\nOptions:\n${lines.join('\n')}`,
    `\nExamples:\n${examples.join('\n')}`,
  ].join('\n')}\n`;
}

import { badInput } from '../errors/vmgpu-error.ts';

/** A MIG GPU-instance profile: `1g.10gb`, `1g.5gb+me`, `2g.24gb-me`, `4g.96gb+gfx`, `1g.24gb+me.all`. */
export interface MigProfileName {
  /** Compute slices, 1 to 7. */
  readonly slices: number;
  /** Nominal memory in GB, as in the name. */
  readonly memoryGB: number;
  /** Attributes as written, with their sign: `+me`, `-me`, `+gfx`, `+me.all`. Empty for most profiles. */
  readonly attributes: readonly string[];
}

const form = /^([1-7])g\.(\d+)gb((?:[+-][a-z]+(?:\.[a-z]+)*)*)$/i;

/** Reads a MIG profile name; nvidia-smi's prefix `MIG ` is accepted. Undefined when it is none. */
export function tryParseMigProfile(text: string): MigProfileName | undefined {
  const match = form.exec(text.trim().replace(/^MIG\s+/i, ''));
  if (!match) return undefined;
  const attributes = (match[3] ?? '').toLowerCase().match(/[+-][^+-]+/g) ?? [];
  return { slices: Number(match[1]), memoryGB: Number(match[2]), attributes };
}

/** Reads a MIG profile name. Throws `bad-input` when it is none. */
export function parseMigProfile(text: string): MigProfileName {
  const profile = tryParseMigProfile(text);
  if (profile === undefined) {
    throw badInput('not a MIG profile name', {
      found: text,
      expected: 'a name such as 1g.10gb or 1g.5gb+me',
    });
  }
  return profile;
}

export function printMigProfile(profile: MigProfileName): string {
  return `${profile.slices}g.${profile.memoryGB}gb${profile.attributes.join('')}`;
}

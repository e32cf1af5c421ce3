/** Wanted options against stored ones. */
import { createReport } from '../translate/diagnostics.ts';
import { canonicalOption, requestForm, type VmOptions } from '../translate/option-text.ts';
import type { VmStepState } from '../translate/steps.ts';
import { keepAsStored } from '../translate/stored-values.ts';

/** What is still to be done to a VM. */
export interface VmDifference {
  readonly options: VmOptions;
  readonly delete: readonly string[];
}

/** Options that do not mean yet what the step wants, and those that shall go and are there. */
export function differenceOf(wish: VmStepState, now: VmOptions): VmDifference {
  const kept = keepAsStored(wish.options, now, createReport());
  return {
    options: Object.fromEntries(Object.entries(kept).filter(([key, value]) => value !== now[key])),
    delete: wish.delete.filter((key) => now[key] !== undefined),
  };
}

export function isEmpty({ options, delete: remove }: VmDifference): boolean {
  return Object.keys(options).length === 0 && remove.length === 0;
}

/** True when two values of an option, as stored or as asked for, mean the same. */
export function sameValue(key: string, left: string | undefined, right: string | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  const forms = (text: string) => [canonicalOption(key, text), requestForm(key, text)];
  return forms(left).some((form) => forms(right).includes(form));
}

/** The values of these options; null for those that are not set. */
export function valuesOf(keys: readonly string[], now: VmOptions): Readonly<Record<string, string | null>> {
  return Object.fromEntries(keys.map((key) => [key, now[key] ?? null]));
}

export function touchedKeys({ options, delete: remove }: VmDifference): readonly string[] {
  return [...Object.keys(options), ...remove];
}

/** `cores is 3, not 8` */
export function describeDifference(difference: VmDifference, now: VmOptions): string {
  const wrong = Object.entries(difference.options).map(
    ([key, value]) => `${key} is ${now[key] ?? 'not set'}, not ${value}`,
  );
  return [...wrong, ...difference.delete.map((key) => `${key} is there`)].join('; ');
}

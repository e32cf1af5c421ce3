/** What could not be learned, and why. Never the same as "no". */
export interface Unknown {
  /** Why it is not known: `not in the capture`, `needs root`, `dmesg is restricted`. */
  readonly unknown: string;
}

/** A value read from a host or platform, or the reason why it is not known. */
export type Fact<T> = T | Unknown;

export function unknown(why: string): Unknown {
  return { unknown: why };
}

export function isUnknown(fact: unknown): fact is Unknown {
  return typeof fact === 'object' && fact !== null && typeof (fact as Unknown).unknown === 'string';
}

/** The value, or undefined when it is not known. For code that treats "not known" and "absent" alike on purpose. */
export function knownValue<T>(fact: Fact<T>): T | undefined {
  return isUnknown(fact) ? undefined : fact;
}

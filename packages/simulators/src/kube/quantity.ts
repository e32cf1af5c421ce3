const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A Kubernetes quantity as a number (`400m` is 0.4, `2Gi` is 2147483648); 0 for what is none. */
export function quantity(value: unknown): number {
  if (typeof value === 'number') return value;
  const match = /^([+-]?\d+(?:\.\d+)?)(?:[eE](\d+))?([numkMGTPE]|[KMGTPE]i)?$/.exec(String(value ?? ''));
  if (match === null) return 0;
  return Number(match[1]) * 10 ** Number(match[2] ?? 0) * (factors[match[3] ?? ''] ?? 1);
}

export const mebi = 2 ** 20;

/** Whole bytes as Kubernetes writes them: with the largest unit that leaves no fraction. */
export function quantityText(bytes: number, binary: boolean): string {
  const units = binary ? ['Ti', 'Gi', 'Mi', 'Ki'] : ['T', 'G', 'M', 'k'];
  const unit = units.find((one) => bytes > 0 && bytes % (factors[one] as number) === 0) ?? '';
  return `${bytes / (factors[unit] as number)}${unit}`;
}

import { isBytes } from '@vmgpu/core';

/** A neutral amount in Kubernetes' spelling, unit kept: `64GiB` to `64Gi`, `100GB` to `100G`. */
export function toQuantity(amount: string): string {
  const [, number = '', unit = ''] = /^\s*([\d.]+)\s*([A-Za-z]*)\s*$/.exec(amount) ?? [];
  const short = unit.replace(/B$/, '');
  return number + (short === 'K' ? 'k' : short);
}

/** A Kubernetes quantity as a neutral amount: `64Gi` to `64GiB`; undefined for forms only Kubernetes has (`1e9`, `500m`). */
export function fromQuantity(quantity: unknown): string | undefined {
  if (typeof quantity === 'number')
    return Number.isSafeInteger(quantity) && quantity > 0 ? `${quantity}B` : undefined;
  if (typeof quantity !== 'string' || !/^\d+(\.\d+)?([KMGT]i|[kMGT])?$/.test(quantity)) return undefined;
  const amount = `${quantity}B`;
  return isBytes(amount) ? amount : undefined;
}

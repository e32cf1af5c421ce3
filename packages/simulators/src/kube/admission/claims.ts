import type { StatusCause } from '../api/status.ts';
import { CelFailure, deviceSelector } from '../device-selector.ts';
import { dicts } from '../json.ts';
import type { Dict, KubeObject } from '../types.ts';

/** Kubernetes' own check of CEL selectors in claims, templates and device classes (pkg/apis/resource/validation). */
export function selectorCauses({ kind, spec }: KubeObject): StatusCause[] {
  if (kind === 'DeviceClass') return causesAt('spec', spec);
  const [path, claim] = kind === 'ResourceClaimTemplate' ? ['spec.spec', spec?.spec] : ['spec', spec];
  return dicts(claim?.devices?.requests).flatMap((request, index) =>
    causesAt(`${path}.devices.requests[${index}].exactly`, request.exactly),
  );
}

function causesAt(path: string, { selectors }: Dict = {}): StatusCause[] {
  return dicts(selectors).flatMap(({ cel }, index) => {
    const expression = cel?.expression ?? '';
    try {
      deviceSelector(expression);
      return [];
    } catch (error) {
      if (!(error instanceof CelFailure)) throw error;
      const field = `${path}.selectors[${index}].cel.expression`;
      const message = `Invalid value: ${JSON.stringify(expression)}: ${error.message}`;
      return [{ reason: 'FieldValueInvalid', field, message }];
    }
  });
}

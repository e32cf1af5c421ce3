import type { StatusCause } from '../api/status.ts';
import { dicts, equal } from '../json.ts';
import type { KubeObject } from '../types.ts';

const more = 'https://github.com/kubevirt/kubevirt/blob/main/docs/deprecation.md';

/** Gates that are GA: naming them is a warning. */
const generalAvailability = [
  'GPU',
  'NUMA',
  'VideoConfig',
  'LiveMigration',
  'SRIOV',
  'Snapshot',
  'HotplugNICs',
];

/** Answer of `kubevirt-update-validator.kubevirt.io` (v1.9.0): far from everything is checked. */
export function kubevirtCauses({ spec = {} }: KubeObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const { developerConfiguration = {}, tlsConfiguration } = spec.configuration ?? {};
  const { featureGates = [], disabledFeatureGates = [] } = developerConfiguration;
  for (const gate of featureGates) {
    if (!disabledFeatureGates.includes(gate)) continue;
    causes.push({
      reason: 'FieldValueForbidden',
      field: 'spec.configuration.developerConfiguration.featureGates',
      message: `feature gate "${gate}" exists on both "FeatureGates" and "DisabledFeatureGates"`,
    });
  }
  const { ciphers, minTLSVersion = 'VersionTLS13' } = tlsConfiguration ?? {};
  if (ciphers?.length > 0 && minTLSVersion === 'VersionTLS13') {
    causes.push({
      reason: 'FieldValueInvalid',
      field: 'spec.configuration.tlsConfiguration.ciphers',
      message:
        'You cannot specify ciphers when spec.configuration.tlsConfiguration.minTLSVersion is empty or VersionTLS13',
    });
  }
  if (spec.infra?.replicas === 0) {
    causes.push({
      reason: 'FieldValueInvalid',
      field: 'spec.infra.replicas',
      message: "infra replica count can't be 0",
    });
  }
  return causes;
}

/** Gate warnings come only when the update changed the list of gates. */
export function kubevirtWarnings(next: KubeObject, old: KubeObject): string[] {
  const gatesOf = ({ spec }: KubeObject): string[] =>
    spec?.configuration?.developerConfiguration?.featureGates ?? [];
  const warnings: string[] = [];
  for (const gate of equal(gatesOf(next), gatesOf(old)) ? [] : gatesOf(next)) {
    if (generalAvailability.includes(gate)) {
      warnings.push(
        `feature gate ${gate} is deprecated (feature state is "General Availability"), therefore it can be safely removed and is redundant. For more info, please look at: ${more}`,
      );
    }
    if (gate === 'DisableMDEVConfiguration') {
      warnings.push('DisableMDEVConfiguration has been deprecated since v1.8.0');
    }
  }
  const path = 'spec.configuration.mediatedDevicesConfiguration';
  const config = next.spec?.configuration?.mediatedDevicesConfiguration ?? {};
  const deprecated = 'mediatedDevicesTypes is deprecated, use mediatedDeviceTypes';
  if (config.mediatedDevicesTypes) warnings.push(`${path}.${deprecated}`);
  for (const [index, entry] of dicts(config.nodeMediatedDeviceTypes).entries()) {
    if (entry.mediatedDevicesTypes) warnings.push(`${path}.nodeMediatedDeviceTypes[${index}].${deprecated}`);
  }
  return warnings;
}

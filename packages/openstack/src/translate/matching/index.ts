/**
 * Nova's own rules for PCI devices, as pure functions: what a `device_spec` matches, what an alias means, whether a host
 * satisfies a flavor, and what Placement is told; with the errors Nova would raise.
 */
export {
  type AliasContext,
  aliasKeys,
  type PciAlias,
  type PciRequest,
  parseAliases,
  parseRequests,
} from './alias.ts';
export {
  type DeviceSpec,
  type DeviceSpecContext,
  decidingSpec,
  type NovaPciDevice,
  parseDeviceSpecs,
} from './device-spec.ts';
export { type PciProvider, placementProviders } from './placement.ts';
export {
  type GuestNuma,
  type PciPool,
  type PoolStage,
  type PoolVerdict,
  poolsOf,
  supportRequests,
} from './pools.ts';
export type { NovaError, Outcome } from './python.ts';

/**
 * An OpenStack cloud for the demo and for tests: the calls of Keystone, Nova, Placement, Glance and Neutron that vmgpu uses,
 * stateful and strict, with the texts and statuses of the real ones. NOT-MODELLED.md lists what it does not do.
 */

export type { Fault, FaultHook } from './faults.ts';
export type { RequestRecord } from './request-log.ts';
export {
  type ConfigText,
  defaultScenario,
  type HostScenario,
  type PciDevice,
  project,
  type Scenario,
  type UserScenario,
} from './scenario.ts';
export { createOpenStackSim, type OpenStackSim, type OpenStackSimOptions } from './server.ts';

/**
 * A Proxmox VE cluster for the demo and for tests: the REST API that vmgpu uses, stateful and strict, with the texts and
 * statuses of the real one. It is held to recorded answers (`test/pve-recorded.test.ts`); NOT-MODELLED.md lists what it
 * does not do.
 */

export type { Fault, FaultHook } from './faults.ts';
export type { RequestRecord } from './request-log.ts';
export { defaultScenario, platformAcl, type Scenario, tenantAcl } from './scenario.ts';
export { type PveOptions, type PveSimulator, startPve } from './server.ts';

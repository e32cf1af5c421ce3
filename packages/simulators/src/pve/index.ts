/**
 * A Proxmox VE cluster for the demo and for tests: the REST API that vmgpu uses, stateful and strict, with the texts and
 * statuses of the real one. It is held to recorded answers (`test/pve-recorded.test.ts`); NOT-MODELLED.md lists what it
 * does not do.
 */
export { defaultScenario, platformAcl, type Scenario, tenantAcl } from './scenario.ts';
export { type Fault, type PveOptions, type PveSimulator, type RequestRecord, startPve } from './server.ts';

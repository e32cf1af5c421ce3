export { type ApplyHostOptions, applyHostPlan, type HostOutcome, rollbackHost } from './apply-host-plan.ts';
export { type FleetOptions, type FleetResult, onHosts } from './fleet.ts';
export type { HostEvent, HostStatus } from './host-events.ts';
export type { HostPort, RunOptions, RunResult } from './host-port.ts';
export {
  applyManagedFiles,
  type FileHost,
  type ManagedFile,
  type ManagedFiles,
  type ManagedFilesOptions,
  type ManagedFilesOutcome,
  type ManagedService,
  managedFilesOn,
  undoManagedFiles,
} from './managed-files.ts';
export { unfinishedPlan } from './plan-on-host.ts';
export { captureHost, readHost } from './read-host.ts';
export { bootIdOf, type RebootOptions, rebootHost } from './reboot.ts';

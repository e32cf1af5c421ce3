export { describeProvider, type GroupName, groupNames } from './describe-provider.ts';
export type { Fault, FaultKind, Fixture, Harness, Limits } from './harness.ts';
export { type IdleClock, idleClock } from './idle-clock.ts';
export {
  applyJourney,
  endOf,
  type Journey,
  type JourneyOptions,
  noJournal,
  undoJourney,
} from './journey.ts';
export { type KillBench, type KillPoint, killEverywhere, killPoints } from './kill.ts';
export { memoryHarness } from './memory/harness.ts';
export { createMemoryProvider, type MemoryParts } from './memory/provider.ts';
export {
  type MemoryDevice,
  type MemorySnapshot,
  type MemoryVm,
  memoryTranslator,
} from './memory/translate.ts';
export type { Runner } from './runner.ts';

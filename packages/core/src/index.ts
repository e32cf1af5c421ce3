export type * from './engine/operation.ts';
export type { JournalPort, OperationState, OperationStatus, StepRecord } from './engine/state.ts';
export { redact, Secret } from './errors/redact.ts';
export * from './errors/vmgpu-error.ts';
export * from './lint/lint.ts';
export * from './model/fact.ts';
export * from './model/gpu-board.ts';
export * from './model/gpu-device.ts';
export {
  type GpuRequest,
  type GpuSelector,
  type GpuVm,
  type GpuVmCpu,
  type GpuVmDisk,
  type GpuVmFirmware,
  type GpuVmMetadata,
  type GpuVmNetwork,
  type GpuVmNuma,
  type GpuVmSpec,
  isAttachment,
  type PassthroughRequest,
  parseGpuVm,
  type VgpuRequest,
} from './model/gpu-vm.ts';
export * from './model/mig-profile.ts';
export * from './model/pci-address.ts';
export * from './model/pci-id.ts';
export * from './model/platform.ts';
export * from './model/quantity.ts';
export * from './model/vgpu-profile.ts';
export * from './readiness/finding.ts';
export * from './readiness/host-readiness.ts';
export type { Clock } from './resilience/clock.ts';
export type * from './spec/v1/call-options.ts';
export type * from './spec/v1/capabilities.ts';
export * from './spec/v1/diagnostic.ts';
export type * from './spec/v1/events.ts';
export * from './spec/v1/host-requirement.ts';
export * from './spec/v1/plan.ts';
export type * from './spec/v1/provider.ts';
export * from './spec/v1/translator.ts';
export { deepFreeze } from './util/freeze.ts';
export { nearest } from './util/nearest.ts';
export { shellCommand, shellQuote } from './util/shell-quote.ts';
export { sameJson, stableJson } from './util/stable-json.ts';

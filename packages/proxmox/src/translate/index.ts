/** The pure half of the Proxmox VE adapter: intent and snapshot to plan, plan to files, VM configuration to intent. */
import type { Translator } from '@vmgpu/core';
import { plan } from './plan.ts';
import { render } from './render.ts';
import type { ProxmoxSnapshot } from './snapshot.ts';
import { type ProxmoxNative, toIntent } from './to-intent.ts';

export { type HostPci, parseHostPci, printHostPci, tryParseHostPci } from './hostpci.ts';
export type { MdevType, PciItem, ProxmoxNode } from './inventory.ts';
export {
  type MappingEntry,
  type PciMapping,
  parseMappingEntry,
  printMappingEntry,
  tryParseMappingEntry,
} from './mapping.ts';
export type { VmOptions } from './option-text.ts';
export { parsePciConfig, printPciConfig } from './pci-config.ts';
export {
  isRootTicket,
  mappingPermissionsNeeded,
  missingPermissions,
  type PermissionNeed,
  permissionsNeeded,
  refusalText,
  type VmRequest,
} from './permissions.ts';
export type { HostPciOptions, ProxmoxOptions } from './provider-options.ts';
export { type NodeReport, parseNodeReport } from './report.ts';
export {
  type ApiVerdict,
  judgeMappingRequest,
  judgeVmRequest,
  type MappingApiRequest,
  type VmApiRequest,
} from './request-rules.ts';
export {
  type OfflineSnapshotOptions,
  offlineSnapshot,
  type ProxmoxCaller,
  type ProxmoxSnapshot,
  type ProxmoxStorage,
  type ProxmoxVm,
  parseSnapshot,
  type SnapshotGap,
} from './snapshot.ts';
export {
  type ResolvedHostPci,
  resolveHostPci,
  resolveStart,
  type StartContext,
  type StartResult,
} from './start-rules.ts';
export type { SnippetState, VmStepState } from './steps.ts';
export type { ProxmoxNative, ProxmoxVmDocument } from './to-intent.ts';
export { nextStart, parseVmConfig, printVmConfig, type VmConfig } from './vm-config.ts';

export const proxmoxTranslator: Translator<ProxmoxSnapshot, ProxmoxNative> = {
  specVersion: 'v1',
  platform: 'proxmox',
  plan,
  render,
  toIntent,
};

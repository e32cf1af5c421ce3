import type { Capabilities } from '@vmgpu/core';
import type { StepHandler } from './env.ts';
import { mappingStep } from './mapping.ts';
import { snippetStep } from './snippet.ts';
import { vmStep } from './vm.ts';
import { vmStartStep } from './vm-start.ts';

/** Every kind of step that the translator plans, as data. */
export const stepKinds: Capabilities['stepKinds'] = {
  'proxmox.mapping': { scope: 'platform', undo: true, task: false },
  'proxmox.snippet': { scope: 'platform', undo: true, task: false },
  'proxmox.vm': { scope: 'vm', undo: true, task: true },
  'proxmox.vm-start': { scope: 'vm', undo: true, task: true },
};

export const stepHandlers: Readonly<Record<string, StepHandler>> = {
  'proxmox.mapping': mappingStep,
  'proxmox.snippet': snippetStep,
  'proxmox.vm': vmStep,
  'proxmox.vm-start': vmStartStep,
};

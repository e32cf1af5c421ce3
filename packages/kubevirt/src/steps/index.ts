import type { Capabilities } from '@vmgpu/core';
import type { KubeVirtStepKind } from '../translate/plan.ts';
import { configStep } from './config.ts';
import { gpuOperatorStep, vgpuManagerImageStep } from './gpu-operator.ts';
import { nodeLabelsStep } from './node-labels.ts';
import { objectStep } from './object.ts';
import type { StepHandler } from './tools.ts';
import { virtualMachineStep, waitingVirtualMachineStep } from './virtual-machine.ts';

/** Who carries out which kind of step. */
export const stepHandlers: Readonly<Record<KubeVirtStepKind, StepHandler>> = {
  'kubevirt.config': configStep,
  'kubevirt.gpu-operator': gpuOperatorStep,
  'kubevirt.vgpu-manager-image': vgpuManagerImageStep,
  'kubevirt.vgpu-config': objectStep,
  'kubevirt.node-labels': nodeLabelsStep,
  'kubevirt.object': objectStep,
  'kubevirt.virtual-machine': virtualMachineStep,
  'kubevirt.waiting-virtual-machine': waitingVirtualMachineStep,
};

const platform = { scope: 'platform', undo: true, task: false } as const;
const vm = { scope: 'vm', undo: true, task: false } as const;

export const stepKinds: Capabilities['stepKinds'] & Readonly<Record<KubeVirtStepKind, unknown>> = {
  'kubevirt.config': platform,
  'kubevirt.gpu-operator': platform,
  'kubevirt.vgpu-manager-image': platform,
  'kubevirt.vgpu-config': platform,
  'kubevirt.node-labels': platform,
  'kubevirt.object': vm,
  'kubevirt.virtual-machine': vm,
  'kubevirt.waiting-virtual-machine': vm,
};

import type { Capabilities } from '@vmgpu/core';
import { configStep } from './config.ts';
import type { StepHandler } from './env.ts';
import { flavorStep } from './flavor.ts';
import { imagePropertiesStep } from './image-properties.ts';
import { limitStep } from './limit.ts';
import { resourceClassStep, traitStep } from './placement-name.ts';
import { resizeStep } from './resize.ts';
import { serverStep } from './server.ts';

/** Every kind of step that the translator plans, as data. */
export const stepKinds: Capabilities['stepKinds'] = {
  'openstack.config': { scope: 'platform', undo: true, task: false },
  'openstack.provider-config': { scope: 'platform', undo: true, task: false },
  'openstack.resource-class': { scope: 'platform', undo: true, task: false },
  'openstack.trait': { scope: 'platform', undo: true, task: false },
  'openstack.limit': { scope: 'platform', undo: true, task: false },
  'openstack.image-properties': { scope: 'platform', undo: true, task: false },
  'openstack.flavor': { scope: 'platform', undo: true, task: false },
  'openstack.server': { scope: 'vm', undo: true, task: true },
  'openstack.resize': { scope: 'vm', undo: true, task: true },
};

export const stepHandlers: Readonly<Record<string, StepHandler>> = {
  'openstack.config': configStep,
  'openstack.provider-config': configStep,
  'openstack.resource-class': resourceClassStep,
  'openstack.trait': traitStep,
  'openstack.limit': limitStep,
  'openstack.image-properties': imagePropertiesStep,
  'openstack.flavor': flavorStep,
  'openstack.server': serverStep,
  'openstack.resize': resizeStep,
};

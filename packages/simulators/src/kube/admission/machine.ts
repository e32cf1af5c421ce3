import type { StatusCause } from '../api/status.ts';
import type { KubeVirtConfiguration } from '../scenario.ts';
import type { Dict, KubeObject } from '../types.ts';
import { deviceCauses } from './devices.ts';
import { guestCauses } from './guest.ts';

const strategies = ['Always', 'Halted', 'Manual', 'RerunOnFailure', 'Once', 'WaitAsReceiver'];

/** Answer of `virtualmachine-validator.kubevirt.io`. */
export function machineCauses(
  { spec = {} }: KubeObject,
  configuration: KubeVirtConfiguration,
): StatusCause[] {
  const causes: StatusCause[] = [];
  const tell = (field: string, message: string, reason = 'FieldValueInvalid') =>
    causes.push({ reason, message, field });
  const { running, runStrategy, template } = spec;
  if (running !== undefined && runStrategy !== undefined) {
    tell(
      'spec.running',
      'Running and RunStrategy are mutually exclusive. Note that Running is deprecated, please use RunStrategy instead',
    );
  } else if (running === undefined && runStrategy === undefined) {
    tell('spec.running', 'RunStrategy must be specified');
  } else if (runStrategy !== undefined && !strategies.includes(runStrategy)) {
    tell('spec.runStrategy', `Invalid RunStrategy (${runStrategy})`);
  }
  if (template === undefined) {
    tell('spec.template', 'missing virtual machine template.', 'FieldValueRequired');
    return causes;
  }
  return [...causes, ...templateCauses(template.spec ?? {}, 'spec.template.spec', configuration)];
}

/** Answer of `virtualmachineinstances-create-validator.kubevirt.io`. */
export function instanceCauses(
  { spec = {} }: KubeObject,
  configuration: KubeVirtConfiguration,
): StatusCause[] {
  const { memory, resources } = spec.domain ?? {};
  const hasMemory =
    memory?.guest || memory?.hugepages?.pageSize || resources?.requests?.memory || resources?.limits?.memory;
  const causes = templateCauses(spec, 'spec', configuration);
  if (spec.architecture === '') {
    causes.unshift({
      reason: 'FieldValueInvalid',
      message: 'unsupported architecture: ',
      field: 'spec.architecture',
    });
  }
  if (hasMemory) return causes;
  const message =
    "no memory requested, at least one of 'spec.domain.memory.guest', 'spec.domain.memory.hugepages.pageSize' or 'spec.domain.resources.requests.memory' must be set";
  return [...causes, { reason: 'FieldValueRequired', message, field: '' }];
}

const templateCauses = (spec: Dict, path: string, configuration: KubeVirtConfiguration) => [
  ...deviceCauses(spec, path, configuration),
  ...guestCauses(spec, path, configuration),
];

import type { StructuralSchema } from '../types.ts';

/**
 * The keys of the four levels of a VM (kubevirt v1.9.0, CRD schema), for a server that was given no schemas: enough to
 * find a key on the wrong level, without types.
 */
const templateSpec =
  'accessCredentials affinity architecture dnsConfig dnsPolicy domain evictionStrategy hostname livenessProbe networks nodeSelector priorityClassName readinessProbe resourceClaims schedulerName serviceAccountName startStrategy subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints utilityVolumes volumes';
const domain =
  'chassis clock cpu devices features firmware ioThreads ioThreadsPolicy launchSecurity machine memory rebootPolicy resources';
const devices =
  'autoattachGraphicsDevice autoattachInputDevice autoattachMemBalloon autoattachPodInterface autoattachSerialConsole autoattachVSOCK blockMultiQueue clientPassthrough disableHotplug disks downwardMetrics filesystems gpus hostDevices inputs interfaces logSerialConsole networkInterfaceMultiqueue panicDevices rng sound tpm useVirtioTransitional video watchdog';

const anything: StructuralSchema = { 'x-kubernetes-preserve-unknown-fields': true };

function level(
  keys: string,
  children: Record<string, StructuralSchema> = {},
  required: readonly string[] = [],
): StructuralSchema {
  const properties = Object.fromEntries(keys.split(' ').map((key) => [key, children[key] ?? anything]));
  return { type: 'object', properties, required };
}

const device = (keys: string): StructuralSchema => ({ type: 'array', items: level(keys, {}, ['name']) });

const instanceSpec = level(
  templateSpec,
  {
    domain: level(domain, {
      devices: level(devices, {
        gpus: device('claimName deviceName name requestName tag virtualGPUOptions'),
        hostDevices: device('claimName deviceName name requestName tag'),
      }),
    }),
  },
  ['domain'],
);

const top = (spec: StructuralSchema): StructuralSchema => level('spec status', { spec }, ['spec']);

export const vocabulary: Readonly<Record<string, StructuralSchema>> = {
  VirtualMachine: top(
    level(
      'dataVolumeTemplates instancetype preference runStrategy running template updateVolumesStrategy',
      { template: level('metadata spec', { spec: instanceSpec }) },
      ['template'],
    ),
  ),
  VirtualMachineInstance: top(instanceSpec),
};

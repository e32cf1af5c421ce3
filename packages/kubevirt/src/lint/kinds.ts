import { at, isObject, type Manifest } from '../translate/manifest.ts';
import { valuesUnder } from './walk.ts';

const known = new Set([
  'KubeVirt',
  'VirtualMachine',
  'VirtualMachineInstance',
  'HyperConverged',
  'ClusterPolicy',
  'VirtualMachineInstancetype',
  'VirtualMachineClusterInstancetype',
  'VirtualMachinePreference',
  'VirtualMachineClusterPreference',
]);

/**
 * The document as a manifest with a kind. Guides often show a part only; the keys tell of what. undefined for documents
 * that have nothing to do with GPUs.
 */
export function recogniseManifest(value: unknown): Manifest | undefined {
  if (!isObject(value)) return undefined;
  const kind = typeof value.kind === 'string' ? value.kind : guess(value);
  if (kind === undefined) return undefined;
  const isConfigMap =
    kind === 'ConfigMap' && String(at(value, 'data', 'config.yaml')).includes('vgpu-configs');
  const labelled = hasWorkloadLabel(value);
  return known.has(kind) || isConfigMap || labelled || value.kind === undefined
    ? ({ ...value, kind } as Manifest)
    : undefined;
}

function guess(value: Readonly<Record<string, unknown>>): string | undefined {
  if ('vgpu-configs' in value) return 'VgpuConfig';
  if (
    [value, ...Object.values(value)].some(
      (part) => isObject(part) && ('sandboxWorkloads' in part || 'vgpuManager' in part),
    )
  ) {
    return 'HelmValues';
  }
  if (at(value, 'spec', 'configuration') !== undefined) return 'KubeVirt';
  if (
    ['permittedHostDevices', 'permittedDevices', 'pciHostDevices', 'mediatedDevices'].some(
      (key) => key in value,
    )
  )
    return 'KubeVirt';
  if (at(value, 'spec', 'template', 'spec', 'domain') !== undefined) return 'VirtualMachine';
  if (at(value, 'spec', 'domain') !== undefined) return 'VirtualMachineInstance';
  return hasWorkloadLabel(value) ? 'Node' : undefined;
}

function hasWorkloadLabel(value: unknown): boolean {
  return valuesUnder(value, 'nvidia.com/gpu.workload.config').length > 0;
}

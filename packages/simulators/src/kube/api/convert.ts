import type { ResourceType } from '../store/resource-types.ts';
import type { Dict, KubeObject } from '../types.ts';

export const apiVersionOf = ({ group }: Pick<ResourceType, 'group'>, version: string) =>
  group ? `${group}/${version}` : version;

/** A stored object as another served version says it. Only HyperConverged differs in more than its name. */
export function toVersion(type: ResourceType, object: KubeObject, version: string): KubeObject {
  const apiVersion = apiVersionOf(type, version);
  if (object.apiVersion === apiVersion) return object;
  const renamed = { ...object, apiVersion };
  if (type.kind !== 'HyperConverged') return renamed;
  return { ...renamed, spec: version === 'v1' ? hcoToV1(object.spec) : hcoFromV1(object.spec) };
}

const moved = ['permittedHostDevices', 'mediatedDevicesConfiguration'] as const;

/** HyperConverged 1.18: v1 has these fields under `virtualization`, and gates as a list with states. */
function hcoToV1(spec: Dict = {}): Dict {
  const { featureGates, ...rest } = spec;
  const virtualization: Dict = { ...rest.virtualization };
  for (const key of moved) {
    if (rest[key] === undefined) continue;
    virtualization[key] = rest[key];
    delete rest[key];
  }
  const gates = Object.entries(featureGates ?? {}).map(([name, on]) => ({
    name,
    state: on ? 'Enabled' : 'Disabled',
  }));
  return {
    ...rest,
    ...(Object.keys(virtualization).length > 0 && { virtualization }),
    ...(gates.length > 0 && { featureGates: gates }),
  };
}

function hcoFromV1(spec: Dict = {}): Dict {
  const { virtualization = {}, featureGates, ...rest } = spec;
  const { ...others } = virtualization;
  for (const key of moved) {
    if (others[key] === undefined) continue;
    rest[key] = others[key];
    delete others[key];
  }
  if (Object.keys(others).length > 0) rest.virtualization = others;
  if (!Array.isArray(featureGates)) return rest;
  const gates = featureGates.map(({ name, state }: Dict) => [name, state !== 'Disabled']);
  return { ...rest, featureGates: Object.fromEntries(gates) };
}

import type { Step } from '@vmgpu/core';
import { needsOldMicroversion } from './extra-specs.ts';
import type { FlavorState } from './flavor.ts';
import { idOf } from './names.ts';
import { microversion, type NovaRelease } from './releases.ts';
import { type ServerState, serverMicroversion } from './server.ts';

/** One REST call, ready to send but for `${kind:NAME}` placeholders of ids that were not known. */
export interface RestRequest {
  readonly service: 'compute' | 'placement' | 'image' | 'identity';
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly path: string;
  /** `OpenStack-API-Version` of that service; absent where the service has none. */
  readonly microversion?: string;
  readonly contentType?: string;
  readonly body?: unknown;
}

/** The calls that carry out a step; none for configuration files. */
export function requestsOf(step: Step, release: NovaRelease): readonly RestRequest[] {
  switch (step.kind) {
    case 'openstack.flavor':
      return flavorRequests(step.after as FlavorState, release);
    case 'openstack.image-properties': {
      const { image, properties } = step.after as { image: string; properties: Record<string, string> };
      return [
        {
          service: 'image',
          method: 'PATCH',
          path: `/v2/images/${image}`,
          contentType: 'application/openstack-images-v2.1-json-patch',
          body: Object.entries(properties).map(([key, value]) => ({
            op: 'add',
            path: `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
            value,
          })),
        },
      ];
    }
    case 'openstack.resource-class':
      return [
        {
          service: 'placement',
          method: 'PUT',
          path: `/resource_classes/${step.target.name}`,
          microversion: '1.7',
        },
      ];
    case 'openstack.trait':
      return [
        { service: 'placement', method: 'PUT', path: `/traits/${step.target.name}`, microversion: '1.6' },
      ];
    case 'openstack.limit':
      return [
        {
          service: 'identity',
          method: 'POST',
          path: '/v3/registered_limits',
          body: {
            registered_limits: [{ service_id: idOf('service', 'compute'), ...(step.after as object) }],
          },
        },
      ];
    case 'openstack.server': {
      const state = step.after as ServerState;
      const version = microversion(release, serverMicroversion(state.server));
      return [{ service: 'compute', method: 'POST', path: '/servers', microversion: version, body: state }];
    }
    case 'openstack.resize': {
      const { server, flavorRef } = step.after as { server: string; flavorRef: string };
      const body = { resize: { flavorRef } };
      return [
        { service: 'compute', method: 'POST', path: `/servers/${server}/action`, microversion: '2.1', body },
      ];
    }
    default:
      return [];
  }
}

/** Extra specs are written at 2.86, so that Nova checks them, but for those that its checker does not know. */
function flavorRequests({ flavor, extraSpecs }: FlavorState, release: NovaRelease): readonly RestRequest[] {
  const version = flavor.description === undefined ? '2.1' : '2.55';
  const entries = Object.entries(extraSpecs);
  const post = (wanted: string, chosen: readonly (readonly [string, string])[]): readonly RestRequest[] =>
    chosen.length === 0
      ? []
      : [
          {
            service: 'compute',
            method: 'POST',
            path: `/flavors/${flavor.id}/os-extra_specs`,
            microversion: microversion(release, wanted),
            body: { extra_specs: Object.fromEntries(chosen) },
          },
        ];
  return [
    { service: 'compute', method: 'POST', path: '/flavors', microversion: version, body: { flavor } },
    ...post(
      '2.86',
      entries.filter(([key]) => !needsOldMicroversion(key)),
    ),
    ...post(
      '2.85',
      entries.filter(([key]) => needsOldMicroversion(key)),
    ),
  ];
}

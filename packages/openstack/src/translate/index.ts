/** Pure half of the OpenStack adapter: nova.conf, flavors, image properties and servers from an intent, and back. */
import type { Translator } from '@vmgpu/core';
import { planOpenStack } from './plan.ts';
import { renderOpenStack } from './render.ts';
import type { OpenStackNative, OpenStackSnapshot } from './snapshot.ts';
import { readOpenStack } from './to-intent.ts';

/** Plans, renders and reads servers of OpenStack Nova, Queens (17.0.0) to Hibiscus (34.0.0). */
export const openstackTranslator: Translator<OpenStackSnapshot, OpenStackNative> = {
  specVersion: 'v1',
  platform: 'openstack',
  plan: planOpenStack,
  render: renderOpenStack,
  toIntent: readOpenStack,
};

export type { ConfigState } from './config-steps.ts';
export type { FlavorState } from './flavor.ts';
export type { OpenStackOptions } from './options.ts';
export { type OsloDocument, type OsloEntry, type OsloOption, parseOslo, printOslo } from './oslo-config.ts';
export { type NovaRelease, novaReleases, parseRelease, printRelease } from './releases.ts';
export { type RestRequest, requestsOf } from './requests.ts';
export type { ServerState } from './server.ts';
export {
  type Deployment,
  type GlanceImage,
  type GpuProvider,
  type NovaAggregate,
  type NovaConfigText,
  type NovaFlavor,
  type NovaHypervisor,
  type NovaServer,
  type NovaService,
  type OfflineOptions,
  type OpenStackNative,
  type OpenStackSnapshot,
  offlineSnapshot,
  parseNative,
  parseSnapshot,
  type SnapshotGap,
} from './snapshot.ts';

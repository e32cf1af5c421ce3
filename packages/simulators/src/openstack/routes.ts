import { getImage, listImages, patchImage } from './glance.ts';
import { createLimits, deleteLimit, listLimits, listServices, updateLimit } from './keystone.ts';
import { deleteVolume, listNetworks, listPorts } from './neutron.ts';
import { actOnServer, getAction, listActions } from './nova-actions.ts';
import {
  createFlavor,
  deleteExtraSpec,
  deleteFlavor,
  getFlavor,
  listFlavors,
  setExtraSpecs,
} from './nova-flavors.ts';
import { listAggregates, listHypervisors, listServices as listNovaServices } from './nova-hosts.ts';
import { getLimits } from './nova-quota.ts';
import { createServer, deleteServer, getServer, listServers } from './nova-servers.ts';
import {
  deleteClass,
  deleteTrait,
  getAllocations,
  getClass,
  getInventories,
  getProvider,
  getTrait,
  getTraits,
  getUsages,
  listClasses,
  listProviders,
  listTraits,
  putClass,
  putTrait,
} from './placement.ts';
import { listCandidates } from './placement-candidates.ts';
import { type Route, routesOf } from './route.ts';

/**
 * Every call that the simulator answers, with the policy rule that is asked first and the role that has it by default. Source:
 * sample policy files of Zed.
 */
export const routes: readonly Route[] = [
  ...routesOf('identity', {
    'GET /v3/services': ['identity:list_services', 'admin', listServices],
    'GET /v3/registered_limits': ['identity:list_registered_limits', 'reader', listLimits],
    'POST /v3/registered_limits': ['identity:create_registered_limits', 'admin', createLimits],
    'PATCH /v3/registered_limits/{id}': ['identity:update_registered_limit', 'admin', updateLimit],
    'DELETE /v3/registered_limits/{id}': ['identity:delete_registered_limit', 'admin', deleteLimit],
  }),
  ...routesOf('compute', {
    'GET /flavors/detail': ['os_compute_api:flavors', 'reader', listFlavors],
    'GET /flavors/{id}': ['os_compute_api:flavors', 'reader', getFlavor],
    'POST /flavors': ['os_compute_api:os-flavor-manage:create', 'admin', createFlavor],
    'DELETE /flavors/{id}': ['os_compute_api:os-flavor-manage:delete', 'admin', deleteFlavor],
    'POST /flavors/{id}/os-extra_specs': [
      'os_compute_api:os-flavor-extra-specs:create',
      'admin',
      setExtraSpecs,
    ],
    'DELETE /flavors/{id}/os-extra_specs/{key}': [
      'os_compute_api:os-flavor-extra-specs:delete',
      'admin',
      deleteExtraSpec,
    ],
    'GET /servers/detail': ['os_compute_api:servers:detail', 'reader', listServers],
    'POST /servers': ['os_compute_api:servers:create', 'member', createServer],
    'GET /servers/{id}': ['os_compute_api:servers:show', 'reader', getServer],
    'DELETE /servers/{id}': ['os_compute_api:servers:delete', 'member', deleteServer],
    'POST /servers/{id}/action': ['os_compute_api:servers:resize', 'member', actOnServer],
    'GET /servers/{id}/os-instance-actions': [
      'os_compute_api:os-instance-actions:list',
      'reader',
      listActions,
    ],
    'GET /servers/{id}/os-instance-actions/{request}': [
      'os_compute_api:os-instance-actions:show',
      'reader',
      getAction,
    ],
    'GET /os-hypervisors/detail': ['os_compute_api:os-hypervisors:list-detail', 'admin', listHypervisors],
    'GET /os-aggregates': ['os_compute_api:os-aggregates:index', 'admin', listAggregates],
    'GET /os-services': ['os_compute_api:os-services:list', 'admin', listNovaServices],
    'GET /limits': ['os_compute_api:limits', 'reader', getLimits],
  }),
  ...routesOf('placement', {
    'GET /resource_providers': ['placement:resource_providers:list', 'admin', listProviders],
    'GET /resource_providers/{uuid}': ['placement:resource_providers:show', 'admin', getProvider],
    'GET /resource_providers/{uuid}/inventories': [
      'placement:resource_providers:inventories:list',
      'admin',
      getInventories,
    ],
    'GET /resource_providers/{uuid}/usages': ['placement:resource_providers:usages', 'admin', getUsages],
    'GET /resource_providers/{uuid}/traits': ['placement:resource_providers:traits:list', 'admin', getTraits],
    'GET /traits': ['placement:traits:list', 'admin', listTraits],
    'GET /traits/{name}': ['placement:traits:show', 'admin', getTrait],
    'PUT /traits/{name}': ['placement:traits:update', 'admin', putTrait],
    'DELETE /traits/{name}': ['placement:traits:delete', 'admin', deleteTrait],
    'GET /resource_classes': ['placement:resource_classes:list', 'admin', listClasses],
    'GET /resource_classes/{name}': ['placement:resource_classes:show', 'admin', getClass],
    'PUT /resource_classes/{name}': ['placement:resource_classes:update', 'admin', putClass],
    'DELETE /resource_classes/{name}': ['placement:resource_classes:delete', 'admin', deleteClass],
    'GET /allocations/{consumer}': ['placement:allocations:list', 'admin', getAllocations],
    'GET /allocation_candidates': ['placement:allocation_candidates:list', 'admin', listCandidates],
  }),
  ...routesOf('image', {
    'GET /v2/images': ['get_images', 'reader', listImages],
    'GET /v2/images/{id}': ['get_image', 'reader', getImage],
    'PATCH /v2/images/{id}': ['modify_image', 'member', patchImage],
  }),
  ...routesOf('network', {
    'GET /v2.0/networks': ['get_network', 'reader', listNetworks],
    'GET /v2.0/ports': ['get_port', 'reader', listPorts],
  }),
  ...routesOf('volume', {
    'DELETE /volumes/{id}': ['volume:delete', 'member', deleteVolume],
  }),
];

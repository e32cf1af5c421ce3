/**
 * The least rights of each scope, with the default policies of Zed and later. Source: Nova 26, Placement 8, Glance 25, Neutron 21
 * and Keystone 22, sample policy files.
 */

/** Rights in one service. */
export interface OpenStackGrant {
  readonly service: 'compute' | 'placement' | 'image' | 'network' | 'identity';
  /** Rules of that service's policy that must allow the login. */
  readonly rules: readonly string[];
  /** The role that has them by default. */
  readonly role: 'member' | 'admin';
  readonly why: string;
}

/** For steps of scope `vm`: a member of the project, nothing more. */
export const vmRole: readonly OpenStackGrant[] = [
  {
    service: 'compute',
    rules: [
      'os_compute_api:servers:create',
      'os_compute_api:servers:detail',
      'os_compute_api:servers:show',
      'os_compute_api:servers:delete',
      'os_compute_api:servers:resize',
      'os_compute_api:servers:confirm_resize',
      'os_compute_api:servers:revert_resize',
      'os_compute_api:os-instance-actions:list',
      'os_compute_api:os-instance-actions:show',
      'os_compute_api:os-flavor-extra-specs:index',
      'os_compute_api:limits',
    ],
    role: 'member',
    why: 'the server, its flavor as it is, and why it failed',
  },
  { service: 'image', rules: ['get_images', 'get_image'], role: 'member', why: 'the image it starts from' },
  { service: 'network', rules: ['get_network'], role: 'member', why: 'the ids of its networks' },
];

/**
 * For steps of scope `platform`. A role of one's own can be given exactly these rules; by default they are the
 * administrator's. With `placement:allocation_candidates:list` and `placement:allocations:list`, steps of scope `vm` ask for capacity
 * first and verify what a server holds.
 */
export const platformRole: readonly OpenStackGrant[] = [
  {
    service: 'compute',
    rules: [
      'os_compute_api:os-flavor-manage:create',
      'os_compute_api:os-flavor-manage:delete',
      'os_compute_api:os-flavor-extra-specs:index',
      'os_compute_api:os-flavor-extra-specs:create',
      'os_compute_api:os-flavor-extra-specs:delete',
      'os_compute_api:os-hypervisors:list-detail',
      'os_compute_api:os-aggregates:index',
      'os_compute_api:servers:detail',
      'os_compute_api:limits',
    ],
    role: 'admin',
    why: 'flavors; hosts, aggregates, servers and quotas to look at',
  },
  {
    service: 'placement',
    rules: [
      'placement:resource_classes:list',
      'placement:resource_classes:show',
      'placement:resource_classes:update',
      'placement:resource_classes:delete',
      'placement:traits:list',
      'placement:traits:show',
      'placement:traits:update',
      'placement:traits:delete',
      'placement:resource_providers:list',
      'placement:resource_providers:inventories:list',
      'placement:resource_providers:usages',
      'placement:resource_providers:traits:list',
    ],
    role: 'admin',
    why: 'names of classes and traits; GPUs as hosts report them',
  },
  {
    service: 'image',
    rules: ['get_images', 'get_image', 'modify_image'],
    role: 'admin',
    why: 'properties of public images',
  },
  {
    service: 'identity',
    rules: [
      'identity:list_services',
      'identity:list_registered_limits',
      'identity:create_registered_limits',
      'identity:update_registered_limit',
      'identity:delete_registered_limit',
    ],
    role: 'admin',
    why: 'limits for GPUs, when the plan has any',
  },
];

/** Where the request stopped. */
export type FaultStage =
  | 'api'
  | 'flavor'
  | 'quota'
  | 'placement'
  | 'prefilter'
  | 'filters'
  | 'compute'
  | 'host'
  | 'guest'
  | 'migration'
  | 'cyborg'
  | 'unknown';

export interface FaultRule {
  readonly stage: FaultStage;
  readonly status?: number;
  readonly pattern: RegExp;
  /** Only for flavors with such an extra spec, as `key=value`. */
  readonly asks?: RegExp;
  readonly causes: readonly string[];
  readonly remedies: readonly string[];
}

/** What Nova splits at commas and colons without a check: `name:count`, several of them. Source: nova/pci/request.py, 26 to 34. */
const malformedAlias = /^pci_passthrough:alias=(?![^:,]+:\s*\d+\s*(,[^:,]+:\s*\d+\s*)*$)/;

const retriesUsedUp = /Exceeded (maximum number of retries|max scheduling attempts)|Exhausted all hosts/;

/**
 * Patterns of Nova's texts, most specific first: what a compute host or libvirt says before what the scheduler makes of it.
 * Source: Nova 26 to 34 (nova/exception.py, scheduler and compute managers), libvirt's and QEMU's messages.
 */
export const faultRules: readonly FaultRule[] = [
  {
    stage: 'host',
    pattern: /group \d+ is not viable/i,
    causes: [
      'another function in the GPU’s IOMMU group (audio, USB-C, a bridge’s other device) is still on a host driver',
    ],
    remedies: ['bind every function of the group to vfio-pci, or to no driver (vmgpu doctor lists them)'],
  },
  {
    stage: 'host',
    pattern: /host doesn't support passthrough of host PCI devices/i,
    causes: ['the host’s IOMMU is off'],
    remedies: [
      'switch on VT-d or AMD-Vi in the firmware, and intel_iommu=on on Intel hosts, then reboot (vmgpu prepare)',
    ],
  },
  {
    stage: 'host',
    pattern: /Cannot find 'mdevctl' in path/i,
    causes: ['mdevctl is missing where libvirt runs'],
    remedies: ['install mdevctl on the host, and in the libvirt container if there is one'],
  },
  {
    stage: 'host',
    pattern: /is in use|Failed to \S+ ?reset|error getting device from group/i,
    causes: ['a host driver still holds the device', 'a mediated device was not free yet'],
    remedies: ['bind the device to vfio-pci at boot', 'reboot the server hard once: Nova tries again'],
  },
  {
    stage: 'compute',
    pattern: /(mdev-capable resource|vGPU resource) is not available/i,
    causes: [
      'virtual functions were not switched on again after the host’s reboot',
      'the enabled type changed while devices of the old one exist',
      'the card already makes another type',
    ],
    remedies: [
      'switch the virtual functions on at every boot, before nova-compute starts',
      'delete the servers of the old type, or reboot the host',
    ],
  },
  {
    stage: 'compute',
    pattern: /Requested instance NUMA topology together with requested PCI devices cannot fit/i,
    causes: [
      'NUMATopologyFilter is not enabled, so that the scheduler chose a host whose GPU is on another NUMA node',
    ],
    remedies: [
      'add NUMATopologyFilter to [filter_scheduler] enabled_filters',
      'ask for numa.gpuAffinity: preferred',
    ],
  },
  {
    stage: 'compute',
    pattern: /Claim pci failed|PCI device request .* failed/i,
    causes: ['another server took the device first', 'PciPassthroughFilter is not enabled'],
    remedies: [
      'add PciPassthroughFilter to [filter_scheduler] enabled_filters',
      'try again when a device is free',
    ],
  },
  {
    stage: 'guest',
    pattern: /BAR .*no space/i,
    causes: ['the GPUs’ memory does not fit into the guest’s address space'],
    remedies: [
      'use machine q35 and firmware uefi',
      'set hw:maxphysaddr_mode=emulate and hw:maxphysaddr_bits=46 (29.0.0 and later, microversion 2.85)',
    ],
  },
  {
    stage: 'migration',
    pattern: /does not explicitly request live-migratable devices/i,
    causes: ['the alias does not say live_migratable: "yes"'],
    remedies: [
      'make an alias with live_migratable: "yes" for devices that are tagged so (31.0.0 and later), and resize',
    ],
  },
  {
    stage: 'cyborg',
    pattern: /accelerator requests?:|Device profile name/i,
    causes: ['the device profile is missing, or Cyborg’s agent is down'],
    remedies: ['check the device profile, and cyborg-agent on the host'],
  },
  {
    stage: 'api',
    pattern: /PCI alias (.+?) is not defined/,
    causes: [
      'nova-api that answered has no such [pci] alias; with several controllers perhaps only one of them',
    ],
    remedies: ['define the alias in the configuration of every nova-api and nova-compute, and restart each'],
  },
  {
    stage: 'api',
    pattern: /Invalid PCI alias definition|PCI alias\(es\) .* (does not have|have multiple)/,
    causes: ['a [pci] alias line is wrong; one wrong line spoils all of them'],
    remedies: ['run vmgpu lint on nova-api’s configuration'],
  },
  {
    stage: 'api',
    status: 500,
    pattern: /ValueError/,
    asks: malformedAlias,
    causes: [
      'the flavor’s pci_passthrough:alias is malformed (stored below microversion 2.86), so that nova-api fails',
    ],
    remedies: ['write it as name:count[,name:count], and set it at 2.86 or later'],
  },
  {
    stage: 'api',
    status: 500,
    pattern: /neutronclient\.\S*NotFound/,
    causes: [
      'the network was left to Nova (networks: auto), and Neutron cannot make one: it lacks auto-allocated-topology',
    ],
    remedies: ['name a network the project has, or ask for none (networks: [])'],
  },
  {
    stage: 'api',
    status: 500,
    pattern: /MessagingTimeout|MessageDeliveryFailure/,
    causes: ['nova-api gets no answer over the message bus: nova-conductor or RabbitMQ is down'],
    remedies: ['start nova-conductor and RabbitMQ, then try again'],
  },
  {
    stage: 'flavor',
    pattern: /does not appear to be a valid extra spec|is not of the format/,
    causes: ['an extra spec has a key or value that Nova’s checker (microversion 2.86) does not know'],
    remedies: ['correct it', 'write hw:maxphysaddr_* at microversion 2.85: the checker never learned them'],
  },
  {
    stage: 'api',
    status: 403,
    pattern: /is not permitted to override/,
    causes: ['image and flavor ask for different NUMA policies'],
    remedies: ['say the policy in one of them only'],
  },
  {
    stage: 'quota',
    pattern: /Quota exceeded|is over a limit/i,
    causes: [
      'the project’s limit is used up',
      'with unified limits, a resource without a registered limit counts as 0',
    ],
    remedies: ['raise the limit', 'register limits for class:VGPU or the custom class'],
  },
  {
    stage: 'placement',
    pattern: /No valid host was found\.\s*$/,
    causes: [
      'Placement knows no free provider of the class and traits the flavor asks for (report_in_placement off, a name spelt otherwise, all devices taken)',
      'every host with such devices is disabled or down',
      'not enough CPUs, memory or disk',
      'Placement took too long: more than four devices on hosts with eight or more',
    ],
    remedies: [
      'compare the flavor’s resources: and trait: keys with the inventories in Placement',
      'reset the inventory of one-time-use devices (reserved = 0)',
      'set max_allocation_candidates, breadth-first and optimize_for_wide_provider_trees in placement.conf',
    ],
  },
  {
    stage: 'filters',
    pattern: /There are not enough hosts available/,
    causes: [
      'all such devices are taken, or the alias’s ids match no device_spec',
      'the alias’s device_type is not what the host has: a card with SR-IOV capability is type-PF',
      'the devices are on another NUMA node than the guest’s cells',
      'a filter wants aggregate metadata for a key without namespace, such as hide_hypervisor_id',
    ],
    remedies: [
      'free a device, or read sriov_totalvfs of the card on the host and correct the alias',
      'read nova-scheduler’s log: it names the filter that returned 0 hosts',
      'use the policy preferred, or hw:numa_nodes=2 for GPUs of two sockets',
    ],
  },
  {
    stage: 'prefilter',
    pattern: /No valid host was found\. \S/,
    causes: ['a request filter ended it, for example a required aggregate of the project'],
    remedies: ['read the text after "No valid host was found."'],
  },
  // What the host said is told nowhere in the API when the scheduler has tried all of them (Nova 26).
  {
    stage: 'compute',
    pattern: retriesUsedUp,
    asks: /^hw:(numa_nodes|pci_numa_affinity_policy)=/,
    causes: [
      'NUMATopologyFilter is not enabled, so that the scheduler chose a host whose GPUs are on other NUMA nodes than the guest’s cells',
      'PciPassthroughFilter is not enabled',
    ],
    remedies: [
      'add NUMATopologyFilter to [filter_scheduler] enabled_filters',
      'read nova-compute’s log on the hosts that were tried',
    ],
  },
  {
    stage: 'compute',
    pattern: retriesUsedUp,
    asks: /^pci_passthrough:alias=/,
    causes: [
      'PciPassthroughFilter is not enabled, so that the scheduler chose a host with no free device',
      'another server took the device first',
    ],
    remedies: [
      'add PciPassthroughFilter to [filter_scheduler] enabled_filters',
      'read nova-compute’s log on the hosts that were tried',
    ],
  },
  {
    stage: 'compute',
    pattern: retriesUsedUp,
    causes: ['every host that was tried failed to claim the device or to start the guest'],
    remedies: [
      'read the details of the server’s actions (administrator, microversion 2.84), and nova-compute’s log',
    ],
  },
  {
    stage: 'compute',
    pattern: /Build of instance .* aborted/,
    causes: ['the host ended the build for good'],
    remedies: ['read nova-compute’s log on that host'],
  },
];

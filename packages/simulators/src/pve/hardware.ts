import { type Caller, demand } from './access.ts';
import type { Params } from './body.ts';
import { refuse } from './failure.ts';
import { mapEntry } from './mapping.ts';
import type { NodeScenario } from './scenario.ts';
import { type ClusterState, offeredTypes } from './state.ts';

/** `GET /nodes/{node}/hardware/pci`: Sys.Audit or Sys.Modify on `/`; a grant on the node is not enough. */
export function listPci(state: ClusterState, caller: Caller, node: NodeScenario, params: Params): unknown {
  demand(state, caller, '/', ['Sys.Audit', 'Sys.Modify'], true);
  const hidden = String(params['pci-class-blacklist'] ?? '05;06;0b')
    .split(/[;, ]+/)
    .filter(Boolean);
  const brief = params.verbose === '0';
  return node.devices
    .filter((device) => !hidden.some((prefix) => device.class.slice(2).startsWith(prefix)))
    .map((device) =>
      brief ? { id: device.id } : { ...device, iommugroup: node.iommu ? device.iommugroup : -1 },
    );
}

/** Types of a function, or of all functions that a mapping names on this node. */
export function listMdevs(
  state: ClusterState,
  caller: Caller,
  node: NodeScenario,
  idOrMapping: string,
): unknown {
  demand(state, caller, '/', ['Sys.Audit', 'Sys.Modify'], true);
  const mapping = state.mappings.find(({ id }) => id === idOrMapping);
  const addresses = mapping
    ? mapping.map
        .map(mapEntry)
        .filter((entry) => entry.node === node.name)
        .map((entry) => entry.path ?? '')
    : [idOrMapping];
  const types = new Map(
    addresses.flatMap((address) => offeredTypes(state, node, address)).map((type) => [type.type, type]),
  );
  return [...types.values()];
}

export function nodeStatus(state: ClusterState, caller: Caller, node: NodeScenario): unknown {
  demand(state, caller, `/nodes/${node.name}`, ['Sys.Audit']);
  return {
    pveversion: `pve-manager/${state.version}.11/simulated`,
    'boot-info': { mode: 'efi', secureboot: 0 },
    'current-kernel': { sysname: 'Linux', release: node.kernel, machine: 'x86_64' },
    cpuinfo: { model: 'Simulated CPU', cpus: 16, sockets: 1, cores: 8 },
    memory: { total: 137438953472, used: 8589934592, free: 128849018880 },
  };
}

/** One text of `# command` blocks. Shape: PVE::Report of pve-manager 9.2.11. */
export function report(state: ClusterState, caller: Caller, node: NodeScenario): string {
  demand(state, caller, `/nodes/${node.name}`, ['Sys.Audit']);
  const hex = (text: string | undefined) => (text ?? '0x0000').slice(2);
  const lspci = node.devices
    .map(
      (device) =>
        `${device.id.replace(/^0000:/, '')} Class [${hex(device.class).slice(0, 4)}]: ${device.vendor_name ?? 'Vendor'} ${device.device_name ?? 'Device'} [${hex(device.vendor)}:${hex(device.device)}]\n\tSubsystem: Device [${hex(device.subsystem_vendor)}:${hex(device.subsystem_device)}]\n\tKernel driver in use: vfio-pci`,
    )
    .join('\n');
  const block = (title: string, commands: Readonly<Record<string, string>>) =>
    `\n==== ${title} ====\n${Object.entries(commands)
      .map(([command, output]) => `\n# ${command}\n${output}\n`)
      .join('')}`;
  return [
    block('general system info', {
      hostname: node.name,
      'cat /proc/cmdline': `BOOT_IMAGE=/boot/vmlinuz-${node.kernel} root=/dev/mapper/pve-root ro quiet`,
      'pveversion --verbose': `proxmox-ve: ${state.version}.0\npve-manager: ${state.version}.11\nqemu-server: ${state.version}.6`,
    }),
    block(
      'info about virtual guests',
      Object.fromEntries(
        state.vms
          .filter((vm) => vm.node === node.name)
          .map((vm) => [
            `cat /etc/pve/qemu-server/${vm.vmid}.conf`,
            Object.entries(vm.config)
              .map(([key, value]) => `${key}: ${value}`)
              .join('\n'),
          ]),
      ),
    ),
    block('info about hardware', {
      'proxmox-boot-tool status': 'E: /etc/kernel/proxmox-boot-uuids does not exist.',
      'lspci -nnk': lspci,
    }),
  ].join('');
}

/** The node of a request. Throws 595 as the proxy does for a node that is down. */
export function findNode(state: ClusterState, name: string): NodeScenario {
  const node = state.nodes.find((one) => one.name === name);
  if (!node)
    throw refuse(
      `hostname lookup '${name}' failed - failed to get address info for: ${name}: Name or service not known\n`,
    );
  if (node.online === false) throw refuse('No route to host', 595);
  return node;
}

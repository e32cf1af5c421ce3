import { driverOf } from './hardware.ts';
import type { NodeScenario, PciDevice } from './scenario.ts';
import { type ClusterState, vmFile } from './state.ts';

const classNames: Readonly<Record<string, string>> = {
  '0300': 'VGA compatible controller',
  '0302': '3D controller',
  '0380': 'Display controller',
  '0403': 'Audio device',
  '0600': 'Host bridge',
  '0601': 'ISA bridge',
  '0604': 'PCI bridge',
  '0c03': 'USB controller',
  '0108': 'Non-Volatile memory controller',
  '0200': 'Ethernet controller',
  '1200': 'Processing accelerators',
};

/** `GET /nodes/{node}/report`: one text of `# command` blocks under titles. Shape: PVE::Report of pve-manager 9.2.11. */
export function report(state: ClusterState, node: NodeScenario, now: number): string {
  const { version } = state;
  const vms = state.vms.filter((vm) => vm.node === node.name);
  const list = vms.map(({ vmid, config, running }) => {
    const name = (config.name ?? `VM${vmid}`).padEnd(20);
    const status = (running ? 'running' : 'stopped').padEnd(10);
    return `${String(vmid).padStart(10)} ${name} ${status} ${config.memory ?? '512'}`;
  });
  return [
    block('general system info', {
      hostname: node.name,
      'date -R': new Date(now).toUTCString().replace('GMT', '+0000'),
      'cat /proc/cmdline': `BOOT_IMAGE=/boot/vmlinuz-${node.kernel} root=/dev/mapper/pve-root ro quiet${node.iommu ? ' intel_iommu=on iommu=pt' : ''}`,
      'pveversion --verbose': `proxmox-ve: ${version}.0 (running kernel: ${node.kernel})\npve-manager: ${version}.11 (running version: ${version}.11/simulated)\nqemu-server: ${version}.6`,
      lscpu:
        'Architecture:                            x86_64\nModel name:                              Simulated CPU',
    }),
    block('info about storage', {
      'proxmox-boot-tool status':
        "Re-executing '/usr/sbin/proxmox-boot-tool' in new private mount namespace..\nE: /etc/kernel/proxmox-boot-uuids does not exist.",
    }),
    block('info about virtual guests', {
      'qm list': ['      VMID NAME                 STATUS     MEM(MB)', ...list].join('\n'),
      "output '/etc/pve/qemu-server/\\d+\\.conf' file(s)": '',
      ...Object.fromEntries(
        vms.map((vm) => [`cat /etc/pve/qemu-server/${vm.vmid}.conf`, vmFile(vm).trimEnd()]),
      ),
    }),
    block('info about hardware', { 'lspci -nnk': lspci(state, node) }),
  ].join('');
}

function block(title: string, commands: Readonly<Record<string, string>>): string {
  const parts = Object.entries(commands).map(([command, output]) => `\n# ${command}\n${output}\n`);
  return `\n==== ${title} ====\n${parts.join('')}`;
}

/** Addresses go without domain when all are 0000, as lspci prints them. */
function lspci(state: ClusterState, node: NodeScenario): string {
  const short = node.devices.every(({ id }) => id.startsWith('0000:'));
  const hex = (text = '0x0000') => text.slice(2);
  const lines = (device: PciDevice) => {
    const kind = hex(device.class).slice(0, 4);
    const name = `${device.vendor_name ?? 'Vendor'} ${device.device_name ?? 'Device'}`;
    const driver = driverOf(state, node, device);
    return [
      `${short ? device.id.slice(5) : device.id} ${classNames[kind] ?? 'Class'} [${kind}]: ${name} [${hex(device.vendor)}:${hex(device.device)}] (rev a1)`,
      `\tSubsystem: Device [${hex(device.subsystem_vendor)}:${hex(device.subsystem_device)}]`,
      ...(driver === undefined ? [] : [`\tKernel driver in use: ${driver}`]),
    ];
  };
  return node.devices.flatMap(lines).join('\n');
}

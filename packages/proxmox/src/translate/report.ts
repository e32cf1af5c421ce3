/**
 * The text of `GET /nodes/{node}/report` (pve-manager 9.2.11, `PVE::Report`): one read that shows kernel line, drivers
 * in use and boot loader without a shell. It contains addresses and configurations: keep it in memory, never log it.
 */

export interface NodeReport {
  /** Raw output by command, as the report heads it: `cat /proc/cmdline`, `lspci -nnk`. The first one wins. */
  readonly commands: Readonly<Record<string, string>>;
  /** What host preparation reads; absent when the report lacks it or the command failed. */
  readonly cmdline?: string;
  readonly kernel?: string;
  readonly lspci?: string;
  readonly lscpu?: string;
  readonly bootToolStatus?: string;
  /** Versions of packages by name: `qemu-server` is the one that features belong to. */
  readonly versions: Readonly<Record<string, string>>;
}

// Outputs have lines that begin with "# " too (dmidecode, interfaces): only these begin a command.
const command =
  /^# ((?:cat|pveversion|lscpu|hostname|date|top|head|ls|lsblk|pvesm|proxmox-boot-tool|df|mount|findmnt|qm|pct|output|lspci|dmidecode|ip|pvesh|zpool|zfs|pvs|lvs|vgs|pvecm|corosync-cfgtool|iptables-save|efibootmgr|ha-manager|pvesubscription|pveceph|ceph|sensors|numactl|jq|nft|for|grep|find|multipath|udevadm|journalctl|dmesg|arcstat|arc_summary)(?: .*)?)$/;

/** Takes the report apart. */
export function parseNodeReport(text: string): NodeReport {
  const commands: Record<string, string> = {};
  let name: string | undefined;
  let block: string[] = [];
  const close = () => {
    if (name !== undefined) commands[name] ??= block.join('\n').trim();
    block = [];
  };
  let previous = '';
  for (const raw of text.split('\n')) {
    const line = raw.replace(/\r$/, '');
    const head = previous === '' ? command.exec(line) : null;
    if (head || /^==== .* ====$/.test(line)) {
      close();
      name = head?.[1];
    } else block.push(line);
    previous = line.trim();
  }
  close();
  const output = (wanted: string) => {
    const found = commands[wanted];
    return found === undefined || found.startsWith('ERROR:') ? undefined : found;
  };
  const version = output('pveversion --verbose') ?? '';
  const versions = [...version.matchAll(/^([a-z0-9.+-]+): (\S+)/gim)].map(([, key = '', value = '']) => [
    key,
    value,
  ]);
  const kernel = /running kernel: ([^\s)]+)/.exec(version)?.[1];
  const parts = {
    cmdline: output('cat /proc/cmdline'),
    kernel,
    lspci: output('lspci -nnk'),
    lscpu: output('lscpu'),
    bootToolStatus: output('proxmox-boot-tool status'),
  };
  return {
    commands,
    versions: Object.fromEntries(versions),
    ...(Object.fromEntries(Object.entries(parts).filter((entry) => entry[1] !== undefined)) as Omit<
      NodeReport,
      'commands' | 'versions'
    >),
  };
}

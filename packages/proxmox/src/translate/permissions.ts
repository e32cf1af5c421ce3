/**
 * What a caller needs for a change, decided before anything is sent. Source: qemu-server 9.2.6,
 * `PVE::API2::Qemu::check_vm_modify_config_perm` and its neighbours; pve-guest-common 6.0.2 for mappings.
 */
import { type HostPci, hostPciOf } from './hostpci.ts';
import type { VmOptions } from './option-text.ts';
import type { ProxmoxCaller } from './snapshot.ts';
import { atLeast } from './versions.ts';

/** One right that is needed. */
export type PermissionNeed =
  /** Any one of these privileges on this path. */
  | {
      readonly kind: 'privilege';
      readonly path: string;
      readonly anyOf: readonly string[];
      readonly option?: string;
    }
  /** A ticket of root@pam: no other user and no API token, not even root's own, will do. */
  | { readonly kind: 'root'; readonly option: string; readonly text: string };

export interface VmRequest {
  readonly vmid: number;
  readonly create: boolean;
  readonly options: VmOptions;
  readonly delete?: readonly string[];
  /** Options as they are stored: replaced and deleted values are checked too. */
  readonly current?: VmOptions;
}

const cpu = 'VM.Config.CPU';
const disk = 'VM.Config.Disk';
const hardware = 'VM.Config.HWType';
const general = 'VM.Config.Options';
const network = 'VM.Config.Network';
const cloudInit = 'VM.Config.Cloudinit';

/** Which privilege an option needs; options that no line matches are root's alone. */
const rules: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^(cores|cpu|cpulimit|cpuunits|numa\d*|smp|sockets|vcpus)$/, [cpu]],
  [/^(memory|balloon|shares|allow-ksm)$/, ['VM.Config.Memory']],
  [
    /^(acpi|hotplug|kvm|machine|scsihw|smbios1|tablet|vga|watchdog|audio0|rng0|hostpci\d+|usb\d+|virtiofs\d+)$/,
    [hardware],
  ],
  [
    /^(agent|autostart|bios|description|keyboard|localtime|migrate_downtime|migrate_speed|name|onboot|ostype|protection|reboot|startdate|startup|tags|tdf|template)$/,
    [general],
  ],
  [/^freeze$/, ['VM.PowerMgmt']],
  [/^(boot|bootdisk|vmstatestorage|(efidisk|tpmstate|unused)\d+|(ide|sata|scsi|virtio)\d+)$/, [disk]],
  [/^net\d+$/, [network]],
  [
    /^(cicustom|cipassword|citype|ciuser|ciupgrade|nameserver|searchdomain|sshkeys|ipconfig\d+)$/,
    [cloudInit, network],
  ],
];

/** Options that only root@pam may set. */
export const rootOnly =
  /^(affinity|amd-sev|arch|args|cdrom|hookscript|hugepages|intel-tdx|ivshmem|keephugepages|lock|parallel\d+|serial\d+|spice_enhancements|vmgenid)$/;

/** Privileges of which an option needs one; undefined for root's own options and for names that are none. */
export function privilegesFor(option: string): readonly string[] | undefined {
  return rules.find(([pattern]) => pattern.test(option))?.[1];
}

/** All that the request needs, in the order in which Proxmox VE asks for it. */
export function permissionsNeeded(request: VmRequest, version = '9.2'): readonly PermissionNeed[] {
  const { vmid, create, options, current = {} } = request;
  const vm = `/vms/${vmid}`;
  const needs: PermissionNeed[] = create ? [{ kind: 'privilege', path: vm, anyOf: ['VM.Allocate'] }] : [];
  const touched = [...Object.keys(options), ...(request.delete ?? [])];
  for (const option of touched) {
    const anyOf = privilegesFor(option);
    const serialDevice =
      /^serial\d+$/.test(option) && (options[option] ?? current[option] ?? 'socket') === 'socket';
    if (serialDevice) needs.push({ kind: 'privilege', path: vm, anyOf: [hardware], option });
    else if (!anyOf) needs.push({ kind: 'root', option, text: `only root can set '${option}' config` });
    else {
      const cdrom =
        /^(ide|sata|scsi)\d+$/.test(option) && /media=cdrom/.test(options[option] ?? current[option] ?? '');
      needs.push({ kind: 'privilege', path: vm, anyOf: cdrom ? ['VM.Config.CDROM'] : anyOf, option });
    }
    if (/^hostpci\d+$/.test(option))
      needs.push(...hostPciNeeds(option, options[option], current[option], version));
    needs.push(...resourceNeeds(option, options[option]));
  }
  return needs;
}

function hostPciNeeds(
  option: string,
  value: string | undefined,
  before: string | undefined,
  version: string,
): PermissionNeed[] {
  const devices = [value, before].flatMap((text): HostPci[] => {
    const [only] = hostPciOf({ hostpci0: text ?? '' });
    return only?.result.ok ? [only.result.value] : [];
  });
  const needs: PermissionNeed[] = [];
  if (devices.some(({ mapping }) => mapping === undefined)) {
    needs.push({ kind: 'root', option, text: `only root can set '${option}' config for non-mapped devices` });
  }
  const [wanted] = value === undefined ? [] : devices;
  if (wanted?.romfile !== undefined && atLeast(version, '9.2')) {
    needs.push({ kind: 'root', option, text: "only root@pam can set 'romfile' option" });
  }
  for (const mapping of new Set(devices.flatMap((device) => device.mapping ?? []))) {
    needs.push({ kind: 'privilege', path: `/mapping/pci/${mapping}`, anyOf: ['Mapping.Use'], option });
  }
  return needs;
}

function resourceNeeds(option: string, value: string | undefined): PermissionNeed[] {
  if (value === undefined) return [];
  const storage = /^(efidisk|tpmstate|ide|sata|scsi|virtio)\d+$/.test(option)
    ? /^(?:file=)?([^:,/]+):(\d|cloudinit)/.exec(value)?.[1]
    : undefined;
  if (storage !== undefined) {
    return [{ kind: 'privilege', path: `/storage/${storage}`, anyOf: ['Datastore.AllocateSpace'], option }];
  }
  const bridge = /^net\d+$/.test(option) ? /(?:^|,)bridge=([^,]+)/.exec(value)?.[1] : undefined;
  if (bridge !== undefined) {
    return [{ kind: 'privilege', path: `/sdn/zones/localnetwork/${bridge}`, anyOf: ['SDN.Use'], option }];
  }
  const model = option === 'cpu' ? /^(?:cputype=)?custom-([^,]+)/.exec(value)?.[1] : undefined;
  return model === undefined
    ? []
    : [{ kind: 'privilege', path: `/mapping/cpu/${model}`, anyOf: ['Mapping.Use'], option }];
}

/** What a change of a PCI mapping needs. */
export function mappingPermissionsNeeded(
  id: string,
  change: 'create' | 'update' | 'delete',
): readonly PermissionNeed[] {
  const path = change === 'update' ? `/mapping/pci/${id}` : '/mapping/pci';
  return [{ kind: 'privilege', path, anyOf: ['Mapping.Modify'] }];
}

/** True for a ticket of root@pam, which may do everything. A token's id ends in `!NAME` and is never equal to it. */
export function isRootTicket(caller: ProxmoxCaller): boolean {
  return caller.user === 'root@pam';
}

/** The needs that the caller does not have. Where privileges were not read, only root's own needs can be judged. */
export function missingPermissions(
  needs: readonly PermissionNeed[],
  caller: ProxmoxCaller,
): readonly PermissionNeed[] {
  if (isRootTicket(caller)) return [];
  return needs.filter(
    (need) =>
      need.kind === 'root' ||
      (caller.privileges !== undefined &&
        !need.anyOf.some((privilege) => privilegesOn(need.path, caller).includes(privilege))),
  );
}

/** Privileges of the nearest path above that has any, as Proxmox VE's access lists propagate. */
function privilegesOn(path: string, { privileges = {} }: ProxmoxCaller): readonly string[] {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const found = privileges[at];
    if (found) return found;
  }
  return privileges['/'] ?? [];
}

/** Proxmox VE's own words for a missing right. */
export function refusalText(need: PermissionNeed): string {
  return need.kind === 'root' ? need.text : `Permission check failed (${need.path}, ${need.anyOf.join('|')})`;
}

/**
 * How the API answers a request, without sending it: accepted, or refused with the status and texts that Proxmox VE
 * gives. Source: qemu-server 9.2.6 `PVE::API2::Qemu`, pve-manager 9.2.11 `PVE::API2::Cluster::Mapping::PCI`.
 */
import { machineFormat, propertiesOf } from './formats.ts';
import { mappingFormat, type PciMapping } from './mapping.ts';
import type { VmOptions } from './option-text.ts';
import { missingPermissions, type PermissionNeed, permissionsNeeded, refusalText } from './permissions.ts';
import { apiErrorText, isConfigId, tryParseProperties } from './property-string.ts';
import type { ProxmoxCaller } from './snapshot.ts';
import { isControlParameter, isVmOption, schemaErrors } from './vm-schema.ts';

export interface ApiVerdict {
  readonly status: number;
  readonly message?: string;
  readonly errors?: Readonly<Record<string, string>>;
  readonly warnings?: readonly string[];
}

export interface VmApiRequest {
  readonly create: boolean;
  readonly node: string;
  readonly vmid: number;
  /** Parameters as sent, `delete` among them; vmid and node apart. */
  readonly params: VmOptions;
  readonly caller: ProxmoxCaller;
  readonly version?: string;
  /** Stored options of that id; undefined when there is no such VM. */
  readonly current?: VmOptions;
}

const accepted: ApiVerdict = { status: 200 };
const refused = (message: string): ApiVerdict => ({ status: 500, message: `${message}\n` });
const invalid = (errors: Readonly<Record<string, string>>): ApiVerdict => ({
  status: 400,
  message: 'Parameter verification failed.\n',
  errors,
});

/** The answer to creating or changing a VM. */
export function judgeVmRequest(request: VmApiRequest): ApiVerdict {
  const { params, create, vmid, node, current } = request;
  const errors = schemaErrors(params);
  if (Object.keys(errors).length > 0) return invalid(errors);
  const { delete: list = '', ...rest } = params;
  const remove = list.split(/[,; ]+/).filter(Boolean);
  const options = Object.fromEntries(Object.entries(rest).filter(([key]) => !isControlParameter(key)));
  return (
    (create ? undefined : updatePermission(request)) ??
    (create || Object.keys(options).length + remove.length > 0
      ? undefined
      : refused('no options specified')) ??
    deleteErrors(options, remove) ??
    permissionVerdict(request, options, remove) ??
    (create && current
      ? refused(`unable to create VM ${vmid} - VM ${vmid} already exists on node '${node}'`)
      : undefined) ??
    (current?.lock === undefined ? undefined : refused(`VM is locked (${current.lock})`)) ??
    meaningVerdict({ ...current, ...options }, options) ??
    unsetWarnings(remove, current ?? {})
  );
}

function updatePermission({ vmid, caller }: VmApiRequest): ApiVerdict | undefined {
  const kinds = ['Disk', 'CDROM', 'CPU', 'Memory', 'Network', 'HWType', 'Options', 'Cloudinit'];
  const anyOf = kinds.map((kind) => `VM.Config.${kind}`);
  const [missing] = missingPermissions([{ kind: 'privilege', path: `/vms/${vmid}`, anyOf }], caller);
  return missing && verdictOf(missing);
}

function deleteErrors(options: VmOptions, remove: readonly string[]): ApiVerdict | undefined {
  for (const name of remove) {
    if (options[name] !== undefined) {
      return invalid({ delete: `you can't use '-${name}' and -delete ${name}' at the same time` });
    }
    if (!isVmOption(name)) return invalid({ delete: `unknown option '${name}'` });
  }
  return undefined;
}

function permissionVerdict(
  request: VmApiRequest,
  options: VmOptions,
  remove: readonly string[],
): ApiVerdict | undefined {
  const { vmid, create, current, caller, version } = request;
  const needs = permissionsNeeded(
    { vmid, create, options, delete: remove, ...(current ? { current } : {}) },
    version,
  );
  const [missing] = missingPermissions(needs, caller);
  return missing && verdictOf(missing);
}

function verdictOf(need: PermissionNeed): ApiVerdict {
  const text = refusalText(need);
  if (need.kind === 'privilege') return { status: 403, message: `${text}\n` };
  return text.includes('root@pam') ? invalid({ [need.option]: text }) : refused(text);
}

/** Rules between options that the API itself checks. All about devices waits until the VM starts. */
function meaningVerdict(all: VmOptions, changed: VmOptions): ApiVerdict | undefined {
  if (changed.machine !== undefined) {
    const machine = tryParseProperties(machineFormat, changed.machine);
    const { type = '', viommu, 'aw-bits': width } = machine.ok ? machine.value : {};
    if (viommu === 'intel' && !/q35/.test(type))
      return refused('to use Intel vIOMMU please set the machine type to q35');
    if (width !== undefined && viommu === undefined)
      return refused('cannot set aw-bits if no vIOMMU is configured');
    if (viommu === 'intel' && width !== undefined && width !== '39' && width !== '48') {
      return refused('Intel vIOMMU supports only 39 or 48 bits as address width');
    }
  }
  const memory = Number(propertiesOf('memory', all.memory).current ?? 512);
  const tooLarge = changed.balloon !== undefined && Number(changed.balloon) > memory;
  return tooLarge ? refused('balloon value too large (must be smaller than assigned memory)') : undefined;
}

function unsetWarnings(remove: readonly string[], current: VmOptions): ApiVerdict {
  const unset = remove.filter((name) => current[name] === undefined);
  return unset.length === 0
    ? accepted
    : {
        ...accepted,
        warnings: unset.map((name) => `cannot delete '${name}' - not set in current configuration!\n`),
      };
}

export interface MappingApiRequest {
  readonly change: 'create' | 'update' | 'delete';
  readonly id: string;
  /** undefined when the parameter is not sent. */
  readonly map?: readonly string[];
  readonly digest?: string;
  /** Mappings that exist, and the digest of their file. */
  readonly mappings: readonly PciMapping[];
  readonly currentDigest?: string;
}

/** The answer to a change of a PCI mapping. */
export function judgeMappingRequest(request: MappingApiRequest): ApiVerdict {
  const { change, id, map, digest, mappings, currentDigest } = request;
  if (change === 'delete') return accepted;
  const errors: Record<string, string> = {};
  if (!isConfigId(id)) errors.id = `invalid format - invalid configuration ID '${id}'\n`;
  if (map === undefined && change === 'create') errors.map = 'property is missing and it is not optional';
  (map ?? []).forEach((entry, index) => {
    const result = tryParseProperties(mappingFormat, entry);
    if (!result.ok) errors[`map[${index}]`] = apiErrorText(`map[${index}]`, result.problem);
  });
  if (Object.keys(errors).length > 0) return invalid(errors);
  const known = mappings.some((mapping) => mapping.id === id);
  if (change === 'create') {
    return known ? refused(`create hardware mapping failed: pci ID '${id}' already defined`) : accepted;
  }
  const failed = (why: string) => refused(`update hardware mapping failed: ${why}`);
  if (digest !== undefined && digest !== currentDigest) {
    return failed('detected modified configuration - file changed by other user? Try again.');
  }
  if (!known) return failed(`pci ID '${id}' does not exist`);
  return map === undefined ? failed("missing value for required option 'map'") : accepted;
}

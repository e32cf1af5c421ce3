/** Names that Placement knows, and what its queries are made of. Source: placement 8, placement/util.py. */
import type { Group } from './candidates.ts';
import { refuse } from './failure.ts';
import { providersOf } from './providers.ts';
import type { CloudState } from './state.ts';

export const standardClasses =
  'VCPU MEMORY_MB DISK_GB PCI_DEVICE SRIOV_NET_VF NUMA_SOCKET NUMA_CORE NUMA_THREAD NUMA_MEMORY_MB IPV4_ADDRESS VGPU VGPU_DISPLAY_HEAD NET_BW_EGR_KILOBIT_PER_SEC NET_BW_IGR_KILOBIT_PER_SEC PCPU MEM_ENCRYPTION_CONTEXT FPGA PGPU NET_PACKET_RATE_KILOPACKET_PER_SEC NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC'.split(
    ' ',
  );
const standardTraits =
  'COMPUTE_NODE COMPUTE_STATUS_DISABLED COMPUTE_MANAGED_PCI_DEVICE HW_CPU_X86_VMX HW_GPU_API_VULKAN HW_GPU_CUDA_COMPUTE_CAPABILITY_V7_0 OWNER_NOVA OWNER_CYBORG HW_PCI_ONE_TIME_USE'.split(
    ' ',
  );

/** Names that hosts reported stay with those that somebody made. */
export function classNames(state: CloudState): readonly string[] {
  const reported = providersOf(state).flatMap(({ inventories }) => Object.keys(inventories));
  return [...new Set([...standardClasses, ...state.resourceClasses, ...reported])];
}

export function traitNames(state: CloudState): readonly string[] {
  const reported = providersOf(state).flatMap(({ traits }) => traits);
  return [...new Set([...standardTraits, ...state.traits, ...reported])];
}

export function refuseUnknown(query: URLSearchParams, known: (key: string) => boolean): void {
  const unknown = [...query.keys()].find((key) => !known(key));
  if (unknown === undefined) return;
  throw refuse(
    400,
    `Invalid query string parameters: '${unknown}' does not match any of the regexes: '^in_tree([a-zA-Z0-9_-]{1,64})?$', '^member_of([a-zA-Z0-9_-]{1,64})?$', '^required([a-zA-Z0-9_-]{1,64})?$', '^resources([a-zA-Z0-9_-]{1,64})?$'`,
    'placement.undefined_code',
  );
}

const wrong = (message: string) => refuse(400, message, 'placement.undefined_code');

function badlyFormed(text: string): Error {
  return wrong(
    `Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: ${text}.`,
  );
}

export function amountsOf(state: CloudState, text: string): Readonly<Record<string, number>> {
  const amounts: Record<string, number> = {};
  const known = classNames(state);
  if (text === '') throw badlyFormed('empty string');
  for (const part of text.split(',')) {
    const [, name, amount = ''] = /^([^:]+):([^:]+)$/.exec(part) ?? [];
    if (name === undefined) throw badlyFormed(text);
    if (!/^-?\d+$/.test(amount)) {
      throw wrong(`Requested resource ${name} expected positive integer amount. Got: ${amount}.`);
    }
    if (Number(amount) < 1) throw wrong(`Requested resource ${name} requires amount >= 1. Got: ${amount}.`);
    if (!known.includes(name)) {
      throw wrong(`Invalid resource class in resources parameter: No such resource class ${name}.`);
    }
    amounts[name] = Number(amount);
  }
  return amounts;
}

export function traitsOf(state: CloudState, text: string): Pick<Group, 'required' | 'forbidden'> {
  const names = text === '' ? [] : text.split(',');
  const known = traitNames(state);
  const unknown = names.map((name) => name.replace(/^!/, '')).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw refuse(400, `No such trait(s): ${unknown.join(', ')}.`);
  return {
    required: names.filter((name) => !name.startsWith('!')),
    forbidden: names.filter((name) => name.startsWith('!')).map((name) => name.slice(1)),
  };
}

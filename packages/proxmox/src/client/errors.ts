/**
 * What Proxmox VE's sentences mean. Nearly every failure is HTTP 500, or the exit status of a task, and only its text
 * tells what went wrong; this is the one place that reads such texts. Matched case-sensitively, first match wins.
 */
import { VmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import type { ErrorReading, HttpResponse } from '@vmgpu/http';

/** What went wrong, finer than the error's `code`; stands in its `details.kind`. */
export type PveErrorKind =
  | 'needs-root-ticket'
  | 'token-refused'
  | 'missing-privilege'
  | 'auth'
  | 'digest-conflict'
  | 'lock-timeout'
  | 'locked'
  | 'exists'
  | 'device-busy'
  | 'pool-exhausted'
  | 'mapping-stale'
  | 'mapping-missing'
  | 'host-not-ready'
  | 'already-running'
  | 'memory'
  | 'interrupted'
  | 'not-found'
  | 'node-unreachable'
  | 'invalid'
  | 'other';

interface Rule {
  readonly kind: PveErrorKind;
  readonly code: VmgpuErrorCode;
  readonly pattern: RegExp;
  /** May use `$1`, `$2` of the pattern. */
  readonly hint?: string;
  readonly retryable?: true;
}

const prepareHost = 'prepare the node for GPU passthrough (vmgpu doctor says what it lacks)';

/** Emitters are named as package, module. Texts: pve-manager 9.2.11, qemu-server 9.2.6, pve-guest-common 6.0.2. */
const rules: readonly Rule[] = [
  // qemu-server, PVE::API2::Qemu
  {
    kind: 'needs-root-ticket',
    code: 'permission-denied',
    pattern: /only root(?:@pam)? can set '([\w-]+)'/,
    hint: 'log in as root@pam with a password (an API token never suffices), or use a mapping and leave $1 out',
  },
  // pve-http-server, PVE::HTTPServer
  {
    kind: 'token-refused',
    code: 'permission-denied',
    pattern: /not available with API token/,
    hint: 'log in with a password: this call refuses API tokens',
  },
  // pve-access-control, PVE::RPCEnvironment
  {
    kind: 'missing-privilege',
    code: 'permission-denied',
    pattern: /Permission check failed \(([^,)]+), ([^)]+)\)/,
    hint: 'grant $2 on $1',
  },
  {
    kind: 'auth',
    code: 'auth-failed',
    pattern:
      /^(?:No ticket|authentication failure|Authentication failed!|invalid csrf token)|no such (?:user|token)/i,
    hint: 'check user, realm and token or password',
  },
  // pve-common, PVE::Tools::assert_if_modified; pve-common, PVE::SectionConfig
  {
    kind: 'digest-conflict',
    code: 'conflict',
    pattern: /checksum mismatch|detected modified configuration/,
    hint: 'somebody else changed it meanwhile; make a new plan',
  },
  // pve-common, PVE::Tools::lock_file
  {
    kind: 'lock-timeout',
    code: 'conflict',
    pattern: /can't lock file .*got timeout|cfs-lock .*(?:timeout|no quorum)/,
    hint: 'another task holds it; try again when that has ended',
    retryable: true,
  },
  // pve-guest-common, PVE::AbstractConfig::check_lock
  {
    kind: 'locked',
    code: 'conflict',
    pattern: /VM is locked(?: \((\w+)\))?/,
    hint: 'wait for the $1 of the VM to end, or unlock it: qm unlock VMID',
  },
  // qemu-server, PVE::API2::Qemu; pve-guest-common, PVE::Mapping::PCI
  { kind: 'exists', code: 'already-exists', pattern: /already (?:exists|defined)/ },
  // qemu-server, PVE::QemuServer
  { kind: 'already-running', code: 'conflict', pattern: /VM \d+ already running/ },
  // qemu-server, PVE::QemuServer::PCI
  {
    kind: 'device-busy',
    code: 'capacity',
    pattern: /already in use by VMID '(\d+)'|currently reserved for use by VMID '(\d+)'/,
    hint: 'stop VM $1, or give this VM another device',
  },
  {
    kind: 'pool-exhausted',
    code: 'capacity',
    pattern: /could not find a free device|has no available instances of/,
    hint: 'every device of the mapping is taken; stop a VM that uses one, or add devices to the mapping',
  },
  {
    kind: 'mapping-stale',
    code: 'host-not-ready',
    pattern: /hardware probably changed/,
    hint: 'bring the mapping up to date from the node’s inventory: make and apply a new plan of scope platform',
  },
  {
    kind: 'mapping-missing',
    code: 'not-found',
    pattern: /PCI device mapping not found|missing mapped devices/,
    hint: 'create the mapping, or an entry of it for this node: apply the plan of scope platform',
  },
  {
    kind: 'host-not-ready',
    code: 'host-not-ready',
    pattern:
      /IOMMU not present|Cannot bind \S+ to vfio|can't unbind\/bind PCI group|Cannot open iommu_group|no pci device info for|does not support mediated devices|has no type '|could not create mediated device|vgpu type '\S*' not available|no nvidia sysfs api|error getting device from group|failed to setup container|stuck in D3|no PCI device found for/,
    hint: prepareHost,
  },
  {
    kind: 'memory',
    code: 'capacity',
    pattern: /[Cc]annot allocate memory|hugepages? .*(?:not enough|allocation failed)/,
    hint: 'passthrough pins all of the guest’s memory: give it less, or free memory on the node',
  },
  // pve-common, PVE::RESTEnvironment: a worker that was killed leaves this instead of an end.
  {
    kind: 'interrupted',
    code: 'unreachable',
    pattern: /^unexpected status$|interrupted by signal|received interrupt/,
    hint: 'the task was stopped from outside; look at its log on the node, then resume',
  },
  {
    kind: 'not-found',
    code: 'not-found',
    pattern: /does not exist|not found|no such (?:task|VM)|No such file/,
  },
];

export interface PveVerdict {
  readonly kind: PveErrorKind;
  readonly code: VmgpuErrorCode;
  readonly hint?: string;
  readonly retryable: boolean;
}

/** What a sentence of Proxmox VE means; `other` when it is none that is known. */
export function classifyText(text: string): PveVerdict {
  for (const { kind, code, pattern, hint, retryable = false } of rules) {
    const match = pattern.exec(text);
    if (!match) continue;
    const groups = match.slice(1).filter((group) => group !== undefined);
    const filled = hint?.replace(/\$(\d)/g, (_, digit: string) => groups[Number(digit) - 1] ?? 'task');
    return { kind, code, retryable, ...(filled === undefined ? {} : { hint: filled }) };
  }
  return { kind: 'other', code: 'refused', retryable: false };
}

/** Statuses that pveproxy answers for a node that it cannot reach (AnyEvent::HTTP's own numbers). */
const proxyFailure = /^59\d$/;

/**
 * Reads an error answer for `@vmgpu/http`. The text stands in `message` of the JSON body since pve-http-server 5.2.0 (PVE
 * 8.3), before in the reason phrase; 400 carries `errors: {parameter: text}`.
 */
export function readPveError(response: HttpResponse): ErrorReading {
  const { status } = response;
  const message = errorText(response);
  if (proxyFailure.test(String(status))) {
    return {
      code: 'unreachable',
      message: message || 'the node does not answer',
      hint: 'check that the node is online and in the cluster’s quorum',
      retryable: true,
      details: { kind: 'node-unreachable' },
    };
  }
  const verdict = classifyText(message);
  if (verdict.kind !== 'other') {
    const { kind, ...reading } = verdict;
    // A 403 or 401 stays one, whatever its sentence mentions.
    const code = status === 401 ? 'auth-failed' : status === 403 ? 'permission-denied' : reading.code;
    return { ...reading, code, message, details: { kind } };
  }
  if (status === 400) return { code: 'refused', message, details: { kind: 'invalid' } };
  return {
    message,
    details: { kind: status === 401 ? 'auth' : status === 403 ? 'missing-privilege' : 'other' },
  };
}

function errorText({ text, statusText = '' }: HttpResponse): string {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return oneLine(statusText);
  }
  const { message, errors } = (body ?? {}) as { message?: unknown; errors?: unknown };
  const said = typeof message === 'string' ? message : statusText;
  const each = Object.entries(typeof errors === 'object' && errors !== null ? errors : {}).map(
    ([parameter, reason]) => `${parameter}: ${String(reason)}`,
  );
  return oneLine([said.trim().replace(/\.$/, each.length > 0 ? ':' : '.'), ...each].join(' '));
}

const longestText = 600;

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > longestText ? `${line.slice(0, longestText)}…` : line;
}

/** Lines of a task's log at the end that an error shows. */
const logLines = 12;

/** The error of a task that ended badly: `what` is the sentence's beginning, `Unable to start VM train-1 (100)`. */
export function taskError(
  what: string,
  exitStatus: string,
  log: readonly string[],
  details: Readonly<Record<string, unknown>>,
): VmgpuError {
  const tail = log.filter((line) => line.trim() !== '').slice(-logLines);
  // `start failed: QEMU exited with code 1` says nothing; what QEMU said itself stands in the log.
  const own = classifyText(exitStatus);
  const inLog = own.kind === 'other' ? log.map((line) => ({ line, verdict: classifyText(line) })) : [];
  const cause = inLog.find(({ verdict }) => verdict.kind !== 'other');
  const { kind, code, hint } = cause?.verdict ?? own;
  const why = cause ? `${exitStatus}: ${oneLine(cause.line)}` : oneLine(exitStatus);
  return new VmgpuError(code, `${what}: ${why}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { ...details, kind, exitStatus: oneLine(exitStatus), log: tail, retryable: false },
  });
}

/** The finer kind of an error of this adapter. */
export function pveErrorKind(error: unknown): PveErrorKind | undefined {
  const kind = (error as { readonly details?: { readonly kind?: unknown } } | undefined)?.details?.kind;
  return typeof kind === 'string' ? (kind as PveErrorKind) : undefined;
}

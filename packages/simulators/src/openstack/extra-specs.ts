import { inPython } from './body.ts';
import { refuse } from './failure.ts';

/** What a value may be: words, a number of at least, something like a boolean, or a form. */
type Value = readonly string[] | { readonly min: number } | 'boolean' | { readonly format: string };

const anything: Value = { format: '[\\s\\S]+' };
const numa: Value = ['required', 'preferred', 'legacy', 'socket'];

/** What Nova's checker of 2.86 takes. Source: nova 26, nova/api/validation/extra_specs. */
const known: readonly (readonly [key: RegExp, value: Value])[] = [
  [/^pci_passthrough:alias$/, { format: '[^:]+:\\d+(?:\\s*,\\s*[^:]+:\\d+)*' }],
  [
    /^resources([a-zA-Z0-9_-]{1,64})?:(VGPU|PGPU|VCPU|PCPU|MEMORY_MB|DISK_GB|FPGA|CUSTOM_[A-Z0-9_]+)$/,
    { min: 0 },
  ],
  [
    /^trait([a-zA-Z0-9_-]{1,64})?:(HW|COMPUTE|MISC|STORAGE|OWNER|CUSTOM)_[A-Z0-9_]+$/,
    ['required', 'forbidden'],
  ],
  [/^group_policy$/, ['none', 'isolate']],
  [/^hw:pci_numa_affinity_policy$/, numa],
  [/^hw:numa_nodes$/, { min: 1 }],
  [/^hw:numa_(cpus|mem)\.\d+$/, anything],
  [/^hw:cpu_policy$/, ['dedicated', 'shared', 'mixed']],
  [/^hw:cpu_thread_policy$/, ['prefer', 'isolate', 'require']],
  [/^hw:(cpu_sockets|cpu_cores|cpu_threads|cpu_max_\w+|serial_port_count)$/, { min: 0 }],
  [/^hw:mem_page_size$/, { format: '(large|small|any|\\d+([kKMGT]i?)?(b|bit|B)?)' }],
  [
    /^((hw:)?hide_hypervisor_id|hw:(locked_memory|boot_menu|mem_encryption|vif_multiqueue_enabled))$/,
    'boolean',
  ],
  [/^hw:viommu_model$/, ['intel', 'smmuv3', 'virtio', 'auto']],
  [/^hw:(tpm_model|tpm_version|watchdog_action|cpu_realtime\w*|emulator_threads_policy)$/, anything],
  [/^hw_(video|rng):\w+$/, anything],
  [/^os:secure_boot$/, ['required', 'disabled', 'optional']],
  [/^accel:device_profile$/, anything],
  [/^(quota|aggregate_instance_extra_specs|capabilities|powervm|vmware):/, anything],
];

/** Namespaces in which every key has to be a known one. */
const closed =
  /^(accel|aggregate_instance_extra_specs|capabilities|hw|hw_rng|hw_video|os|pci_passthrough|powervm|quota|resources[\w-]*|trait[\w-]*|vmware):|^(hide_hypervisor_id|group_policy)$/;

/** Throws 400 for what Nova does not take. `checked`: at 2.86 or later. */
export function checkExtraSpecs(specs: unknown, checked: boolean): Readonly<Record<string, string>> {
  if (typeof specs !== 'object' || specs === null || Array.isArray(specs)) {
    throw refuse(
      400,
      "Invalid input for field/attribute extra_specs. Value: None. None is not of type 'object'",
    );
  }
  const result: Record<string, string> = {};
  for (const [key, value] of Object.entries(specs)) {
    if (!/^[a-zA-Z0-9-_:. ]{1,255}$/.test(key)) {
      throw refuse(
        400,
        `Invalid input for field/attribute extra_specs. Value: ${inPython(specs)}. '${key}' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'`,
      );
    }
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw refuse(
        400,
        `Invalid input for field/attribute ${key}. Value: ${inPython(value)}. ${inPython(value)} is not of type 'string', 'number'`,
      );
    }
    const text = String(value);
    if (text.length > 255)
      throw refuse(400, `Invalid input for field/attribute ${key}. Value: ${text}. '${text}' is too long`);
    if (checked) checkOne(key, text);
    result[key] = text;
  }
  return result;
}

function checkOne(key: string, value: string): void {
  const rule = known.find(([pattern]) => pattern.test(key));
  if (!rule) {
    if (!closed.test(key)) return;
    throw refuse(400, `Validation failed; extra spec '${key}' does not appear to be a valid extra spec.`);
  }
  const problem = problemOf(rule[1], value);
  if (problem !== undefined) throw refuse(400, `Validation failed; '${value}' is ${problem}.`);
}

function problemOf(rule: Value, value: string): string | undefined {
  if (rule === 'boolean') {
    const fits = /^(0|1|t|f|true|false|on|off|y|n|yes|no)$/i.test(value);
    return fits ? undefined : 'not a valid boolean-like value';
  }
  if ('min' in rule) {
    if (!/^-?\d+$/.test(value)) return 'not a valid integer value';
    return Number(value) < rule.min ? `less than the min value of '${rule.min}'` : undefined;
  }
  if ('format' in rule) {
    return new RegExp(`^(?:${rule.format})$`).test(value) ? undefined : `not of the format '${rule.format}'`;
  }
  return rule.includes(value) ? undefined : `not one of: ${rule.join(', ')}`;
}

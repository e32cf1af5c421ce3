/**
 * What Nova's validator (compute API 2.86 and later) accepts as value, by key. Keys of other namespaces and keys
 * without a namespace pass; an unknown key of one of its namespaces is refused. Source: registry of the validators in Nova
 * 31.0.0, `nova/api/validation/extra_specs`.
 */
const bool = /^(1|0|t|f|true|false|on|off|y|n|yes|no)$/i;
const number = /^\d+$/;
const any = /^/;
const grammar: readonly (readonly [RegExp, RegExp])[] = [
  [/^pci_passthrough:alias$/, /^[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*$/],
  [/^resources([a-zA-Z0-9_-]{1,64})?:([A-Z0-9_]+)$/, number],
  [/^trait([a-zA-Z0-9_-]{1,64})?:([A-Z0-9_]+)$/, /^(required|forbidden)$/],
  [/^group_policy$/, /^(none|isolate)$/],
  [/^hw:pci_numa_affinity_policy$/, /^(required|preferred|legacy|socket)$/],
  [/^hw:(numa_nodes|cpu_(max_)?(sockets|cores|threads)|serial_port_count)$/, /^[1-9]\d*$/],
  [/^hw:numa_(cpus|mem)\.\d+$/, any],
  [/^hw:cpu_policy$/, /^(dedicated|shared|mixed)$/],
  [/^hw:cpu_thread_policy$/, /^(prefer|isolate|require)$/],
  [/^hw:mem_page_size$/, /^(large|small|any|\d+([kKMGT]i?(b|B|bit)?)?)$/],
  [/^hw:(locked_memory|hide_hypervisor_id|boot_menu|mem_encryption|vif_multiqueue_enabled|pmu)$/, bool],
  [/^hw:viommu_model$/, /^(intel|smmuv3|virtio|auto)$/],
  [/^hw:tpm_version$/, /^(1\.2|2\.0)$/],
  [/^hw:tpm_model$/, /^tpm-(tis|crb)$/],
  [/^os:secure_boot$/, /^(required|disabled|optional)$/],
  // Known to Nova from 29.0.0, but not to its validator: written at 2.85, see `needsOldMicroversion`.
  [/^hw:maxphysaddr_mode$/, /^(passthrough|emulate)$/],
  [/^hw:maxphysaddr_bits$/, number],
  [
    /^hw:(watchdog_action|cpu_realtime|cpu_realtime_mask|emulator_threads_policy|pmem|cpu_dedicated_mask|input_bus|rng_.*|tpm_secret_security|sound_model|usb_model|redirected_usb_ports|virtio_packed_ring|ephemeral_encryption.*)$/,
    any,
  ],
];

/** Why Nova would refuse this extra spec at 2.86; undefined when it would not. */
export function extraSpecProblem(key: string, value: string): string | undefined {
  if (!/^[a-zA-Z0-9\-_:. ]{1,255}$/.test(key))
    return 'a key has 1 to 255 letters, digits, blanks and any of - _ : .';
  if (value.length > 255) return 'a value has at most 255 characters';
  const rule = grammar.find(([form]) => form.test(key));
  if (rule !== undefined)
    return rule[1].test(value) ? undefined : `the value is not of the form ${rule[1].source}`;
  return /^(hw|pci_passthrough|resources[^:]*|trait[^:]*):/.test(key)
    ? 'does not appear to be a valid extra spec'
    : undefined;
}

/** Keys that Nova reads but refuses at compute API 2.86 and later (in every release up to 34.0.0). */
export function needsOldMicroversion(key: string): boolean {
  return key.startsWith('hw:maxphysaddr_');
}

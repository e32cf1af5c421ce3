import { badInput, type GpuVm } from '@vmgpu/core';
import {
  boolean,
  check,
  dictionary,
  either,
  exactShape,
  integer,
  list,
  nothing,
  optional,
  text,
} from '@vmgpu/core/schema';
import type { HostPci } from './hostpci.ts';
import { isVmOption } from './vm-schema.ts';

/** `spec.providerOptions.proxmox`: what only Proxmox VE knows. */
export interface ProxmoxOptions {
  /** Node the VM lies on. */
  readonly node?: string;
  /** Id of the VM; the next free one when not given. */
  readonly vmid?: number;
  /** Storage for new disks. */
  readonly storage?: string;
  /** Storage for cloud-init snippets; default `local`. */
  readonly snippets?: string;
  /** Bridge of networks whose name is not a bridge's. */
  readonly bridge?: string;
  /** Name devices by address instead of by mapping. Needs a ticket of root@pam. */
  readonly raw?: boolean;
  /** Start the VM when everything is in place. */
  readonly start?: boolean;
  /** Other devices of the GPU's IOMMU group may be taken from the node as well. */
  readonly acceptIommuGroup?: boolean;
  /** Tags of a new VM; `vmgpu` when not given. */
  readonly tags?: readonly string[];
  /** Native hostpci keys for a GPU, by its name in `spec.gpus`. They win over what is derived. */
  readonly hostpci?: Readonly<Record<string, HostPciOptions>>;
  /** Native VM options as they are sent. They win over what is derived; null: leave the option out. */
  readonly options?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface HostPciOptions extends HostPci {
  /** N of hostpciN. Changing it moves the device inside the guest. */
  readonly index?: number;
}

const optionalText = optional(text());
const flag = optional(boolean());
const schema = exactShape({
  node: optionalText,
  vmid: optional(integer()),
  storage: optionalText,
  snippets: optionalText,
  bridge: optionalText,
  raw: flag,
  start: flag,
  acceptIommuGroup: flag,
  tags: optional(list(text())),
  hostpci: optional(
    dictionary(
      exactShape({
        index: optional(integer()),
        host: optionalText,
        mapping: optionalText,
        mdev: optionalText,
        pcie: flag,
        rombar: flag,
        romfile: optionalText,
        'x-vga': flag,
        'legacy-igd': flag,
        'vendor-id': optionalText,
        'device-id': optionalText,
        'sub-vendor-id': optionalText,
        'sub-device-id': optionalText,
        driver: optionalText,
      }),
    ),
  ),
  options: optional(dictionary(either(text(), integer(), boolean(), nothing()))),
});

const where = 'spec.providerOptions.proxmox';

/** Reads `spec.providerOptions.proxmox`. Throws `bad-input` for unknown keys and wrong types. */
export function readProviderOptions(intent: GpuVm): ProxmoxOptions {
  const raw = intent.spec.providerOptions?.proxmox ?? {};
  const options = check(schema, raw, `${where} is not valid`) as ProxmoxOptions;
  for (const key of Object.keys(options.options ?? {})) {
    if (isVmOption(key)) continue;
    throw badInput(`not an option of a Proxmox VE VM`, {
      where: { path: `${where}.options.${key}` },
      found: key,
      expected: 'a name such as machine, vga, args, usb0',
    });
  }
  const names = new Set((intent.spec.gpus ?? []).map((gpu) => gpu.name));
  for (const name of Object.keys(options.hostpci ?? {})) {
    if (names.has(name)) continue;
    throw badInput('options for a GPU that is not asked for', {
      where: { path: `${where}.hostpci.${name}` },
      expected: names.size > 0 ? `one of ${[...names].join(', ')}` : 'a GPU of that name in spec.gpus',
    });
  }
  return options;
}

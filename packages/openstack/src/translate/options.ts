import type { GpuVm } from '@vmgpu/core';
import {
  anything,
  boolean,
  check,
  choice,
  dictionary,
  either,
  exactShape,
  integer,
  list,
  nothing,
  optional,
  type Schema,
  text,
} from '@vmgpu/core/schema';

/** How one GPU request is said to Nova; all of it is derived when not given. */
export interface GpuOptions {
  /** Name of the `[pci] alias`. */
  readonly alias?: string;
  /** Resource class of its devices in Placement: for PCI devices, or `mdev_class` of a vGPU type. */
  readonly resourceClass?: string;
  /** Traits the devices carry and the flavor asks for; upper case, `CUSTOM_`. */
  readonly traits?: readonly string[];
  /** Instead of what hosts or the table say. */
  readonly deviceType?: 'type-PCI' | 'type-PF' | 'type-VF';
  /** Devices that may move with a running server (31.0.0 and later). */
  readonly liveMigratable?: boolean;
  /** Devices that are kept back after their first use (32.0.0 and later). */
  readonly oneTimeUse?: boolean;
}

/** `spec.providerOptions.openstack`. */
export interface OpenStackOptions {
  readonly flavor?: {
    readonly name?: string;
    readonly description?: string;
    /** GiB of the root disk; 0 takes the image's size. */
    readonly disk?: number;
    /** GiB */
    readonly ephemeral?: number;
    /** MiB */
    readonly swap?: number;
    readonly public?: boolean;
    readonly vcpus?: number;
    /** MiB */
    readonly ram?: number;
    /** Written over what is derived; null takes a derived key away. */
    readonly extraSpecs?: Readonly<Record<string, string | null>>;
  };
  /** Properties of the image, written over what is derived; null takes a derived one away. */
  readonly image?: { readonly properties?: Readonly<Record<string, string | null>> };
  /** Fields of `POST /servers` that the intent has no word for, as Nova's API spells them. */
  readonly server?: Readonly<Record<string, unknown>>;
  readonly schedulerHints?: Readonly<Record<string, unknown>>;
  /** By name of the GPU request. */
  readonly gpus?: Readonly<Record<string, GpuOptions>>;
  /** Schedule PCI devices through Placement. True from 29.0.0 (2024.1) when not given; cannot be undone on a host. */
  readonly pciInPlacement?: boolean;
  /** Default limits to register in Keystone, by resource: `{ "class:VGPU": 4 }`. */
  readonly limits?: Readonly<Record<string, number>>;
}

const maybeNull = <T>(schema: Schema<T>) => either(schema, nothing());
const optionsSchema = exactShape({
  flavor: optional(
    exactShape({
      name: optional(text()),
      description: optional(text()),
      disk: optional(integer()),
      ephemeral: optional(integer()),
      swap: optional(integer()),
      public: optional(boolean()),
      vcpus: optional(integer()),
      ram: optional(integer()),
      extraSpecs: optional(dictionary(maybeNull(text()))),
    }),
  ),
  image: optional(exactShape({ properties: optional(dictionary(maybeNull(text()))) })),
  server: optional(dictionary(anything())),
  schedulerHints: optional(dictionary(anything())),
  gpus: optional(
    dictionary(
      exactShape({
        alias: optional(text()),
        resourceClass: optional(text()),
        traits: optional(list(text())),
        deviceType: optional(choice('type-PCI', 'type-PF', 'type-VF')),
        liveMigratable: optional(boolean()),
        oneTimeUse: optional(boolean()),
      }),
    ),
  ),
  pciInPlacement: optional(boolean()),
  limits: optional(dictionary(integer())),
});

/** Reads `spec.providerOptions.openstack`. Throws `bad-input` that names each unknown key or wrong value. */
export function parseOptions(intent: GpuVm): OpenStackOptions {
  return check(
    optionsSchema,
    intent.spec.providerOptions?.openstack ?? {},
    'spec.providerOptions.openstack is not right',
    (path) => ({ path: ['spec.providerOptions.openstack', ...path].join('.') }),
  ) as OpenStackOptions;
}

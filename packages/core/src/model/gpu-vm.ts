import * as z from 'zod/mini';
import { parseWith, type SourceLocator } from '../schema/parse.ts';
import { tryParsePciAddress } from './pci-address.ts';
import { tryParsePciId } from './pci-id.ts';
import { apiVersion } from './platform.ts';
import { isBytes, parseBytes } from './quantity.ts';

/**
 * The neutral intent: one VM and the GPUs it wants. What is not said is not sent: no field has a default.
 * The same schema is shipped as JSON Schema, `@vmgpu/core/schema/gpu-vm.json`.
 */
export interface GpuVm {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'GpuVm';
  readonly metadata: GpuVmMetadata;
  readonly spec: GpuVmSpec;
}

export interface GpuVmMetadata {
  /** DNS label: lower-case letters, digits and hyphens, at most 63. */
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface GpuVmSpec {
  readonly guestOs?: 'linux' | 'windows';
  readonly cpu?: GpuVmCpu;
  /** Guest memory with unit, e.g. `64GiB`. */
  readonly memory?: string;
  /** Size of the huge pages that back the memory, e.g. `1GiB`, `2MiB`. */
  readonly hugepages?: string;
  /** Machine type: `q35`, `pc`, `virt`, or a platform's pinned version of one. */
  readonly machine?: string;
  readonly firmware?: GpuVmFirmware;
  readonly numa?: GpuVmNuma;
  /** Hide the hypervisor's signature from the guest. Only old GeForce drivers on Windows needed it. */
  readonly hideHypervisor?: boolean;
  readonly disks?: readonly GpuVmDisk[];
  /**
   * None when empty. Not given, it is left to the platform: KubeVirt attaches the pod network, Nova the project's own, Proxmox
   * VE none.
   */
  readonly networks?: readonly GpuVmNetwork[];
  /** cloud-init user data. */
  readonly userData?: string;
  readonly gpus?: readonly GpuRequest[];
  /** Loss-free place for what only one platform knows, by platform name. */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface GpuVmCpu {
  /** Virtual CPUs in all (sockets × cores × threads when those are given). */
  readonly cores?: number;
  readonly sockets?: number;
  readonly threads?: number;
  /** `host` or a platform's model name. */
  readonly model?: string;
  /** Pinned to physical CPUs of their own. */
  readonly dedicated?: boolean;
}

export interface GpuVmFirmware {
  readonly type?: 'uefi' | 'bios';
  readonly secureBoot?: boolean;
  readonly tpm?: boolean;
}

export interface GpuVmNuma {
  /** Whether memory and CPUs must come from the GPU's NUMA node. */
  readonly gpuAffinity?: 'none' | 'preferred' | 'required';
}

export interface GpuVmDisk {
  readonly name: string;
  /** With unit, e.g. `100GiB`. */
  readonly size?: string;
  /** Image it starts from, in the platform's terms (name, id, registry URL). */
  readonly image?: string;
}

export interface GpuVmNetwork {
  readonly name: string;
}

export type GpuRequest = PassthroughRequest | VgpuRequest;

interface GpuRequestBase {
  /** Unique within the VM: letters, digits, `-` and `_` (KubeVirt makes a libvirt alias of it). */
  readonly name: string;
  /** How many equal ones, at most 256; 1 when not given. */
  readonly count?: number;
}

/** Whole PCI functions. */
export interface PassthroughRequest extends GpuRequestBase {
  readonly mode: 'passthrough';
  readonly device: GpuSelector;
  /** The card's other functions (audio, USB-C): with the GPU into the guest, or left on the host. */
  readonly companions?: 'include' | 'exclude';
}

/** A share of a GPU, by the name of its vGPU type. */
export interface VgpuRequest extends GpuRequestBase {
  readonly mode: 'vgpu';
  /** `A10-24Q`, `NVIDIA A10-24Q`, or a host's own type id such as `i915-GVTg_V5_4` or `nvidia-592`. */
  readonly profile: string;
  /** Which card or pool; not needed when any that offers the profile will do. */
  readonly device?: GpuSelector;
  /** The vGPU draws the VM's console. */
  readonly display?: boolean;
}

/** Which GPU. At least one field. */
export interface GpuSelector {
  /** `10de:2236`, with subsystem when products share an id: `10de:25b6:10de:159d`. */
  readonly id?: string;
  /** Name in the catalogue: `NVIDIA A10`. */
  readonly board?: string;
  /** One function of one host: `0000:65:00.0`. Only Proxmox VE can ask for it as such. */
  readonly address?: string;
  /** What the platform calls this kind of device: Proxmox mapping, Nova alias, Kubernetes resource. */
  readonly name?: string;
}

const name = z
  .string()
  .check(z.regex(/^[A-Za-z0-9_-]{1,63}$/, { error: 'expected 1 to 63 letters, digits, "-" or "_"' }));
// "64" is sixty-four bytes and surely meant something else; 64 KiB is the smallest huge page of any architecture.
const isAmount = (value: string) => isBytes(value) && parseBytes(value) >= 2 ** 16;
const bytes = z
  .string()
  .check(z.refine(isAmount, { error: 'expected an amount with a unit, such as 64GiB' }));
const count = z.int().check(z.positive());
/** No machine has more; a plan has an entry for each. */
const gpuCount = z.int().check(z.positive(), z.maximum(256));
const text = z.string().check(z.minLength(1));

const selector = z
  .strictObject({
    id: z.optional(
      z.string().check(
        z.refine((id) => tryParsePciId(id) !== undefined, {
          error: 'expected vendor:device, such as 10de:2236',
        }),
      ),
    ),
    board: z.optional(text),
    address: z.optional(
      z.string().check(
        z.refine((address) => tryParsePciAddress(address) !== undefined, {
          error: 'expected an address such as 0000:65:00.0',
        }),
      ),
    ),
    name: z.optional(text),
  })
  .check(
    z.refine((device) => Object.values(device).some((value) => value !== undefined), {
      error: 'expected at least one of id, board, address, name',
    }),
  );

const passthrough = z.strictObject({
  name,
  mode: z.literal('passthrough'),
  device: selector,
  count: z.optional(gpuCount),
  companions: z.optional(z.enum(['include', 'exclude'])),
});
const vgpu = z.strictObject({
  name,
  mode: z.literal('vgpu'),
  profile: text,
  device: z.optional(selector),
  count: z.optional(gpuCount),
  display: z.optional(z.boolean()),
});

/** The schema behind `parseGpuVm`; internal, so that zod stays out of our public types. */
export const gpuVmSchema = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('GpuVm'),
  metadata: z.strictObject({
    name: z.string().check(
      z.regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
        error: 'expected a DNS label: lower-case letters, digits and "-", at most 63',
      }),
    ),
    labels: z.optional(z.record(z.string(), z.string())),
  }),
  spec: z.strictObject({
    guestOs: z.optional(z.enum(['linux', 'windows'])),
    cpu: z.optional(
      z.strictObject({
        cores: z.optional(count),
        sockets: z.optional(count),
        threads: z.optional(count),
        model: z.optional(text),
        dedicated: z.optional(z.boolean()),
      }),
    ),
    memory: z.optional(bytes),
    hugepages: z.optional(bytes),
    machine: z.optional(text),
    firmware: z.optional(
      z.strictObject({
        type: z.optional(z.enum(['uefi', 'bios'])),
        secureBoot: z.optional(z.boolean()),
        tpm: z.optional(z.boolean()),
      }),
    ),
    numa: z.optional(z.strictObject({ gpuAffinity: z.optional(z.enum(['none', 'preferred', 'required'])) })),
    hideHypervisor: z.optional(z.boolean()),
    disks: z.optional(
      z
        .array(z.strictObject({ name, size: z.optional(bytes), image: z.optional(text) }))
        .check(uniqueNames()),
    ),
    networks: z.optional(z.array(z.strictObject({ name })).check(uniqueNames())),
    userData: z.optional(z.string()),
    gpus: z.optional(z.array(z.discriminatedUnion('mode', [passthrough, vgpu])).check(uniqueNames())),
    providerOptions: z.optional(z.record(z.string(), z.record(z.string(), z.unknown()))),
  }),
});

function uniqueNames() {
  return z.refine<readonly { name: string }[]>(
    (items) => new Set(items.map((item) => item.name)).size === items.length,
    {
      error: 'expected every name only once',
    },
  );
}

/**
 * Checks a parsed `vm.yaml`. Throws `bad-input` that names each wrong place, what was found there and what was
 * expected; `locate` adds line and column when the text they came from is known.
 */
export function parseGpuVm(document: unknown, locate?: SourceLocator): GpuVm {
  return parseWith<GpuVm>(gpuVmSchema, document, 'not a valid GpuVm', locate);
}

/** True when the intent says nothing but its GPUs: it changes the GPUs of a VM that exists, and nothing else. */
export function isAttachment(intent: GpuVm): boolean {
  return Object.entries(intent.spec).every(
    ([key, value]) => key === 'gpus' || key === 'providerOptions' || value === undefined,
  );
}

import { badInput } from '../errors/vmgpu-error.ts';

/**
 * The name of an NVIDIA vGPU type, taken apart. Type numbers (`nvidia-592`) belong to a driver branch and are resolved
 * on the host; only the name is stable. Grammar of the short name: NVIDIA/vgpu-device-manager v0.5.0,
 * `pkg/types/vgpu.go`; the size is the nominal framebuffer in GiB, 0 standing for 512 MiB.
 */
export interface VgpuProfileName {
  /** What platforms and people call it: `A10-24Q`, `A100-1-5CME`, `RTX6000-Ada-2Q`. Unique only within a board. */
  readonly short: string;
  /** The board's code, `A10`, `A100`, `RTX6000-Ada`, `DC`. */
  readonly board: string;
  /** Words the driver prints before the short name: `NVIDIA`, `GRID`, `NVIDIA RTX Pro 6000 Blackwell`. */
  readonly prefix?: string;
  /** Slices of the GPU instance when the type is MIG-backed. */
  readonly slices?: number;
  /** Nominal framebuffer in MiB. */
  readonly framebufferMiB: number;
  /** A: virtual applications, B: virtual PC, C: compute, Q: workstation. */
  readonly series: 'A' | 'B' | 'C' | 'Q';
  /** Media-engine or graphics variant of a MIG-backed type. */
  readonly variant?: 'ME' | 'NOME' | 'MEALL' | 'GFX';
}

// `B4`: virtual-PC types of boards up to Turing with four displays (`T4-2B4`); NVIDIA/open-gpu-kernel-modules 550.54.14,
// g_vgpu_chip_flags.h. The device manager knows none of them.
const timeSliced = /^([A-Z0-9]+(?:-[A-Za-z]+)*)-(0|[1-9][0-9]*)(?:([ACQ])|B4?)$/;
const migBacked = /^([A-Z0-9]+)-([1-9])-(0|[1-9][0-9]*)([ABCQ])(ME|NOME|MEALL|GFX)?$/;

/** Reads a short or full vGPU type name, also in the Kubernetes spelling `NVIDIA_A10-24Q`; undefined when it is none. */
export function tryParseVgpuProfile(text: string): VgpuProfileName | undefined {
  const words = text.trim().split(/[\s_]+/);
  const short = words.pop() ?? '';
  const prefix = words.length > 0 ? { prefix: words.join(' ') } : {};
  const plain = timeSliced.exec(short);
  if (plain) {
    const [, board = '', size = '', series = 'B'] = plain;
    return {
      short,
      board,
      ...prefix,
      framebufferMiB: framebuffer(size),
      series: series as VgpuProfileName['series'],
    };
  }
  const mig = migBacked.exec(short);
  if (!mig) return undefined;
  const [, board = '', slices = '', size = '', series = '', variant] = mig;
  return {
    short,
    board,
    ...prefix,
    slices: Number(slices),
    framebufferMiB: framebuffer(size),
    series: series as VgpuProfileName['series'],
    ...(variant === undefined ? {} : { variant: variant as NonNullable<VgpuProfileName['variant']> }),
  };
}

/** Reads a short or full vGPU type name. Throws `bad-input` when it is none. */
export function parseVgpuProfile(text: string): VgpuProfileName {
  const profile = tryParseVgpuProfile(text);
  if (profile === undefined) {
    throw badInput('not a vGPU profile name', {
      found: text,
      expected: 'a name such as A10-24Q or NVIDIA A100-1-5CME',
    });
  }
  return profile;
}

/** The full name as the driver prints it; the short one when no prefix is known. */
export function printVgpuProfile(profile: VgpuProfileName): string {
  return profile.prefix === undefined ? profile.short : `${profile.prefix} ${profile.short}`;
}

/**
 * A host's own identifier of a mediated or vGPU type: `nvidia-592`, `i915-GVTg_V5_4`, `mtty-1`. Such an identifier is
 * accepted where a profile is asked for, but it means something only on hosts with the same driver branch.
 */
export function isHostTypeId(text: string): boolean {
  return (
    /^(nvidia-\d+|i915-GVTg_V\d+_\d+|[a-z][a-z0-9_]*-[A-Za-z0-9_]+)$/.test(text) && !tryParseVgpuProfile(text)
  );
}

function framebuffer(size: string): number {
  return size === '0' ? 512 : Number(size) * 1024;
}

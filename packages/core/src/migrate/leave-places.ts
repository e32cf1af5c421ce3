import type { GpuVmDisk, GpuVmNetwork } from '../model/gpu-vm.ts';
import type { Say } from './say.ts';

/** What the target calls things that each platform names in its own way. */
export interface TargetNames {
  /** Disk to the image that it starts from on the target: `{ root: "ubuntu-24.04" }`. */
  readonly images: Readonly<Record<string, string>>;
  /** Network of the source to one of the target: `{ vmbr0: "private" }`. */
  readonly networks: Readonly<Record<string, string>>;
}

/** Disks as the target can make them: nothing on them is moved. */
export function leaveDisks(
  from: string,
  disks: readonly GpuVmDisk[],
  images: TargetNames['images'],
  say: Say,
): readonly GpuVmDisk[] {
  refuseUnknown('disk', disks, images, 'spec.disks', say);
  return disks.map((disk, index) => {
    const { name, image } = disk;
    const named = images[name];
    const about =
      named !== undefined
        ? `; it starts from the image ${JSON.stringify(named)}`
        : image !== undefined
          ? ` and its image ${JSON.stringify(image)} is named in ${from}'s terms`
          : '';
    say(
      'approximated',
      'disk-content',
      `spec.disks[${index}]`,
      `disk ${JSON.stringify(name)} is described, its content is not moved${about}`,
      `copy the disk${named === undefined ? `, or name an image of the target platform (--image ${name}=IMAGE)` : ''}`,
    );
    return named === undefined ? disk : { ...disk, image: named };
  });
}

export function leaveNetworks(
  from: string,
  networks: readonly GpuVmNetwork[],
  names: TargetNames['networks'],
  say: Say,
): readonly GpuVmNetwork[] {
  refuseUnknown('network', networks, names, 'spec.networks', say);
  return networks.map((network, index) => {
    const { name } = network;
    const named = names[name];
    if (named !== undefined) return { ...network, name: named };
    say(
      'approximated',
      'network-name',
      `spec.networks[${index}]`,
      `network ${JSON.stringify(name)} is a name of ${from}`,
      `check that the target has a network of that name, or say its name there (--network ${name}=NAME)`,
    );
    return network;
  });
}

/** A name that the VM does not have is a slip of the pen: better said than passed over. */
function refuseUnknown(
  what: string,
  there: readonly { readonly name: string }[],
  names: Readonly<Record<string, string>>,
  path: string,
  say: Say,
): void {
  const known = there.map(({ name }) => name);
  for (const name of Object.keys(names)) {
    if (known.includes(name)) continue;
    say(
      'blocked',
      `${what}-unknown`,
      path,
      `the VM has no ${what} ${JSON.stringify(name)}; it has ${known.join(', ') || 'none'}`,
      `correct the name that is given for the target`,
    );
  }
}

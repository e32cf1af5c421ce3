import { note, type PlanContext } from './context.ts';
import { hasRootVolume, rootDisk } from './flavor.ts';
import { idOf } from './names.ts';
import { since } from './releases.ts';
import type { GlanceImage } from './snapshot.ts';

/** Image properties of an intent; a flavor has no keys for them. */
export function imageProperties({ intent, options, release }: PlanContext): Readonly<Record<string, string>> {
  const { machine, firmware, guestOs, hideHypervisor } = intent.spec;
  const derived: Readonly<Record<string, string | null>> = {
    ...(firmware?.type === undefined ? {} : { hw_firmware_type: firmware.type }),
    ...(machine === undefined ? {} : { hw_machine_type: machine }),
    ...(hideHypervisor === undefined || since(release, 'hideHypervisorFlavorKey')
      ? {}
      : { img_hide_hypervisor_id: String(hideHypervisor) }),
    ...(guestOs === undefined ? {} : { os_type: guestOs }),
    ...options.image?.properties,
  };
  return Object.fromEntries(
    Object.entries(derived).filter((entry): entry is [string, string] => entry[1] !== null),
  );
}

/** The image of the root disk: its id when the snapshot knows it, else a placeholder for its name. */
export function imageOf(
  context: PlanContext,
): { readonly name: string; readonly ref: string; readonly known?: GlanceImage } | undefined {
  const name = rootDisk(context)?.image;
  if (name === undefined) return undefined;
  const known = context.snapshot.images?.find((image) => image.id === name || image.name === name);
  if (context.snapshot.images !== undefined && known === undefined) {
    note(context, 'blocked', 'image-unknown', 'spec.disks', `there is no image ${name}`);
  }
  const ref = known?.id ?? (isUuid(name) ? name : idOf('image', name));
  return { name, ref, ...(known === undefined ? {} : { known }) };
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** Where the intent says what a property says. */
const places: Readonly<Record<string, string>> = {
  hw_firmware_type: 'spec.firmware.type',
  hw_machine_type: 'spec.machine',
  img_hide_hypervisor_id: 'spec.hideHypervisor',
  os_type: 'spec.guestOs',
};

/** Properties without an image to put them on are lost. */
export function noteNoImage(context: PlanContext, properties: Readonly<Record<string, string>>): void {
  const kind = hasRootVolume(context) ? 'lossy' : 'unsupported';
  for (const key of Object.keys(properties)) {
    note(
      context,
      kind,
      'no-image-for-properties',
      places[key] ?? 'spec.disks',
      `${key} stands on an image, and none is named`,
      'Name the image of the root disk, or set the property on the volume.',
    );
  }
}

import { moduleName } from '../facts/modules.ts';

export { moduleName };

/**
 * Modules that people name when they prepare a GPU host. Only used to recognise slips of the pen in such names; a name
 * that is far from all of them is somebody's own business.
 */
export const familiarModules: readonly string[] = (
  'nouveau nvidia nvidia_drm nvidia_modeset nvidia_uvm nvidia_peermem nvidiafb amdgpu radeon radeonfb amdkfd i915 xe gim ' +
  'snd_hda_intel snd_hda_codec_hdmi xhci_hcd xhci_pci ehci_hcd ehci_pci ohci_hcd ohci_pci uhci_hcd ucsi_ccg typec_ucsi ' +
  'i2c_nvidia_gpu vfio vfio_pci vfio_pci_core vfio_iommu_type1 vfio_virqfd vfio_mdev mdev kvm kvm_intel kvm_amd ' +
  'simpledrm efifb vesafb nvme nvme_core ahci vhost_net iommufd drm'
).split(' ');

/**
 * Parameters of vfio-pci (Linux, drivers/vfio/pci/vfio_pci.c), for hosts where the installed module was not asked.
 */
export const vfioPciParameters: readonly string[] = [
  'ids',
  'nointxmask',
  'disable_vga',
  'disable_idle_d3',
  'enable_sriov',
  'disable_denylist',
];

/** The familiar name that a name was most likely meant to be; undefined when it is one, or is like none. */
export function misspelt(name: string, known: readonly string[] = familiarModules): string | undefined {
  const wanted = moduleName(name);
  if (wanted.length < 5 || known.includes(wanted)) return undefined;
  return known.find((candidate) => candidate.length >= 5 && isOneSlip(wanted, candidate));
}

/** One letter missing, added or wrong, or two neighbours swapped. */
function isOneSlip(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  if (a.length !== b.length) {
    const [short, long] = a.length < b.length ? [a, b] : [b, a];
    return short.slice(start) === long.slice(start + 1);
  }
  if (a.slice(start + 1) === b.slice(start + 1)) return true;
  return a[start] === b[start + 1] && a[start + 1] === b[start] && a.slice(start + 2) === b.slice(start + 2);
}

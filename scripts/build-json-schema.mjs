// Makes packages/core/schema/gpu-vm.json, the JSON Schema of the intent for editors, from the schema that parseGpuVm
// uses. Run: npx tsx scripts/build-json-schema.mjs && npx biome format --write packages/core/schema
//
// Three rules of parseGpuVm cannot be said in JSON Schema and are left to it: names that must be unique within a list,
// amounts below 64 KiB that do carry a unit, and amounts that are no whole number of bytes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { toJSONSchema } from 'zod/mini';
import { gpuVmSchema } from '../packages/core/src/model/gpu-vm.ts';

const hex = '[0-9a-fA-F]';
const word = `(0[xX])?${hex}{4}`;
const amount = {
  pattern: '^\\s*(\\d{5,}|\\d+(\\.\\d+)?\\s*(B|[kKMGT]B?|[KMGT]iB?))\\s*$',
  examples: ['64GiB', '512MiB'],
};
const id = {
  description: 'PCI id, vendor:device in hexadecimal; with subsystem when products share an id.',
  pattern: `^\\s*(${word}:${word}(:${word}:${word})?|0[xX]${hex}{8}|CUSTOM_PCI_[0-9A-F]{4}_[0-9A-F]{4})\\s*$`,
  examples: ['10de:2236', '10de:25b6:10de:159d'],
};
const address = {
  description: 'One function of one host. Only Proxmox VE can ask for it as such.',
  pattern: `^\\s*((${hex}{1,8}:)?${hex}{1,2}:[01]?${hex}\\.[0-7]|[pP][cC][iI]_${hex}{4,8}_${hex}{2}_[01]${hex}_[0-7])\\s*$`,
  examples: ['0000:65:00.0'],
};

/** What editors show, and what the checks of parseGpuVm mean as patterns, by path; `*` is any item or variant. */
const additions = {
  '': {
    title: 'GpuVm',
    description: 'One virtual machine and the GPUs it wants. What is not said is not sent.',
  },
  'metadata.name': { description: 'Name of the VM: lower-case letters, digits and "-", at most 63.' },
  'metadata.labels': { description: 'Labels, as far as the platform has them.' },
  spec: { description: 'With gpus alone, an attachment: the GPUs of a VM that exists, and nothing else.' },
  'spec.guestOs': { description: 'What runs in the VM.' },
  'spec.cpu': { description: 'Virtual CPUs.' },
  'spec.cpu.cores': { description: 'Virtual CPUs in all.' },
  'spec.cpu.sockets': { description: 'Sockets they are shown in.' },
  'spec.cpu.threads': { description: 'Threads of each core.' },
  'spec.cpu.model': { description: '"host" or a model name of the platform.' },
  'spec.cpu.dedicated': { description: 'Pinned to physical CPUs of their own.' },
  'spec.memory': { description: 'Guest memory, with unit.', ...amount },
  'spec.hugepages': {
    description: 'Size of the huge pages behind the memory.',
    ...amount,
    examples: ['2MiB', '1GiB'],
  },
  'spec.machine': { description: 'q35, pc, virt, or a version of one that the platform pins.' },
  'spec.firmware': { description: 'How the VM boots.' },
  'spec.firmware.type': { description: 'UEFI or BIOS.' },
  'spec.firmware.secureBoot': { description: 'UEFI Secure Boot.' },
  'spec.firmware.tpm': { description: 'A virtual TPM.' },
  'spec.numa': { description: 'Placement on NUMA nodes.' },
  'spec.numa.gpuAffinity': { description: 'Whether memory and CPUs come from the NUMA node of the GPU.' },
  'spec.hideHypervisor': {
    description: 'Hide the hypervisor from the guest; only old GeForce drivers needed it.',
  },
  'spec.disks': { description: 'Disks of the VM.' },
  'spec.disks.*.size': { description: 'Size, with unit.', ...amount, examples: ['100GiB'] },
  'spec.disks.*.image': { description: 'Image it starts from, in the words of the platform.' },
  'spec.networks': { description: 'Networks, by name.' },
  'spec.userData': { description: 'cloud-init user data.' },
  'spec.gpus': { description: 'The GPUs. An empty list takes them away from a VM that exists.' },
  'spec.gpus.*.*.name': { description: 'Unique within the VM: letters, digits, "-" and "_".' },
  'spec.gpus.*.*.mode': { description: 'A whole PCI device, or a share of a GPU.' },
  'spec.gpus.*.*.count': { description: 'How many equal ones; 1 when not given.' },
  'spec.gpus.*.*.companions': {
    description: 'Audio and USB functions of the card: into the guest, or left on the host.',
  },
  'spec.gpus.*.*.profile': {
    description:
      'vGPU type by name; a type number of a host also works, with the driver branch it belongs to.',
    examples: ['A10-24Q', 'NVIDIA A10-24Q', 'i915-GVTg_V5_4'],
  },
  'spec.gpus.*.*.display': { description: 'The vGPU draws the console of the VM.' },
  'spec.gpus.*.*.device': {
    description: 'Which GPU: at least one of id, board, address, name.',
    minProperties: 1,
  },
  'spec.gpus.*.*.device.id': id,
  'spec.gpus.*.*.device.board': { description: 'Product name in the catalogue.', examples: ['NVIDIA A10'] },
  'spec.gpus.*.*.device.address': address,
  'spec.gpus.*.*.device.name': {
    description: 'Name on the platform: Proxmox mapping, Nova alias, Kubernetes resource.',
  },
  'spec.providerOptions': {
    description: 'What only one platform knows, by platform: kubevirt, openstack, proxmox.',
  },
};

/** The JSON Schema as an object. */
export function gpuVmJsonSchema() {
  const schema = toJSONSchema(gpuVmSchema);
  for (const [path, words] of Object.entries(additions)) {
    const places =
      path === ''
        ? [schema]
        : path.split('.').reduce((nodes, part) => nodes.flatMap((node) => child(node, part)), [schema]);
    if (places.length === 0) throw new Error(`the schema has no ${path}`);
    for (const place of places) Object.assign(place, words);
  }
  return schema;
}

function child(node, part) {
  if (part === '*') return node.oneOf ?? (node.items ? [node.items] : []);
  const next = node.properties?.[part];
  return next ? [next] : [];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL('../packages/core/schema/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL('gpu-vm.json', folder), `${JSON.stringify(gpuVmJsonSchema(), null, 2)}\n`);
}

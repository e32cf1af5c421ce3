/** Intents that are fine and intents that are not; for everything that reads a GpuVm. */
const head = { apiVersion: 'vmgpu/v1', kind: 'GpuVm', metadata: { name: 'train-1' } };
const whole = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } };
const share = { name: 'vgpu0', mode: 'vgpu', profile: 'A10-24Q' };

const spec = (value: unknown) => ({ ...head, spec: value });
const gpu = (...gpus: unknown[]) => spec({ gpus });
const device = (value: unknown) => gpu({ ...whole, device: value });

export const acceptedIntents: readonly (readonly [name: string, document: unknown])[] = [
  ['nothing but a name', spec({})],
  ['an attachment', gpu(whole)],
  ['an attachment that takes all GPUs away', gpu()],
  [
    'everything at once',
    {
      ...head,
      metadata: { name: 'a', labels: { team: 'ml' } },
      spec: {
        guestOs: 'windows',
        cpu: { cores: 16, sockets: 2, threads: 2, model: 'host', dedicated: true },
        memory: '64GiB',
        hugepages: '1GiB',
        machine: 'q35',
        firmware: { type: 'uefi', secureBoot: true, tpm: true },
        numa: { gpuAffinity: 'required' },
        hideHypervisor: false,
        disks: [{ name: 'root', size: '100GB', image: 'ubuntu-24.04' }, { name: 'data' }],
        networks: [{ name: 'default' }],
        userData: '#cloud-config\n',
        gpus: [
          { ...whole, count: 8, companions: 'exclude' },
          { ...share, count: 1, display: true, device: { board: 'NVIDIA A10' } },
        ],
        providerOptions: {
          proxmox: { onboot: true, nested: { list: [1, null] } },
          kubevirt: {},
          example: {},
        },
      },
    },
  ],
  ['a name of 63 characters', { ...head, metadata: { name: 'a'.repeat(63) }, spec: {} }],
  ["a host's own type", gpu({ ...share, profile: 'i915-GVTg_V5_4' })],
  ['an id with subsystem', device({ id: '10DE:25B6:10de:159d' })],
  ['an id as nvidia-smi prints it', device({ id: '0x223610DE' })],
  ['an address with a 32-bit domain', device({ address: '10000:e1:00.0' })],
  ['an address of libvirt', device({ address: 'pci_0000_65_00_0' })],
  ['a short address', device({ address: '65:00.0' })],
  ['a name of the platform', device({ name: 'nvidia.com/GA102GL_A10' })],
  ["an amount in Kubernetes' spelling", spec({ memory: '512Mi' })],
  ['an amount with a fraction', spec({ memory: '1.5GiB' })],
  ['an amount with a blank', spec({ memory: '64 GiB' })],
  ['an amount in bytes', spec({ memory: '68719476736' })],
];

export const refusedIntents: readonly (readonly [
  name: string,
  document: unknown,
  message: string | RegExp,
  by?: 'only by the parser',
])[] = [
  ['null', null, '(document): expected an object, found null'],
  ['a list', [head], '(document): expected an object, found a list'],
  ['text', 'kind: GpuVm', '(document): expected an object, found "kind: GpuVm"'],
  ['an empty document', {}, 'apiVersion: expected "vmgpu/v1", found nothing'],
  ['another version', { ...head, apiVersion: 'vmgpu/v2', spec: {} }, 'expected "vmgpu/v1", found "vmgpu/v2"'],
  ['another kind', { ...head, kind: 'VirtualMachine', spec: {} }, 'kind: expected "GpuVm"'],
  ['no spec', head, 'spec: expected an object, found nothing'],
  ['an empty spec in YAML', spec(null), 'spec: expected an object, found null'],
  [
    'a capital in the name',
    { ...head, metadata: { name: 'Train' }, spec: {} },
    'metadata.name: expected a DNS label',
  ],
  ['a name of 64 characters', { ...head, metadata: { name: 'a'.repeat(64) }, spec: {} }, 'metadata.name'],
  ['a name that ends with a hyphen', { ...head, metadata: { name: 'a-' }, spec: {} }, 'metadata.name'],
  ['a newline after the name', { ...head, metadata: { name: 'a\n' }, spec: {} }, 'metadata.name'],
  [
    'a label that is no text',
    { ...head, metadata: { name: 'a', labels: { gpu: 1 } }, spec: {} },
    'metadata.labels.gpu: expected a string, found 1',
  ],
  ['a key that does not exist', spec({ cpus: 4 }), 'spec: unknown key "cpus"'],
  [
    'a prototype',
    JSON.parse('{"apiVersion":"vmgpu/v1","kind":"GpuVm","metadata":{"name":"a"},"spec":{"__proto__":{}}}'),
    'unknown key "__proto__"',
  ],
  ['memory as a number', spec({ memory: 64 }), 'spec.memory: expected a string, found 64'],
  [
    'memory without unit',
    spec({ memory: '64' }),
    'spec.memory: expected an amount with a unit, such as 64GiB, found "64"',
  ],
  ['memory in a unit nobody has', spec({ memory: '64gigs' }), 'spec.memory'],
  ['negative memory', spec({ memory: '-1GiB' }), 'spec.memory'],
  ['a few bytes of memory', spec({ memory: '64B' }), 'spec.memory', 'only by the parser'],
  ['no cores', spec({ cpu: { cores: 0 } }), 'spec.cpu.cores: expected a number above 0, found 0'],
  ['half a core', spec({ cpu: { cores: 0.5 } }), 'spec.cpu.cores: expected a whole number, found 0.5'],
  ['cores as text', spec({ cpu: { cores: '4' } }), 'spec.cpu.cores: expected a number, found "4"'],
  ['an empty model', spec({ cpu: { model: '' } }), 'spec.cpu.model: expected some text'],
  ['a firmware nobody has', spec({ firmware: { type: 'efi' } }), 'expected "uefi" or "bios", found "efi"'],
  ["YAML's yes", spec({ hideHypervisor: 'yes' }), 'spec.hideHypervisor: expected a boolean, found "yes"'],
  ['gpus as an object', spec({ gpus: { gpu0: whole } }), 'spec.gpus: expected a list, found an object'],
  ['an empty entry', gpu(null), 'spec.gpus[0]: expected an object, found null'],
  [
    'no mode',
    gpu({ name: 'g', device: { id: '10de:2236' } }),
    'spec.gpus[0].mode: expected mode to be one of passthrough, vgpu',
  ],
  ['a mode that does not exist', gpu({ ...whole, mode: 'sriov' }), 'found "sriov"'],
  [
    'passthrough of no device',
    gpu({ name: 'g', mode: 'passthrough' }),
    'spec.gpus[0].device: expected an object, found nothing',
  ],
  [
    'a selector that selects nothing',
    device({}),
    'spec.gpus[0].device: expected at least one of id, board, address, name',
  ],
  [
    'an id that is none',
    device({ id: '10de-2236' }),
    'expected vendor:device, such as 10de:2236, found "10de-2236"',
  ],
  ['half a subsystem', device({ id: '10de:2236:10de' }), 'spec.gpus[0].device.id'],
  ['a slot for a function', device({ address: '0000:65:00' }), 'expected an address such as 0000:65:00.0'],
  ['device 20 of a bus', device({ address: '65:20.0' }), 'spec.gpus[0].device.address'],
  ['no GPU at all', gpu({ ...whole, count: 0 }), 'spec.gpus[0].count: expected a number above 0'],
  ['a billion GPUs', gpu({ ...whole, count: 1e9 }), 'spec.gpus[0].count: expected a number of at most 256'],
  ['a profile for passthrough', gpu({ ...whole, profile: 'A10-24Q' }), 'spec.gpus[0]: unknown key "profile"'],
  ['companions for a vGPU', gpu({ ...share, companions: 'include' }), 'unknown key "companions"'],
  [
    'a vGPU of no profile',
    gpu({ name: 'v', mode: 'vgpu' }),
    'spec.gpus[0].profile: expected a string, found nothing',
  ],
  ['an empty profile', gpu({ ...share, profile: '' }), 'spec.gpus[0].profile: expected some text'],
  [
    'a blank in the name of a GPU',
    gpu({ ...share, name: 'my gpu' }),
    'spec.gpus[0].name: expected 1 to 63 letters',
  ],
  [
    'one name twice',
    gpu(whole, { ...share, name: 'gpu0' }),
    'spec.gpus: expected every name only once',
    'only by the parser',
  ],
  [
    'one disk twice',
    spec({ disks: [{ name: 'a' }, { name: 'a' }] }),
    'spec.disks: expected every name',
    'only by the parser',
  ],
  [
    'options that are a list',
    spec({ providerOptions: { proxmox: [] } }),
    'spec.providerOptions.proxmox: expected an object, found a list',
  ],
];

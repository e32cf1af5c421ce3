/** The world a simulated cluster starts with: plain JSON, replaceable by tests. */
export interface Scenario {
  /** `9.2`, as `GET /version` says in `release`. */
  readonly version: string;
  readonly nodes: readonly NodeScenario[];
  readonly mappings: readonly MappingState[];
  readonly users: readonly UserScenario[];
  readonly storages: readonly StorageScenario[];
}

export interface StorageScenario {
  readonly storage: string;
  readonly content: string;
  readonly type: string;
  /** Names of snippet files that lie there. */
  readonly snippets?: readonly string[];
}

export interface NodeScenario {
  readonly name: string;
  readonly online?: boolean;
  readonly iommu: boolean;
  readonly kernel: string;
  readonly devices: readonly PciDevice[];
  /** Host drivers by address; where it says nothing, the usual one of the vendor. */
  readonly drivers?: Readonly<Record<string, string>>;
  /** Types of a function, as `GET .../hardware/pci/{id}/mdev` lists them. */
  readonly mdevTypes: Readonly<Record<string, readonly MdevType[]>>;
}

/** An item of `GET /nodes/{node}/hardware/pci`; pve-common 9.2.1, PVE::SysFSTools. */
export interface PciDevice {
  readonly id: string;
  readonly class: string;
  readonly vendor: string;
  readonly device: string;
  readonly iommugroup: number;
  readonly mdev?: number;
  readonly nvidia?: number;
  readonly physfn?: string;
  readonly virtfns?: Readonly<Record<string, string>>;
  readonly subsystem_vendor?: string;
  readonly subsystem_device?: string;
  readonly vendor_name?: string;
  readonly device_name?: string;
}

export interface MdevType {
  readonly type: string;
  readonly available: number;
  readonly name?: string;
  readonly description?: string;
  /**
   * vGPUs of this size that one NVIDIA card carries, all its virtual functions together; a card carries vGPUs of one size at
   * a time. Default: no limit of the card.
   */
  readonly perCard?: number;
}

export interface MappingState {
  readonly id: string;
  readonly map: readonly string[];
  readonly description?: string;
  readonly mdev?: number;
  readonly 'live-migration-capable'?: number;
}

export interface UserScenario {
  /** `root@pam`, `dev@pve` */
  readonly id: string;
  readonly password?: string;
  /** Code of the second factor that is accepted. */
  readonly totp?: string;
  readonly tokens?: Readonly<Record<string, { readonly secret: string; readonly privsep?: boolean }>>;
  readonly acl?: Acl;
  /** Of tokens with privsep, by the token's name; they hold only as far as the user's own do. */
  readonly tokenAcl?: Readonly<Record<string, Acl>>;
}

/** Privileges by ACL path. They hold for everything below, unless an entry there says other ones. */
export type Acl = Readonly<
  Record<string, readonly string[] | { readonly privileges: readonly string[]; readonly propagate: boolean }>
>;

/** The rights of the platform half: mappings, and everything that is only read. */
export const platformAcl = {
  '/': ['Sys.Audit'],
  '/mapping/pci': ['Mapping.Modify', 'Mapping.Use', 'Mapping.Audit'],
};
/** The rights of the VM half. */
export const tenantAcl = {
  '/vms': [
    'VM.Audit',
    'VM.Allocate',
    'VM.PowerMgmt',
    'VM.Config.CPU',
    'VM.Config.Memory',
    'VM.Config.HWType',
    'VM.Config.Options',
    'VM.Config.Disk',
    'VM.Config.Network',
    'VM.Config.Cloudinit',
  ],
  '/mapping/pci': ['Mapping.Use', 'Mapping.Audit'],
  '/storage': ['Datastore.AllocateSpace', 'Datastore.Audit'],
  '/sdn': ['SDN.Use'],
  '/': ['Sys.Audit'],
};

function card(id: string, device: string, group: number, extra: Partial<PciDevice> = {}): PciDevice {
  return {
    id,
    class: '0x030200',
    vendor: '0x10de',
    device,
    iommugroup: group,
    vendor_name: 'NVIDIA Corporation',
    subsystem_vendor: '0x10de',
    subsystem_device: '0x1482',
    ...extra,
  };
}

function a10(bus: string, group: number): readonly PciDevice[] {
  const vfs = [4, 5, 6, 7].map((fn) => `0000:${bus}:00.${fn}`);
  return [
    card(`0000:${bus}:00.0`, '0x2236', group, {
      device_name: 'GA102GL [A10]',
      virtfns: Object.fromEntries(vfs.map((id, index) => [`virtfn${index}`, id])),
    }),
    ...vfs.map((id, index) =>
      card(id, '0x2236', group + 1 + index, {
        device_name: 'GA102GL [A10]',
        mdev: 1,
        nvidia: 1,
        physfn: `0000:${bus}:00.0`,
      }),
    ),
  ];
}

const a10Types: readonly MdevType[] = [
  { type: 'nvidia-590', name: 'NVIDIA A10-1Q', available: 1, perCard: 24 },
  { type: 'nvidia-593', name: 'NVIDIA A10-4Q', available: 1, perCard: 6 },
  { type: 'nvidia-596', name: 'NVIDIA A10-12Q', available: 1, perCard: 2 },
];

function node(name: string): NodeScenario {
  const devices: readonly PciDevice[] = [
    { id: '0000:00:00.0', class: '0x060000', vendor: '0x8086', device: '0x3ec2', iommugroup: 0 },
    {
      id: '0000:00:02.0',
      class: '0x030000',
      vendor: '0x8086',
      device: '0x3e92',
      iommugroup: 1,
      mdev: 1,
      vendor_name: 'Intel Corporation',
      device_name: 'CoffeeLake-S GT2 [UHD Graphics 630]',
      subsystem_vendor: '0x1043',
      subsystem_device: '0x8694',
    },
    card('0000:26:00.0', '0x1d01', 15, {
      class: '0x030000',
      device_name: 'GP108 [GeForce GT 1030]',
      subsystem_vendor: '0x1462',
      subsystem_device: '0x8c98',
    }),
    card('0000:26:00.1', '0x0fb8', 15, {
      class: '0x040300',
      device_name: 'GP108 High Definition Audio Controller',
      subsystem_vendor: '0x1462',
      subsystem_device: '0x8c98',
    }),
    ...a10('41', 60),
    ...a10('61', 80),
    card('0000:42:00.0', '0x1eb8', 70, {
      device_name: 'TU104GL [Tesla T4]',
      mdev: 1,
      subsystem_device: '0x12a2',
    }),
  ];
  const vfs = devices.filter(({ physfn }) => physfn !== undefined);
  return {
    name,
    iommu: true,
    kernel: '6.8.12-4-pve',
    devices,
    mdevTypes: {
      ...Object.fromEntries(vfs.map(({ id }) => [id, a10Types])),
      '0000:42:00.0': [
        { type: 'nvidia-222', name: 'GRID T4-1B', available: 16, perCard: 16 },
        { type: 'nvidia-232', name: 'GRID T4-4Q', available: 4, perCard: 4 },
      ],
      '0000:00:02.0': [{ type: 'i915-GVTg_V5_4', available: 1, description: 'low_gm_size: 128MB' }],
    },
  };
}

/** Two nodes with the same cards, an administrator and a tenant with API tokens. */
export function defaultScenario(): Scenario {
  return {
    version: '9.2',
    nodes: [node('pve1'), node('pve2')],
    mappings: [],
    users: [
      { id: 'root@pam', password: 'root-password' },
      {
        id: 'admin@pve',
        password: 'admin-password',
        acl: { ...tenantAcl, ...platformAcl },
        tokens: { vmgpu: { secret: 'admin-token-secret', privsep: false } },
      },
      {
        id: 'tenant@pve',
        password: 'tenant-password',
        totp: '123456',
        acl: tenantAcl,
        tokens: { vmgpu: { secret: 'tenant-token-secret', privsep: false } },
      },
    ],
    storages: [
      { storage: 'local', content: 'iso,vztmpl,snippets,import', type: 'dir' },
      { storage: 'local-lvm', content: 'images,rootdir', type: 'lvmthin' },
    ],
  };
}

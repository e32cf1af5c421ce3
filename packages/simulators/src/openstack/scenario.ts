/** What a simulated cloud is made of. */
export interface Scenario {
  /** Major version of Nova, 24 to 34. */
  readonly release: number;
  readonly region: string;
  readonly users: readonly UserScenario[];
  readonly projects: readonly { readonly id: string; readonly name: string }[];
  readonly hosts: readonly HostScenario[];
  /** nova.conf as the services have read it. */
  readonly config: readonly ConfigText[];
  readonly flavors: readonly FlavorRecord[];
  readonly images: readonly ImageRecord[];
  readonly networks: readonly { readonly id: string; readonly name: string }[];
  readonly aggregates?: readonly {
    readonly name: string;
    readonly hosts: readonly string[];
    readonly metadata: Readonly<Record<string, string>>;
  }[];
  /** Limits of every project; servers without one are not counted. */
  readonly quota?: Readonly<Partial<Record<'instances' | 'cores' | 'ram', number>>>;
}

export interface UserScenario {
  readonly id: string;
  readonly name: string;
  readonly password: string;
  /** Roles by project id; a role holds those below it: admin, member, reader. */
  readonly roles: Readonly<Record<string, readonly Role[]>>;
  /** Roles on the whole system. */
  readonly systemRoles?: readonly Role[];
  /** The current code of the second factor, when the user needs one. */
  readonly totp?: string;
  readonly applicationCredentials?: readonly {
    readonly id: string;
    readonly name: string;
    readonly secret: string;
    readonly project: string;
    readonly roles: readonly Role[];
  }[];
}

export type Role = 'admin' | 'member' | 'reader';

export interface ConfigText {
  readonly service: 'nova-compute' | 'nova-api' | 'nova-scheduler' | 'nova-conductor';
  /** Of this host's nova-compute only. */
  readonly host?: string;
  readonly text: string;
}

export interface HostScenario {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
  /** Default `up`, `enabled`. */
  readonly state?: 'up' | 'down';
  readonly status?: 'enabled' | 'disabled';
  readonly devices: readonly PciDevice[];
}

export interface PciDevice {
  /** `0000:41:00.0` */
  readonly address: string;
  readonly vendor: string;
  readonly product: string;
  readonly type: 'type-PCI' | 'type-PF' | 'type-VF';
  /** The physical function of a virtual one. */
  readonly parent?: string;
  readonly numa?: number;
  /** vGPU types and how many of each the card can make; a card makes one type at a time. */
  readonly mdevTypes?: Readonly<Record<string, number>>;
}

/** A flavor as Nova keeps it. */
export interface FlavorRecord {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ram: number;
  readonly disk: number;
  readonly ephemeral: number;
  readonly swap: number;
  readonly isPublic: boolean;
  readonly description: string | null;
  readonly extraSpecs: Readonly<Record<string, string>>;
}

export interface ImageRecord {
  readonly id: string;
  readonly name: string;
  /** Project id. */
  readonly owner: string;
  readonly visibility: 'public' | 'private';
  readonly properties: Readonly<Record<string, string>>;
}

export const project = '0c1d6a2b3e4f5a60718293a4b5c6d7e8';

const gpuHost: HostScenario = {
  name: 'gpu-host-1',
  vcpus: 16,
  memoryMib: 65_536,
  diskGib: 500,
  devices: [
    { address: '0000:41:00.0', vendor: '10de', product: '2236', type: 'type-PF', numa: 0 },
    { address: '0000:42:00.0', vendor: '10de', product: '2236', type: 'type-PF', numa: 1 },
    { address: '0000:81:00.0', vendor: '10de', product: '1eb8', type: 'type-PCI', numa: 1 },
    {
      address: '0000:c1:00.0',
      vendor: '10de',
      product: '1bb3',
      type: 'type-PCI',
      numa: 0,
      mdevTypes: { 'nvidia-63': 8, 'nvidia-64': 4 },
    },
    {
      address: '0000:c2:00.0',
      vendor: '10de',
      product: '1bb3',
      type: 'type-PCI',
      numa: 1,
      mdevTypes: { 'nvidia-63': 8, 'nvidia-64': 4 },
    },
  ],
};

/** A cloud with one GPU host, as e2e/openstack brings it up: no GPU is configured yet. */
export function defaultScenario(): Scenario {
  return {
    release: 26,
    region: 'RegionOne',
    projects: [
      { id: project, name: 'research' },
      { id: 'f1e2d3c4b5a697887766554433221100', name: 'admin' },
    ],
    users: [
      {
        id: 'b7c8d9e0f1a2435465768798a9bacbdc',
        name: 'admin',
        password: 'admin-password',
        roles: { [project]: ['admin'], f1e2d3c4b5a697887766554433221100: ['admin'] },
        systemRoles: ['admin'],
        applicationCredentials: [
          {
            id: '21dced0fd20347869b93710d2b98aae0',
            name: 'vmgpu',
            secret: 'admin-credential-secret',
            project,
            roles: ['admin'],
          },
        ],
      },
      {
        id: '5a4b3c2d1e0f41526374859607182930',
        name: 'tenant',
        password: 'tenant-password',
        roles: { [project]: ['member'] },
      },
      {
        id: '6a5b4c3d2e1f40516273849506172839',
        name: 'auditor',
        password: 'auditor-password',
        roles: { [project]: ['reader'] },
      },
    ],
    hosts: [gpuHost],
    config: [],
    flavors: [
      {
        id: '1',
        name: 'm1.tiny',
        vcpus: 1,
        ram: 512,
        disk: 1,
        ephemeral: 0,
        swap: 0,
        isPublic: true,
        description: null,
        extraSpecs: {},
      },
    ],
    images: [
      {
        id: '8f6f0c0e-7f0e-4c7a-9a53-0d2f6f8f1c11',
        name: 'tiny',
        owner: 'f1e2d3c4b5a697887766554433221100',
        visibility: 'public',
        properties: {},
      },
      {
        id: '9a7b1d2f-1c3e-4f5a-8b6d-7e8f90a1b2c3',
        name: 'ubuntu-24.04',
        owner: 'f1e2d3c4b5a697887766554433221100',
        visibility: 'public',
        properties: { os_type: 'linux' },
      },
    ],
    networks: [{ id: '3c4d5e6f-7081-4293-a4b5-c6d7e8f90a1b', name: 'private' }],
  };
}

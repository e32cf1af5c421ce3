/** Rows of `vmgpu inventory`, from each platform's own snapshot. */
export interface InventoryTable {
  /** node, device, what it is, free, state */
  readonly rows: readonly (readonly [string, string, string, string, string])[];
  readonly remarks: readonly string[];
}

type Row = InventoryTable['rows'][number];

export function describeInventory(platform: string, snapshot: unknown): InventoryTable {
  switch (platform) {
    case 'proxmox':
      return { rows: proxmoxRows(snapshot as ProxmoxLike), remarks: [] };
    case 'kubevirt':
      return kubevirtTable(snapshot as KubeVirtLike);
    default:
      return openstackTable(snapshot as OpenStackLike);
  }
}

interface ProxmoxLike {
  readonly nodes: readonly {
    readonly name: string;
    readonly pci?: readonly {
      readonly id: string;
      readonly class: string;
      readonly vendor: string;
      readonly device: string;
      readonly device_name?: string;
      readonly iommugroup: number;
      readonly physfn?: string;
    }[];
  }[];
  readonly mappings?: readonly { readonly id: string; readonly map: readonly string[] }[];
  readonly vms?: readonly {
    readonly vmid: number;
    readonly name?: string;
    readonly config: Readonly<Record<string, string>>;
  }[];
}

function proxmoxRows({ nodes, mappings = [], vms = [] }: ProxmoxLike): Row[] {
  return nodes.flatMap(({ name, pci = [] }) =>
    pci
      .filter((item) => /^0x(03|12)/.test(item.class))
      .map((item): Row => {
        const names = mappings
          .filter(({ map }) => map.some((entry) => mapsTo(entry, name, item.id)))
          .map(({ id }) => id);
        const users = vms.filter(({ config }) =>
          Object.entries(config).some(
            ([key, value]) => /^hostpci\d+$/.test(key) && names.some((id) => value.includes(`mapping=${id}`)),
          ),
        );
        const what = `${item.device_name ?? `${item.vendor.slice(2)}:${item.device.slice(2)}`}${item.physfn ? ' (virtual function)' : ''}`;
        const state = [
          item.iommugroup < 0 ? 'no IOMMU group' : `group ${item.iommugroup}`,
          ...(names.length > 0 ? [`mapping ${names.join(', ')}`] : ['no mapping']),
        ].join(', ');
        return [
          name,
          item.id,
          what,
          users.length === 0 ? 'yes' : `asked by ${users.map(({ vmid }) => vmid).join(', ')}`,
          state,
        ];
      }),
  );
}

function mapsTo(entry: string, node: string, address: string): boolean {
  const parts = Object.fromEntries(entry.split(',').map((part) => part.split('=', 2) as [string, string]));
  return parts.node === node && (parts.path === address || address.startsWith(`${parts.path}.`));
}

interface KubeVirtLike {
  readonly nodes?: readonly {
    readonly name: string;
    readonly ready: boolean;
    readonly labels: Readonly<Record<string, string>>;
    readonly allocatable: Readonly<Record<string, string>>;
    readonly allocated: Readonly<Record<string, number>>;
  }[];
  readonly gaps?: readonly { readonly what?: string; readonly why?: string }[];
}

/** One row for each GPU resource that a node publishes. */
function kubevirtTable({ nodes = [], gaps = [] }: KubeVirtLike): InventoryTable {
  const rows = nodes.flatMap(({ name, ready, labels, allocatable, allocated }) =>
    Object.entries(allocatable)
      .filter(([resource]) => /^(nvidia|amd|intel)\.com\//.test(resource))
      .map(([resource, count]): Row => {
        const used = allocated[resource] ?? 0;
        const state = [ready ? 'ready' : 'not ready', labels['nvidia.com/gpu.workload.config'] ?? ''];
        return [
          name,
          resource,
          `${count} published`,
          String(Number(count) - used),
          state.filter(Boolean).join(', '),
        ];
      }),
  );
  return { rows, remarks: gaps.map((gap) => Object.values(gap).join(': ')) };
}

interface OpenStackLike {
  readonly providers?: readonly {
    readonly name: string;
    readonly host: string;
    readonly inventories: Readonly<Record<string, { readonly total: number; readonly reserved: number }>>;
    readonly usages: Readonly<Record<string, number>>;
    readonly traits: readonly string[];
  }[];
  readonly flavors?: readonly {
    readonly name?: string;
    readonly extra_specs?: Readonly<Record<string, string>>;
  }[];
  readonly gaps?: readonly { readonly path: string; readonly why: string }[];
}

/** Extra specs that ask for a GPU. */
const gpuSpec = /^(pci_passthrough:alias|resources\d*:(VGPU|PGPU|CUSTOM_.+))$/;

/** One row for each GPU resource that Placement knows; flavors that ask for GPUs are remarks. */
function openstackTable({ providers = [], flavors = [], gaps = [] }: OpenStackLike): InventoryTable {
  const rows = providers.flatMap(({ name, host, inventories, usages, traits }) =>
    Object.entries(inventories).map(([resource, { total, reserved }]): Row => {
      const free = total - reserved - (usages[resource] ?? 0);
      const own = traits.filter((trait) => trait.startsWith('CUSTOM_'));
      return [host, name, `${total} × ${resource}`, String(free), own.join(', ')];
    }),
  );
  const asking = flavors.flatMap(({ name = '', extra_specs = {} }) => {
    const specs = Object.entries(extra_specs).filter(([key]) => gpuSpec.test(key));
    return specs.length === 0 ? [] : [`flavor ${name}: ${specs.map((spec) => spec.join('=')).join(' ')}`];
  });
  const none =
    'Placement shows no GPU: whole cards are there with [pci] report_in_placement, vGPUs with [devices] enabled_mdev_types';
  return {
    rows,
    remarks: [
      ...(rows.length === 0 ? [none] : []),
      ...asking,
      ...gaps.map(({ path, why }) => `${path}: ${why}`),
    ],
  };
}

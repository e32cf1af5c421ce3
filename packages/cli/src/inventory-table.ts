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
      return { rows: [], remarks: [`no table for ${platform} yet; --json prints the whole snapshot`] };
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

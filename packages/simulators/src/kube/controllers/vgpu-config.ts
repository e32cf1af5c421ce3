import { type Cluster, ids } from '../cluster.ts';
import { dicts, isDict } from '../json.ts';
import type { Cards, Hardware } from '../scenario.ts';
import type { Dict, KubeObject } from '../types.ts';
import { parseYamlSubset } from './yaml-subset.ts';

/** Resources by name, or why the vGPU device manager fails. */
export type VgpuOutcome =
  | { readonly kind: 'unknown-config' }
  | { readonly kind: 'failed'; readonly log: string }
  | { readonly kind: 'success'; readonly resources: Readonly<Record<string, number>> };

/** What a vGPU config does to the cards of a node (vgpu-device-manager v0.5.0). */
export function applyVgpuConfig(
  cluster: Cluster,
  policy: KubeObject,
  operatorNamespace: string,
  { cards }: Hardware,
  config: string,
): VgpuOutcome {
  const configMap = policy.spec?.vgpuDeviceManager?.config?.name;
  const entries = configMap
    ? entriesOf(cluster.get(ids.configmaps, operatorNamespace, configMap), config)
    : defaultEntries(cards, config);
  if (entries === undefined) return { kind: 'unknown-config' };
  const each = cards.flatMap((card) => Array.from({ length: card.count }, () => card));
  const resources: Record<string, number> = {};
  for (const entry of entries) {
    const filters: string[] | undefined = entry['device-filter'] && [entry['device-filter']].flat();
    for (const [index, card] of each.entries()) {
      if (filters && !filters.some((filter) => filter.toLowerCase().startsWith(filterOf(card)))) continue;
      if (entry.devices !== 'all' && !entry.devices?.includes(index)) continue;
      for (const [type, count] of Object.entries(entry['vgpu-devices'] ?? {})) {
        const problem = problemOf(card, index, type, Number(count));
        if (problem !== undefined) return { kind: 'failed', log: problem };
        const name = `nvidia.com/${card.vgpu?.brand ?? 'NVIDIA'}_${type}`;
        resources[name] = (resources[name] ?? 0) + Number(count);
      }
    }
  }
  return { kind: 'success', resources };
}

/** Device id first, then vendor, as filters are written: `0x223610de`. */
const filterOf = ({ id }: Cards) => {
  const [vendor, device] = id.toLowerCase().split(':');
  return `0x${device}${vendor}`;
};

function problemOf({ vgpu }: Cards, index: number, type: string, count: number): string | undefined {
  if (vgpu === undefined || vgpu.framework !== 'mdev')
    return `no parent devices found for GPU at index '${index}'`;
  const most = vgpu.types[type];
  if (most === undefined) return `vGPU type ${type} is not supported on GPU (index=${index})`;
  if (count <= most) return undefined;
  return `failed to create ${count} ${type} vGPU devices on the GPU. ensure '${count}' does not exceed the maximum supported instances for '${type}'`;
}

function entriesOf(configMap: KubeObject | undefined, config: string): Dict[] | undefined {
  try {
    const document = parseYamlSubset(configMap?.data?.['config.yaml'] ?? '');
    const entries = isDict(document) ? document['vgpu-configs']?.[config] : undefined;
    return Array.isArray(entries) && entries.length > 0 ? dicts(entries) : undefined;
  } catch {
    return undefined;
  }
}

/** The operator's own table: one config for each type, as many as a card takes, and `default` with the largest halves. */
function defaultEntries(cards: readonly Cards[], config: string): Dict[] | undefined {
  if (config === 'default') {
    return cards.flatMap((card) => {
      const middle = Object.entries(card.vgpu?.types ?? {}).find(([, count]) => count === 2);
      if (middle === undefined) return [];
      return [
        { 'device-filter': filterOf(card), devices: 'all', 'vgpu-devices': Object.fromEntries([middle]) },
      ];
    });
  }
  const isType = /^[A-Z0-9]+(-[A-Za-z]+)*-(\d-)?\d+[CQ](ME|NOME|MEALL|GFX)?$/.test(config);
  if (!isType) return undefined;
  const most = Math.max(1, ...cards.map(({ vgpu }) => vgpu?.types[config] ?? 0));
  return [{ devices: 'all', 'vgpu-devices': { [config]: most } }];
}

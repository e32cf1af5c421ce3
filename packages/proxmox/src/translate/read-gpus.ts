/** hostpci options in neutral words. */
import { type GpuRequest, isHostTypeId, tryParsePciAddress, tryParseVgpuProfile } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { type HostPci, hostPciOf, withoutDefaults } from './hostpci.ts';
import { gpuClassifier } from './hostpci-slots.ts';
import { companionsOf, functionsAt, itemId, type ProxmoxNode } from './inventory.ts';
import { entriesFor, type MappingEntry } from './mapping.ts';
import { canonicalOption, type VmOptions } from './option-text.ts';
import type { HostPciOptions } from './provider-options.ts';
import type { ProxmoxSnapshot } from './snapshot.ts';

interface GpuReading {
  readonly requests: readonly GpuRequest[];
  /** Native keys that the neutral request does not imply, by its name. */
  readonly extra: Readonly<Record<string, HostPciOptions>>;
  /** hostpciN that are no GPUs or cannot be read; kept as they are. */
  readonly untouched: readonly string[];
}

export function readGpus(
  config: VmOptions,
  node: ProxmoxNode | undefined,
  snapshot: ProxmoxSnapshot | undefined,
  report: Report,
): GpuReading {
  const isGpu = gpuClassifier(node, snapshot?.mappings, true);
  const requests: GpuRequest[] = [];
  const extra: Record<string, HostPciOptions> = {};
  const untouched: string[] = [];
  const q35 = /(^|=|-)q35/.test(config.machine ?? '');
  let previous: { text: string; index: number } | undefined;
  let nextIndex = 0;
  for (const { index, text, result } of hostPciOf(config)) {
    const option = `hostpci${index}`;
    const unreadable = result.ok ? noDevice(result.value) : result.problem.text;
    if (!result.ok || unreadable !== undefined || !isGpu(result.value)) {
      untouched.push(option);
      if (unreadable !== undefined)
        report.add('blocked', 'hostpci-unreadable', option, `this names no device: ${text} (${unreadable})`);
      if (index === nextIndex) nextIndex += 1;
      continue;
    }
    const device = result.value;
    const canonical = canonicalOption(option, text);
    const last = requests.at(-1);
    // Several equal entries in a row are one request for several devices out of one pool.
    if (
      last &&
      previous &&
      previous.text === canonical &&
      previous.index + 1 === index &&
      device.mapping !== undefined
    ) {
      requests[requests.length - 1] = { ...last, count: (last.count ?? 1) + 1 };
    } else {
      const name = `gpu${requests.length}`;
      const { request, keys } = readGpu(name, device, q35, node, snapshot, report, option);
      requests.push(request);
      const all = { ...(index === nextIndex ? {} : { index }), ...keys };
      if (Object.keys(all).length > 0) extra[name] = all;
    }
    previous = { text: canonical, index };
    nextIndex = index + 1;
  }
  return { requests, extra, untouched };
}

function readGpu(
  name: string,
  device: HostPci,
  q35: boolean,
  node: ProxmoxNode | undefined,
  snapshot: ProxmoxSnapshot | undefined,
  report: Report,
  option: string,
) {
  const { host, mapping: mappingId, mdev, pcie = false, ...rest } = withoutDefaults(device);
  const mapping = snapshot?.mappings?.find(({ id }) => id === mappingId);
  const entries = host === undefined && mapping ? entriesFor(mapping, node?.name) : [];
  const paths = host?.split(';') ?? entries.map((entry) => entry.path);
  const items = node?.pci ?? [];
  const first = functionsAt(items, paths[0] ?? 'none')[0];
  const id = first ? itemId(first) : mappedId(entries);
  const selector = {
    ...(id === undefined ? {} : { id }),
    ...(mappingId === undefined ? {} : { name: mappingId }),
    ...(host !== undefined && /^[^;]+\.[0-7]$/.test(host) && id === undefined ? { address: host } : {}),
  };
  const expectsPcie = q35 && !rest['legacy-igd'] && !mdev?.startsWith('i915-');
  const keys: HostPciOptions = {
    ...(host === undefined ? {} : { host }),
    ...(mappingId === undefined || host === undefined ? {} : { mapping: mappingId }),
    ...(pcie === expectsPcie ? {} : { pcie }),
    ...rest,
  };
  if (host !== undefined && mappingId !== undefined)
    report.add('blocked', 'host-and-mapping', option, "Cannot set both 'host' and 'mapping'.");
  const device_ = Object.keys(selector).length > 0 ? selector : { address: slotAddress(host) };
  if (mdev !== undefined) {
    const types = Object.values(node?.mdevTypes ?? {}).flat();
    const shortOf = (name = '') => tryParseVgpuProfile(name)?.short;
    const short = shortOf(types.find(({ type }) => type === mdev)?.name);
    const implied =
      short === undefined
        ? isHostTypeId(mdev) && mdev
        : types.find(({ name }) => shortOf(name) === short)?.type;
    const request: GpuRequest = { name, mode: 'vgpu', profile: short ?? mdev, device: device_ };
    return { request, keys: implied === mdev ? keys : { ...keys, mdev } };
  }
  const whole = first && companionsOf(items, first).length > 0;
  const slot = paths[0] !== undefined && !/\.[0-9a-f]$/.test(paths[0]);
  const companions =
    whole || (first === undefined && slot)
      ? { companions: slot ? ('include' as const) : ('exclude' as const) }
      : {};
  if (companions.companions === 'exclude') {
    report.add(
      'approximated',
      'companions-left',
      option,
      `the card's other functions stay with the node, but in the same IOMMU group`,
    );
  }
  const request: GpuRequest = { name, mode: 'passthrough', device: device_, ...companions };
  return { request, keys };
}

/** What a mapping itself says its devices are; undefined when its entries do not agree. */
function mappedId(entries: readonly MappingEntry[]): string | undefined {
  const [first, ...rest] = entries;
  return rest.every(({ id }) => id === first?.id) ? first?.id : undefined;
}

/** Why a value that can be read still names no device that there can be. */
function noDevice({ host, mapping }: HostPci): string | undefined {
  if (host === undefined)
    return mapping === undefined ? "Either 'host' or 'mapping' must be set." : undefined;
  return tryParsePciAddress(slotAddress(host)) === undefined
    ? `no PCI device found for '${host}'`
    : undefined;
}

/** An address for a raw entry that is a slot or a list: that of its first function. */
function slotAddress(host = ''): string {
  const [first = ''] = host.split(';');
  return /\.\w$/.test(first) ? first : `${first}.0`;
}

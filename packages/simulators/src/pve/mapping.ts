import { type Caller, privilegesOn } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import { any, atMost, bool, type Check, configId, missingParameter, unknownParameter } from './params.ts';
import { mapFormat, parseProperties, truth } from './property-string.ts';
import type { MappingState, NodeScenario } from './scenario.ts';
import { atLeast, type ClusterState, mappingDigest } from './state.ts';

/** `/cluster/mapping/pci`. Source: pve-manager 9.2.11, PVE::API2::Cluster::Mapping::PCI. */

export function listMappings(state: ClusterState, caller: Caller, params: Params): unknown[] {
  return state.mappings
    .filter(({ id }) => mayUse(state, caller, id))
    .map((mapping) => ({
      ...answer(state, mapping),
      id: mapping.id,
      ...(params['check-node'] === undefined
        ? {}
        : { checks: checksOf(state, mapping, String(params['check-node'])) }),
    }));
}

export function getMapping(state: ClusterState, id: string): unknown {
  const mapping = state.mappings.find((one) => one.id === id);
  if (!mapping) throw refuse(`mapping '${id}' not found\n`);
  return answer(state, mapping);
}

export function createMapping(state: ClusterState, params: Params): null {
  checkKeys(state, params, ['id']);
  const mapping = { id: String(params.id), ...readOptions(params) };
  if (mapping.map === undefined) throw badParameters({ map: missingParameter });
  if (state.mappings.some((one) => one.id === mapping.id))
    throw refuse(`create hardware mapping failed: pci ID '${mapping.id}' already defined\n`);
  write(state, [...state.mappings, mapping as MappingState]);
  return null;
}

/** The list of entries is always replaced as a whole, and always needed. */
export function updateMapping(state: ClusterState, id: string, params: Params): null {
  const failed = (text: string) => refuse(`update hardware mapping failed: ${text}\n`);
  checkKeys(state, params, ['delete', 'digest']);
  if (params.digest !== undefined && params.digest !== mappingDigest(state))
    throw failed('detected modified configuration - file changed by other user? Try again.');
  const old = state.mappings.find((one) => one.id === id);
  if (!old) throw failed(`pci ID '${id}' does not exist`);
  if (params.map === undefined) throw failed("missing value for required option 'map'");
  const gone = String(params.delete ?? '').split(/[,; ]+/);
  const kept = Object.fromEntries(Object.entries(old).filter(([key]) => !gone.includes(key)));
  const next = { ...kept, ...readOptions(params), id } as MappingState;
  write(
    state,
    state.mappings.map((one) => (one === old ? next : one)),
  );
  return null;
}

/** Unknown ids are no error, and VMs that use it are not looked for. */
export function deleteMapping(state: ClusterState, id: string): null {
  write(
    state,
    state.mappings.filter((one) => one.id !== id),
  );
  return null;
}

/** A write puts every entry's options in the order of PVE::SectionConfig: the entries, then the rest by name. */
function write(state: ClusterState, mappings: readonly MappingState[]): void {
  state.mappings = mappings.map(({ id, map, ...rest }) => ({
    id,
    map,
    ...Object.fromEntries(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1))),
  }));
}

function mayUse(state: ClusterState, caller: Caller, id: string): boolean {
  const own = privilegesOn(state, caller, `/mapping/pci/${id}`);
  return ['Mapping.Use', 'Mapping.Modify', 'Mapping.Audit'].some((privilege) => own.has(privilege));
}

function answer(state: ClusterState, { id: _id, ...mapping }: MappingState) {
  return { ...mapping, type: 'pci', digest: mappingDigest(state) };
}

function checkKeys(state: ClusterState, params: Params, more: readonly string[]): void {
  const known: Record<string, Check> = {
    map: any,
    mdev: bool,
    description: atMost(4096),
    ...(atLeast(state, '8.4') ? { 'live-migration-capable': bool } : {}),
  };
  const extra: Readonly<Record<string, Check>> = { id: configId, delete: any, digest: atMost(64) };
  for (const key of more) known[key] = extra[key] ?? any;
  const errors: Record<string, string> = {};
  if (more.includes('id') && params.id === undefined) errors.id = missingParameter;
  for (const [key, value] of Object.entries(params)) {
    const check = known[key];
    const problem = check === undefined ? unknownParameter : key === 'map' ? undefined : check(String(value));
    if (problem !== undefined) errors[key] = problem;
  }
  for (const [index, entry] of entriesOf(params.map).entries()) {
    const parsed = parseProperties(entry, mapFormat, `map[${index}]`);
    if ('error' in parsed) errors[`map[${index}]`] = parsed.error;
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors);
}

function entriesOf(map: Params[string] | undefined): readonly string[] {
  return map === undefined ? [] : typeof map === 'string' ? [map] : map;
}

function readOptions(params: Params): Partial<MappingState> {
  const flag = (key: string) =>
    params[key] === undefined ? {} : { [key]: truth(String(params[key])) ? 1 : 0 };
  return {
    ...(params.map === undefined ? {} : { map: entriesOf(params.map) }),
    ...(params.description === undefined ? {} : { description: String(params.description) }),
    ...flag('mdev'),
    ...flag('live-migration-capable'),
  };
}

/** One map entry taken apart. */
export function mapEntry(entry: string): Record<string, string> {
  const parsed = parseProperties(entry, mapFormat, 'map');
  return 'parts' in parsed ? parsed.parts : {};
}

/**
 * What differs between an entry and the device, in the words of PVE::Mapping::PCI `assert_valid`; undefined when nothing
 * does. Every function of the path is compared with the one id.
 */
export function entryProblem(
  state: Pick<ClusterState, 'version'>,
  mapping: MappingState,
  entry: Record<string, string>,
  node: NodeScenario,
): string | undefined {
  for (const path of (entry.path ?? '').split(';')) {
    const first = node.devices.find(({ id }) => id === path || id.startsWith(`${path}.`));
    if (!first) return `pci device '${/\.\w$/.test(path) ? path : `${path}.0`}' not found\n`;
    const expected: Record<string, string | undefined> = {
      id: `${first.vendor.slice(2)}:${first.device.slice(2)}`,
      iommugroup: !node.iommu || first.iommugroup < 0 ? undefined : String(first.iommugroup),
      'subsystem-id':
        first.subsystem_vendor && first.subsystem_device
          ? `${first.subsystem_vendor.slice(2)}:${first.subsystem_device.slice(2)}`
          : undefined,
    };
    for (const key of ['id', 'iommugroup', 'subsystem-id']) {
      const wanted = expected[key];
      const found = entry[key];
      if (wanted !== undefined && found === undefined)
        return `missing expected property '${key}' for device '${first.id}'\n`;
      if (wanted === undefined && found !== undefined)
        return `unexpected property '${key}' configured for device '${first.id}'\n`;
      if (wanted !== found) return `'${key}' does not match for '${mapping.id}' (${wanted} != ${found})\n`;
    }
    const mdev = first.mdev ? 1 : 0;
    // Looked at since pve-guest-common 5.1.7 (8.4).
    if (atLeast(state, '8.4') && mdev !== (mapping.mdev ? 1 : 0))
      return `'mdev' does not match for '${mapping.id}' (${mdev} != ${mapping.mdev ? 1 : 0})\n`;
  }
  return undefined;
}

function checksOf(state: ClusterState, mapping: MappingState, nodeName: string): unknown[] {
  const node = state.nodes.find(({ name }) => name === nodeName);
  const entries = mapping.map.map(mapEntry).filter((entry) => entry.node === nodeName);
  if (!node || entries.length === 0)
    return [{ severity: 'warning', message: `No mapping for node ${nodeName}.` }];
  return entries.flatMap((entry) => {
    const problem = entryProblem(state, mapping, entry, node);
    return problem === undefined ? [] : [{ severity: 'error', message: `Invalid configuration: ${problem}` }];
  });
}

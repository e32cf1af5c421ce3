import { type Caller, demand, privilegesOn } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
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

export function getMapping(state: ClusterState, caller: Caller, id: string): unknown {
  if (!mayUse(state, caller, id)) {
    throw refuse(
      `Permission check failed (/mapping/pci/${id}, Mapping.Use|Mapping.Modify|Mapping.Audit)\n`,
      403,
    );
  }
  const mapping = state.mappings.find((one) => one.id === id);
  if (!mapping) throw refuse(`mapping '${id}' not found\n`);
  return answer(state, mapping);
}

export function createMapping(state: ClusterState, caller: Caller, params: Params): null {
  demand(state, caller, '/mapping/pci', ['Mapping.Modify']);
  const id = checkId(params.id);
  const mapping = readMapping(state, id, params, true);
  if (state.mappings.some((one) => one.id === id)) {
    throw refuse(`create hardware mapping failed: pci ID '${id}' already defined\n`);
  }
  state.mappings.push(mapping);
  return null;
}

export function updateMapping(state: ClusterState, caller: Caller, id: string, params: Params): null {
  demand(state, caller, `/mapping/pci/${id}`, ['Mapping.Modify']);
  const failed = (text: string) => refuse(`update hardware mapping failed: ${text}\n`);
  checkKeys(params, ['map', 'mdev', 'live-migration-capable', 'description', 'delete', 'digest']);
  const entries = readMap(params.map);
  if (params.digest !== undefined && params.digest !== mappingDigest(state)) {
    throw failed('detected modified configuration - file changed by other user? Try again.');
  }
  const index = state.mappings.findIndex((one) => one.id === id);
  const old = state.mappings[index];
  if (!old) throw failed(`pci ID '${id}' does not exist`);
  if (entries === undefined) throw failed("missing value for required option 'map'");
  const gone = String(params.delete ?? '').split(/[,; ]+/);
  const kept = Object.fromEntries(Object.entries(old).filter(([key]) => !gone.includes(key)));
  state.mappings[index] = { ...kept, ...readMapping(state, id, params, false), id } as MappingState;
  return null;
}

export function deleteMapping(state: ClusterState, caller: Caller, id: string): null {
  demand(state, caller, '/mapping/pci', ['Mapping.Modify']);
  state.mappings = state.mappings.filter((one) => one.id !== id);
  return null;
}

function mayUse(state: ClusterState, caller: Caller, id: string): boolean {
  const own = privilegesOn(state, caller, `/mapping/pci/${id}`);
  return ['Mapping.Use', 'Mapping.Modify', 'Mapping.Audit'].some((privilege) => own.has(privilege));
}

function answer(state: ClusterState, { id: _id, ...mapping }: MappingState) {
  return { ...mapping, type: 'pci', digest: mappingDigest(state) };
}

function checkId(id: Params[string] | undefined): string {
  if (typeof id !== 'string') throw badParameters({ id: 'property is missing and it is not optional' });
  if (!/^[a-z][a-z0-9_-]+$/i.test(id))
    throw badParameters({ id: `invalid format - invalid configuration ID '${id}'\n` });
  return id;
}

function checkKeys(params: Params, known: readonly string[]): void {
  const unknown = Object.keys(params).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    throw badParameters(
      Object.fromEntries(
        unknown.map((key) => [
          key,
          'property is not defined in schema and the schema does not allow additional properties',
        ]),
      ),
    );
  }
}

function readMap(map: Params[string] | undefined): readonly string[] | undefined {
  if (map === undefined) return undefined;
  const entries = typeof map === 'string' ? [map] : map;
  const errors: Record<string, string> = {};
  for (const [index, entry] of entries.entries()) {
    const parsed = parseProperties(entry, mapFormat, `map[${index}]`);
    if ('error' in parsed) errors[`map[${index}]`] = parsed.error;
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors);
  return entries;
}

function readMapping(state: ClusterState, id: string, params: Params, create: boolean): MappingState {
  const live = atLeast(state, '8.4') ? ['live-migration-capable'] : [];
  if (create) checkKeys(params, ['id', 'map', 'mdev', 'description', ...live]);
  const map = readMap(params.map);
  if (map === undefined) throw badParameters({ map: 'property is missing and it is not optional' });
  const flag = (key: string) =>
    params[key] === undefined ? {} : { [key]: truth(String(params[key])) ? 1 : 0 };
  return {
    id,
    map,
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
  mapping: MappingState,
  entry: Record<string, string>,
  node: NodeScenario,
): string | undefined {
  for (const path of (entry.path ?? '').split(';')) {
    const first = node.devices.find(({ id }) => id === path || id.startsWith(`${path}.`));
    if (!first) return `pci device '${/\.\w$/.test(path) ? path : `${path}.0`}' not found\n`;
    const expected: Record<string, string | undefined> = {
      id: `${first.vendor.slice(2)}:${first.device.slice(2)}`,
      iommugroup: first.iommugroup < 0 ? undefined : String(first.iommugroup),
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
    if (mdev !== (mapping.mdev ? 1 : 0))
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
    const problem = entryProblem(mapping, entry, node);
    return problem === undefined ? [] : [{ severity: 'error', message: `Invalid configuration: ${problem}` }];
  });
}

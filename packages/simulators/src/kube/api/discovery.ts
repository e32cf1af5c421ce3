import type { ResourceType, ResourceTypes } from '../store/resource-types.ts';
import type { Dict } from '../types.ts';
import { subresourceGroup } from './request.ts';

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** Discovery documents; undefined for a path that is none. */
export function discovery(types: ResourceTypes, path: string, version: string): Dict | undefined {
  if (path === '/version') return versionInfo(version);
  if (path === '/api') {
    const address = { clientCIDR: '0.0.0.0/0', serverAddress: '127.0.0.1' };
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [address] };
  }
  const groups = groupsOf(types);
  if (path === '/apis') {
    const named = [...groups].filter(([group]) => group !== '');
    return {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: named.map(([group, all]) => groupInfo(group, all)),
    };
  }
  const [, root, first, second, ...more] = path.split('/');
  const core = root === 'api';
  if ((!core && root !== 'apis') || more.length > 0) return undefined;
  const group = core ? '' : (first ?? '');
  const served = core ? first : second;
  const versions = groups.get(group);
  if (versions === undefined || (core && second !== undefined)) return undefined;
  if (served === undefined) return { apiVersion: 'v1', ...groupInfo(group, versions), kind: 'APIGroup' };
  if (!versions.includes(served)) return undefined;
  const own = types.all().filter((type) => type.group === group && type.versions.includes(served));
  const resources = group === subresourceGroup ? subresources : own.flatMap(resourceInfo);
  const groupVersion = group ? `${group}/${served}` : served;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
}

/** Versions by group, the preferred one (the newest, by Kubernetes' own order) first. */
function groupsOf(types: ResourceTypes): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { group, versions } of types.all()) {
    const all = new Set([...(groups.get(group) ?? []), ...versions]);
    groups.set(
      group,
      [...all].sort((a, b) => rank(b) - rank(a)),
    );
  }
  if (groups.has('kubevirt.io')) groups.set(subresourceGroup, ['v1', 'v1alpha3']);
  return groups;
}

function rank(version: string): number {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return 0;
  const stage = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1;
  return stage * 1e6 + Number(match[1]) * 1e3 + Number(match[3] ?? 0);
}

function groupInfo(name: string, versions: readonly string[]): Dict {
  const all = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: all, preferredVersion: all[0] };
}

function resourceInfo(type: ResourceType): Dict[] {
  const { plural: name, singular: singularName, kind, namespaced, shortNames } = type;
  const main = { name, singularName, namespaced, kind, verbs, ...(shortNames.length > 0 && { shortNames }) };
  const status = {
    name: `${name}/status`,
    singularName: '',
    namespaced,
    kind,
    verbs: ['get', 'patch', 'update'],
  };
  return type.hasStatus ? [main, status] : [main];
}

const subresources = [
  ['virtualmachines', ['expand-spec', 'start', 'stop', 'restart']],
  ['virtualmachineinstances', ['pause', 'unpause']],
].flatMap(([plural, actions]) =>
  (actions as string[]).map((action) => ({
    name: `${plural}/${action}`,
    singularName: '',
    namespaced: true,
    kind: plural === 'virtualmachines' ? 'VirtualMachine' : 'VirtualMachineInstance',
    verbs: [action === 'expand-spec' ? 'get' : 'update'],
  })),
);

function versionInfo(gitVersion: string): Dict {
  const [major, minor] = gitVersion.replace(/^v/, '').split('.');
  return { major, minor, gitVersion, gitTreeState: 'clean', platform: 'linux/amd64' };
}

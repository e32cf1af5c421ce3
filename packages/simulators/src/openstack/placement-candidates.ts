import { candidatesFor, type Group } from './candidates.ts';
import { refuse } from './failure.ts';
import { amountsOf, refuseUnknown, traitsOf } from './placement-query.ts';
import { providersOf, usageOf } from './providers.ts';
import type { Answer, Call } from './route.ts';
import type { CloudState } from './state.ts';

/** `GET /allocation_candidates` with granular groups; 1.33 and later for suffixes that are no numbers. */
export function listCandidates({ state, query, version }: Call): Answer {
  const suffix = version >= 10_033 ? '[a-zA-Z0-9_-]{1,64}' : '[1-9][0-9]*';
  const key = new RegExp(`^(resources|required)(${suffix})?$`);
  refuseUnknown(query, (name) => key.test(name) || ['limit', 'group_policy', 'root_required'].includes(name));
  const groups = groupsOf(state, query, key);
  const policy = query.get('group_policy');
  if (policy !== null && policy !== 'none' && policy !== 'isolate') {
    throw refuse(400, `Invalid query string parameters: '${policy}' is not one of ['none', 'isolate']`);
  }
  if (groups.filter(({ suffix: of }) => of !== '').length > 1 && policy === null) {
    throw refuse(
      400,
      'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.',
    );
  }
  const limit = query.get('limit') ?? '1000';
  if (!/^[1-9][0-9]*$/.test(limit)) {
    throw refuse(400, `Invalid query string parameters: '${limit}' does not match '^[1-9][0-9]*$'`);
  }
  const root = traitsOf(state, query.get('root_required') ?? '');
  const found = candidatesFor(state, {
    groups,
    isolate: policy === 'isolate',
    rootRequired: root.required,
    rootForbidden: root.forbidden,
    limit: Number(limit),
  });
  const providers = providersOf(state);
  const idOf = (name: string) => providers.find((one) => one.name === name)?.uuid ?? name;
  return {
    status: 200,
    body: {
      allocation_requests: found.map(({ allocation, mappings }) => ({
        allocations: Object.fromEntries(
          Object.entries(allocation).map(([name, resources]) => [idOf(name), { resources }]),
        ),
        ...(version >= 10_034
          ? { mappings: Object.fromEntries(Object.entries(mappings).map(([of, on]) => [of, on.map(idOf)])) }
          : {}),
      })),
      provider_summaries: summaries(
        state,
        found.map((one) => one.root.uuid),
      ),
    },
  };
}

function summaries(state: CloudState, roots: readonly string[]) {
  const wanted = providersOf(state).filter(({ root }) => roots.includes(root));
  return Object.fromEntries(
    wanted.map((provider) => {
      const used = usageOf(state, provider);
      const resources = Object.entries(provider.inventories).map(([name, own]) => [
        name,
        { capacity: Math.floor((own.total - own.reserved) * own.allocation_ratio), used: used[name] ?? 0 },
      ]);
      return [
        provider.uuid,
        {
          resources: Object.fromEntries(resources),
          traits: provider.traits,
          parent_provider_uuid: provider.parent,
          root_provider_uuid: provider.root,
        },
      ];
    }),
  );
}

function groupsOf(state: CloudState, query: URLSearchParams, key: RegExp): readonly Group[] {
  if (![...query.keys()].some((name) => name.startsWith('resources'))) {
    throw refuse(
      400,
      'There must be at least one resources or resources[$S] parameter.',
      'placement.query.missing_value',
    );
  }
  const groups = new Map<string, Group>();
  for (const [name, value] of query) {
    const [, kind, of = ''] = key.exec(name) ?? [];
    if (kind === undefined) continue;
    const group = groups.get(of) ?? { suffix: of, resources: {}, required: [], forbidden: [] };
    const said = kind === 'resources' ? { resources: amountsOf(state, value) } : traitsOf(state, value);
    groups.set(of, { ...group, ...said });
  }
  const orphan = [...groups.values()].find(({ resources }) => Object.keys(resources).length === 0);
  if (!orphan) return [...groups.values()];
  throw refuse(
    400,
    `All traits parameters must be associated with resources.  Found the following orphaned traits keys: required${orphan.suffix}`,
  );
}

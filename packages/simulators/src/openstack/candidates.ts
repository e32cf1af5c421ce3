import { freeOf, type Provider, providersOf } from './providers.ts';
import type { CloudState } from './state.ts';

/** What one group of a request asks for. */
export interface Group {
  /** Empty: the group whose resources may come from several providers. */
  readonly suffix: string;
  readonly resources: Readonly<Record<string, number>>;
  readonly required: readonly string[];
  readonly forbidden: readonly string[];
}

export interface Request {
  readonly groups: readonly Group[];
  readonly isolate: boolean;
  readonly rootRequired?: readonly string[];
  readonly rootForbidden?: readonly string[];
  readonly limit: number;
}

/** Amounts by provider name and class, all of one host. */
export type Allocation = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Candidate {
  readonly root: Provider;
  readonly allocation: Allocation;
  /** Providers by group. */
  readonly mappings: Readonly<Record<string, readonly string[]>>;
}

/** Hosts that can take the request, with what they would give. Source: placement 8, allocation_candidate.py, with nested providers. */
export function candidatesFor(state: CloudState, request: Request): readonly Candidate[] {
  const all = providersOf(state);
  const found: Candidate[] = [];
  for (const root of all.filter(({ parent }) => parent === null)) {
    if (request.rootRequired?.some((trait) => !root.traits.includes(trait))) continue;
    if (request.rootForbidden?.some((trait) => root.traits.includes(trait))) continue;
    const tree = all.filter((provider) => provider.root === root.uuid);
    search(state, root, tree, request, found);
    if (found.length >= request.limit) break;
  }
  return found.slice(0, request.limit);
}

function search(
  state: CloudState,
  root: Provider,
  tree: readonly Provider[],
  { groups, isolate, limit }: Request,
  found: Candidate[],
): void {
  const taken: Record<string, Record<string, number>> = {};
  const mappings: Record<string, readonly string[]> = {};
  const free = (provider: Provider, name: string) =>
    freeOf(state, provider, name) - (taken[provider.name]?.[name] ?? 0);
  const take = ({ name }: Provider, className: string, amount: number) => {
    const of = taken[name] ?? {};
    taken[name] = of;
    of[className] = (of[className] ?? 0) + amount;
  };

  const place = (index: number): void => {
    if (found.length >= limit) return;
    const group = groups[index];
    if (!group) {
      const allocation = Object.fromEntries(
        Object.entries(taken)
          .map(([name, of]) => [name, positive(of)] as const)
          .filter(([, of]) => Object.keys(of).length > 0),
      );
      found.push({ root, allocation, mappings: { ...mappings } });
      return;
    }
    if (group.suffix === '') spread(group, index, Object.entries(group.resources), []);
    else whole(group, index);
  };

  const whole = (group: Group, index: number): void => {
    for (const provider of tree) {
      const used =
        isolate && Object.entries(mappings).some(([key, on]) => key !== '' && on.includes(provider.name));
      if (used || !carries([provider], group)) continue;
      const amounts = Object.entries(group.resources);
      if (!amounts.every(([name, amount]) => fits(provider, name, amount))) continue;
      for (const [name, amount] of amounts) take(provider, name, amount);
      mappings[group.suffix] = [provider.name];
      place(index + 1);
      delete mappings[group.suffix];
      for (const [name, amount] of amounts) take(provider, name, -amount);
    }
  };

  const spread = (
    group: Group,
    index: number,
    amounts: readonly (readonly [string, number])[],
    on: readonly Provider[],
  ): void => {
    const [first, ...rest] = amounts;
    if (!first) {
      if (!carries([...on, root], group)) return;
      mappings[''] = on.map(({ name }) => name);
      place(index + 1);
      delete mappings[''];
      return;
    }
    const [name, amount] = first;
    for (const provider of tree) {
      if (!fits(provider, name, amount)) continue;
      take(provider, name, amount);
      spread(group, index, rest, [...on, provider]);
      take(provider, name, -amount);
    }
  };

  const fits = (provider: Provider, name: string, amount: number): boolean => {
    const own = provider.inventories[name];
    return (
      own !== undefined && amount <= own.max_unit && amount >= own.min_unit && free(provider, name) >= amount
    );
  };

  place(0);
}

function carries(on: readonly Provider[], { required, forbidden }: Group): boolean {
  const traits = new Set(on.flatMap(({ traits: own }) => own));
  return required.every((trait) => traits.has(trait)) && !forbidden.some((trait) => traits.has(trait));
}

function positive(of: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(of).filter(([, amount]) => amount > 0));
}

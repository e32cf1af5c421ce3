import { equal } from '../json.ts';
import type { KubeObject } from '../types.ts';

/** One write, as a watch sees it. `resource` is `nodes` or `virtualmachines.kubevirt.io`. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: string;
  readonly key: string;
  readonly version: number;
  readonly object: KubeObject;
  readonly previous?: KubeObject;
}

interface Table {
  readonly objects: Map<string, KubeObject>;
  /** Keys in etcd's order; made anew after an object came or went. */
  sorted: readonly string[] | undefined;
  readonly history: Change[];
  /** The oldest version that `history` can still go back to. */
  floor: number;
}

export type Store = ReturnType<typeof createStore>;

export const keyOf = (namespace: string | undefined, name: string) =>
  namespace ? `${namespace}/${name}` : name;

export const keyOfObject = ({ metadata }: KubeObject) => keyOf(metadata.namespace, metadata.name);

/**
 * Objects by resource, one counter of versions for all (etcd's revision) and the history of each resource, from which
 * watches start and old lists are rebuilt. Stored objects are never changed, only replaced.
 */
export function createStore(historyLimit: number) {
  const tables = new Map<string, Table>();
  const listeners = new Set<(change: Change) => void>();
  let version = 1;
  /** Watches from before this version are too old: what the watch cache holds. */
  let watchFloor = 1;
  let compacted = 0;

  function tableOf(resource: string): Table {
    let table = tables.get(resource);
    if (table === undefined) {
      table = { objects: new Map(), sorted: undefined, history: [], floor: version };
      tables.set(resource, table);
    }
    return table;
  }

  function record(table: Table, change: Change): void {
    table.history.push(change);
    if (table.history.length > historyLimit) {
      const dropped = table.history.splice(0, Math.ceil(historyLimit / 4));
      table.floor = dropped.at(-1)?.version ?? table.floor;
    }
    for (const listener of listeners) listener(change);
  }

  function sortedKeys(table: Table): readonly string[] {
    table.sorted ??= [...table.objects.keys()].sort();
    return table.sorted;
  }

  return {
    version: () => version,
    get: (resource: string, namespace: string | undefined, name: string) =>
      tables.get(resource)?.objects.get(keyOf(namespace, name)),
    has: (resource: string) => (tables.get(resource)?.objects.size ?? 0) > 0,

    /** All objects of a resource, in the order of their keys. */
    list(resource: string): readonly KubeObject[] {
      const table = tableOf(resource);
      return sortedKeys(table).map((key) => table.objects.get(key) as KubeObject);
    },

    /** The same as it was at an earlier version; undefined when that was compacted away. */
    listAt(resource: string, at: number): readonly KubeObject[] | undefined {
      const table = tableOf(resource);
      if (at < table.floor) return undefined;
      const then = new Map(table.objects);
      for (let index = table.history.length - 1; index >= 0; index -= 1) {
        const change = table.history[index] as Change;
        if (change.version <= at) break;
        if (change.previous === undefined) then.delete(change.key);
        else then.set(change.key, change.previous);
      }
      return [...then.keys()].sort().map((key) => then.get(key) as KubeObject);
    },

    /** Changes after a version; undefined when the watch cache does not reach back to it. */
    since(resource: string, from: number): readonly Change[] | undefined {
      const { history, floor } = tableOf(resource);
      if (from < Math.max(floor, watchFloor)) return undefined;
      return history.filter((change) => change.version > from);
    },

    /** The oldest version a watch may start from, and the version of the last change of a resource. */
    oldest: (resource: string) => Math.max(tableOf(resource).floor, watchFloor),
    latest: (resource: string) => tableOf(resource).history.at(-1)?.version ?? tableOf(resource).floor,

    /** Stores a new or changed object under the next version; an unchanged one keeps its version. */
    put(resource: string, object: KubeObject): KubeObject {
      const table = tableOf(resource);
      const key = keyOfObject(object);
      const previous = table.objects.get(key);
      if (previous !== undefined) {
        object.metadata.resourceVersion = previous.metadata.resourceVersion as string;
        if (equal(object, previous)) return previous;
      }
      version += 1;
      object.metadata.resourceVersion = String(version);
      table.objects.set(key, object);
      if (previous === undefined) table.sorted = undefined;
      const type = previous === undefined ? 'ADDED' : 'MODIFIED';
      record(table, { type, resource, key, version, object, ...(previous && { previous }) });
      return object;
    },

    remove(resource: string, object: KubeObject): KubeObject | undefined {
      const table = tableOf(resource);
      const key = keyOfObject(object);
      const previous = table.objects.get(key);
      if (previous === undefined) return undefined;
      table.objects.delete(key);
      table.sorted = undefined;
      version += 1;
      const last = {
        ...previous,
        metadata: { ...previous.metadata, resourceVersion: String(version) },
      };
      record(table, { type: 'DELETED', resource, key, version, object: last, previous });
      return last;
    },

    onChange(listener: (change: Change) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    /** Ends the scenario's load or a restart: no watch may begin earlier than now. */
    resetWatches(): void {
      version += 4;
      watchFloor = version;
      for (const table of tables.values()) {
        if (table.floor >= compacted) continue;
        table.floor = compacted;
        const keep = table.history.filter((change) => change.version > compacted);
        table.history.splice(0, table.history.length, ...keep);
      }
    },

    /** etcd's compaction. Lists of older versions still work until the server restarts (its cache has them). */
    compact(at: number = version): void {
      compacted = Math.max(compacted, at);
    },
  };
}

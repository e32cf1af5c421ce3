import type { Cluster } from '../cluster.ts';
import type { Change } from '../store/store.ts';
import type { Dict, KubeObject } from '../types.ts';
import { apiVersionOf } from './convert.ts';
import { cacheVersion, type ReadRules, selection } from './reads.ts';
import { type ApiRequest, isTrue } from './request.ts';
import * as status from './status.ts';

export interface WatchSink {
  send(type: string, object: KubeObject | Dict): void;
  /** Ends the stream cleanly. */
  end(): void;
  onClose(listener: () => void): void;
}

export interface WatchRules extends ReadRules {
  readonly bookmarkInterval: number;
  /** Asks all open watches for a bookmark now. */
  onBookmark(listener: () => void): () => void;
}

const noProgress =
  'a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled';

/**
 * One watch. What it cannot do is told as an ERROR event with HTTP 200, as a real server does; the events are those after
 * `resourceVersion`, or first one ADDED for each object when it is absent or 0.
 */
export async function watch(
  cluster: Cluster,
  request: ApiRequest,
  rules: WatchRules,
  sink: WatchSink,
): Promise<void> {
  const { type, path, query } = request;
  const { store } = cluster;
  const { matches } = selection(request);
  const from = query.get('resourceVersion') ?? '';
  const bookmarks = isTrue(query.get('allowWatchBookmarks'));
  const initial = isTrue(query.get('sendInitialEvents'));
  let isOpen = true;
  const fail = (failure: status.ApiFailure) => {
    sink.send('ERROR', failure.body);
    sink.end();
  };
  sink.onClose(() => {
    isOpen = false;
  });

  if (initial && query.get('resourceVersionMatch') !== 'NotOlderThan') {
    const message = 'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
    throw status.invalid({ group: 'meta.k8s.io', plural: 'listoptions', kind: 'ListOptions' }, [
      { reason: 'FieldValueForbidden', field: 'resourceVersionMatch', message },
    ]);
  }
  if (rules.oldEtcd) {
    if (initial || (from === '0' && bookmarks)) {
      return fail(new status.ApiFailure(500, 'InternalError', noProgress));
    }
    const current = cacheVersion(cluster, type.id, true);
    if (from === '' && store.version() > current) {
      const wanted = store.version();
      await rules.wait();
      if (isOpen) fail(status.tooLarge(wanted, current));
      return;
    }
  }

  const everything = initial || from === '' || from === '0';
  const missed = everything ? [] : store.since(type.id, Number(from));
  if (missed === undefined) return fail(status.tooOldWatch(Number(from), store.oldest(type.id)));

  const bookmark = (annotations?: Dict) => {
    const metadata: Dict = { resourceVersion: String(store.version()), creationTimestamp: null };
    if (annotations) metadata.annotations = annotations;
    const { kind } = type;
    sink.send('BOOKMARK', { kind, apiVersion: apiVersionOf(type, path.version), metadata });
  };
  const tell = (change: Change) => {
    if (change.version <= Number(from)) return;
    const now = change.type !== 'DELETED' && matches(change.object);
    const before = change.previous !== undefined && matches(change.previous);
    if (now) sink.send(before ? 'MODIFIED' : 'ADDED', change.object);
    else if (before) {
      const resourceVersion = String(change.version);
      const { previous } = change;
      sink.send('DELETED', { ...previous, metadata: { ...previous?.metadata, resourceVersion } });
    }
  };

  if (everything) {
    for (const object of store.list(type.id)) if (matches(object)) sink.send('ADDED', object);
    if (initial && bookmarks) bookmark({ 'k8s.io/initial-events-end': 'true' });
  }
  for (const change of missed) tell(change);

  const stops = [
    store.onChange((change) => {
      if (change.resource === type.id) tell(change);
    }),
  ];
  if (bookmarks) {
    const timer = setInterval(bookmark, rules.bookmarkInterval, undefined);
    timer.unref();
    stops.push(() => clearInterval(timer), rules.onBookmark(bookmark));
  }
  const seconds = Number(query.get('timeoutSeconds') ?? 0) || 1800;
  const end = setTimeout(() => sink.end(), seconds * 1000);
  end.unref();
  stops.push(() => clearTimeout(end));
  sink.onClose(() => {
    for (const stop of stops) stop();
  });
}

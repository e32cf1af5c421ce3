import { createAdmission } from './admission/index.ts';
import { apiVersionOf, toVersion } from './api/convert.ts';
import { expandSpec } from './api/expand-spec.ts';
import { createAuthenticate } from './api/identity.ts';
import { createAuthorizer } from './api/rbac.ts';
import { createRemovals } from './api/removals.ts';
import { createWrites } from './api/writes.ts';
import { createCluster, ids, withCondition } from './cluster.ts';
import { runControllers } from './controllers/index.ts';
import { createSubresource } from './controllers/subresources.ts';
import { clone, dicts } from './json.ts';
import { kubeconfig } from './kubeconfig.ts';
import { builtinRoles } from './roles.ts';
import { sampleScenario } from './samples.ts';
import { type Controllers, defaultTimings, type KubeOptions, type User } from './scenario.ts';
import { createLoop } from './store/clock.ts';
import { definitionsOf } from './store/definitions.ts';
import { createResourceTypes } from './store/resource-types.ts';
import { createStore } from './store/store.ts';
import type { Dict, KubeObject } from './types.ts';
import { createFaults, type Faults } from './wire/faults.ts';
import { createHandler } from './wire/handler.ts';
import { createLog, type RequestLog } from './wire/log.ts';
import { listen } from './wire/server.ts';
import { type Certificates, makeCertificates } from './wire/tls.ts';

export interface KubeSimulator {
  readonly url: string;
  readonly port: number;
  /** PEM of the CA, when the server speaks TLS. */
  readonly ca: string | undefined;
  readonly requests: RequestLog;
  readonly faults: Faults;
  /** What went wrong inside the controllers: empty, or the simulator has a defect. */
  readonly errors: readonly unknown[];
  /** Lines that the GPU Operator's pods would have logged. */
  readonly operatorLog: readonly string[];
  /** A kubeconfig for a user of the scenario. Default: the first one. */
  kubeconfig(user?: string): Dict;
  /** Objects as they are stored, past all rights: `objects('pods')`, `objects('virtualmachines.kubevirt.io')`. */
  objects(resource: string): readonly KubeObject[];
  /** Creates or replaces an object, past admission and rights: what another controller might do. */
  put(object: KubeObject): KubeObject;
  /** With a manual clock: lets time pass. */
  advance(ms: number): void;
  expireToken(token: string): void;
  /** SIGKILL; controllers stand still while the server is away. */
  kill(): Promise<void>;
  /** Comes back on the same port: older watches are too old, and requests may be forbidden for a moment. */
  start(options?: StartOptions): Promise<void>;
  restart(options?: StartOptions): Promise<void>;
  /** Resets all open connections. */
  cut(): void;
  /** Sends a bookmark on all watches that allow it. */
  bookmark(): void;
  /** etcd's compaction; takes effect on lists with the next restart. */
  compact(): void;
  /** A node's kubelet stops, or comes back. */
  loseNode(name: string): void;
  returnNode(name: string): void;
  /** The guest powers off or crashes by itself. */
  guestExit(namespace: string, name: string, phase: 'Succeeded' | 'Failed'): void;
  close(): Promise<void>;
}

export interface StartOptions {
  /** Real time in which everything is answered 403, in ms. Default: 0. */
  readonly forbiddenMs?: number;
  /** So many requests are answered 403. Default: 0. */
  readonly forbiddenRequests?: number;
}

const allControllers: Controllers = {
  scheduler: true,
  virtController: true,
  nodeAgent: true,
  gpuOperator: true,
  hco: true,
  virtOperator: true,
  dataVolumes: true,
  garbageCollector: true,
};

const defaultUsers: readonly User[] = [{ name: 'admin', token: 'admin-token', groups: ['system:masters'] }];

/**
 * A Kubernetes API server with KubeVirt on a loopback port, in this process: stateful, with the scheduler, KubeVirt's and
 * the GPU Operator's reactions simulated. What it does not model is listed in NOT-MODELLED.md.
 */
export async function startKube(options: KubeOptions = {}): Promise<KubeSimulator> {
  const scenario = options.scenario ?? sampleScenario();
  const users = scenario.users ?? defaultUsers;
  const errors: unknown[] = [];
  const loop = createLoop(options.clock === 'manual', (error) => errors.push(error));
  const store = createStore(options.history ?? 20_000);
  const types = createResourceTypes(store, options.schemas ?? {});
  const cluster = createCluster(store, types, loop, { ...defaultTimings, ...options.timings });
  const hardware = scenario.hardware ?? {};
  const kubevirtVersion = options.kubevirtVersion ?? 'v1.9.0';
  const lost = new Set<string>();
  const operatorLog: string[] = [];
  const admission = createAdmission(cluster, cluster.uid, options.taintNewNodes ?? true);

  function put(object: KubeObject): KubeObject {
    const type = types.all().find(({ group, kind, versions }) => {
      return (
        kind === object.kind &&
        versions.some((version) => apiVersionOf({ group }, version) === object.apiVersion)
      );
    });
    if (type === undefined) throw new Error(`the simulator serves no ${object.apiVersion} ${object.kind}`);
    const next = toVersion(type, clone(object), type.versions[0] as string);
    const before = store.get(type.id, next.metadata.namespace, next.metadata.name);
    if (before === undefined) cluster.stampNew(type, next);
    else cluster.stampChange(type, before, next);
    return cluster.put(type.id, next);
  }

  const controllers = runControllers({
    cluster,
    admission,
    hardware,
    enabled: { ...allControllers, ...options.controllers },
    failures: scenario.launcherFailures ?? [],
    kubevirtVersion,
    isLost: (node) => lost.has(node),
    log: (line) => operatorLog.push(line),
  });
  for (const product of scenario.products ?? ['kubevirt']) definitionsOf(product).forEach(put);
  builtinRoles.forEach(put);
  scenario.objects?.forEach(put);
  store.resetWatches();

  const certificates = certificatesOf(options, users);
  const expired = new Set<string>();
  const bookmarkers = new Set<() => void>();
  const faults = createFaults();
  const requests = createLog();
  let forbiddenUntil = 0;
  let forbiddenRequests = 0;
  const orders = createSubresource(cluster);
  const handler = createHandler({
    cluster,
    writes: { ...createWrites(cluster, admission), ...createRemovals(cluster, admission) },
    authenticate: createAuthenticate(users, loop, expired),
    authorizer: createAuthorizer(store, users),
    faults,
    log: requests,
    kubevirtVersion,
    serverVersion: options.serverVersion ?? 'v1.36.2',
    subresource: (request, body) =>
      request.path.subresource === 'expand-spec'
        ? { code: 200, body: expandSpec(cluster, request) }
        : orders(request, body),
    isWarmingUp() {
      if (forbiddenRequests > 0) {
        forbiddenRequests -= 1;
        return true;
      }
      return Date.now() < forbiddenUntil;
    },
    rules: {
      oldEtcd: options.oldEtcd ?? false,
      wait: () => new Promise((resolve) => setTimeout(resolve, options.freshnessTimeout ?? 3000)),
      bookmarkInterval: options.bookmarkInterval ?? 60_000,
      onBookmark(listener) {
        bookmarkers.add(listener);
        return () => bookmarkers.delete(listener);
      },
    },
  });
  const listener = await listen(
    (message, response) => void handler(message, response),
    options.port ?? 0,
    certificates,
  );
  const url = `${certificates ? 'https' : 'http'}://127.0.0.1:${listener.port}`;

  async function kill(): Promise<void> {
    loop.pause();
    await listener.kill();
  }

  async function start({ forbiddenMs = 0, forbiddenRequests: count = 0 }: StartOptions = {}): Promise<void> {
    store.resetWatches();
    forbiddenUntil = Date.now() + forbiddenMs;
    forbiddenRequests = count;
    await listener.start();
    loop.resume();
  }

  function setReady(name: string, isReady: boolean): void {
    const node = store.get(ids.nodes, undefined, name);
    if (node === undefined) return;
    cluster.change(ids.nodes, node, (draft) => {
      const condition = isReady
        ? { type: 'Ready', status: 'True', reason: 'KubeletReady' }
        : {
            type: 'Ready',
            status: 'Unknown',
            reason: 'NodeStatusUnknown',
            message: 'Kubelet stopped posting node status.',
          };
      const others = dicts(draft.status?.conditions).filter(({ type }) => type !== 'Ready');
      draft.status = { ...draft.status, conditions: withCondition(others, condition, loop.timestamp()) };
      const key = 'node.kubernetes.io/unreachable';
      const taints = dicts(draft.spec?.taints).filter((taint) => taint.key !== key);
      const added = isReady ? [] : ['NoSchedule', 'NoExecute'].map((effect) => ({ key, effect }));
      draft.spec = { ...draft.spec, taints: [...taints, ...added] };
      if (draft.spec.taints.length === 0) delete draft.spec.taints;
    });
  }

  return {
    url,
    get port() {
      return listener.port;
    },
    ca: certificates?.ca,
    requests,
    faults,
    errors,
    operatorLog,
    kubeconfig: (name) => kubeconfig(url, userOf(users, name), certificates),
    objects: store.list,
    put,
    advance: loop.advance,
    expireToken: (token) => void expired.add(token),
    kill,
    start,
    async restart(startOptions) {
      await kill();
      await start(startOptions);
    },
    cut: listener.cut,
    bookmark() {
      for (const send of bookmarkers) send();
    },
    compact: () => store.compact(),
    loseNode(name) {
      lost.add(name);
      setReady(name, false);
    },
    returnNode(name) {
      lost.delete(name);
      setReady(name, true);
      controllers.wakeNodes();
    },
    guestExit: controllers.guestExit,
    async close() {
      loop.stop();
      await listener.kill();
    },
  };
}

function certificatesOf({ tls }: KubeOptions, users: readonly User[]): Certificates | undefined {
  if (tls === undefined || tls === false) return undefined;
  return tls === true ? makeCertificates(users) : { ...tls, clients: {} };
}

function userOf(users: readonly User[], name: string | undefined): User {
  const user = name === undefined ? users[0] : users.find((one) => one.name === name);
  if (user === undefined) throw new Error(`the scenario has no user ${name}`);
  return user;
}

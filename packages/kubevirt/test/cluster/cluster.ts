import type { Clock } from '@vmgpu/core';
import { systemClock } from '@vmgpu/core/resilience';
import {
  type KubeObject,
  type KubeOptions,
  type KubeSimulator,
  type Scenario,
  sampleScenario,
  startKube,
} from '@vmgpu/simulators/kube';
import { kubeconfigTransport } from '../../src/client-node/index.ts';
import {
  createKubePort,
  createKubeVirt,
  type KubePort,
  type KubeTransport,
  type KubeVirtLive,
  type KubeVirtSettings,
  platformClusterRole,
  tenantClusterRole,
} from '../../src/index.ts';

/** Bearer tokens of the users of every test cluster. */
export const tokens = {
  admin: 'canary-admin-5b1f',
  ops: 'canary-ops-77d0',
  tenant: 'canary-tenant-c3e9',
} as const;
export type UserName = keyof typeof tokens;

/** The sample cluster with our two roles: `ops` has the platform's and the tenant's, `tenant` only his in `vms`. */
export function testScenario(scenario: Scenario = sampleScenario()): Scenario {
  const roles = [platformClusterRole, tenantClusterRole] as unknown as KubeObject[];
  return {
    ...scenario,
    objects: [...(scenario.objects ?? []), ...roles],
    users: [
      { name: 'admin', token: tokens.admin, groups: ['system:masters'] },
      { name: 'ops', token: tokens.ops, clusterRoles: ['vmgpu-platform', 'vmgpu-tenant'] },
      { name: 'tenant', token: tokens.tenant, roles: { vms: ['vmgpu-tenant'] } },
    ],
  };
}

/** The quick clock: waits that take seconds in the field take a fraction of them here. */
export const quickClock: Clock = {
  now: () => systemClock.now() * speed,
  sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / speed, signal),
};
const speed = 20;

export interface TestCluster {
  readonly kube: KubeSimulator;
  /** A provider of one user; `wrap` may put something around its transport. */
  connect(
    user: UserName,
    settings?: KubeVirtSettings & { wrap?: (inner: KubeTransport) => KubeTransport },
  ): Promise<KubeVirtLive>;
  port(user: UserName): Promise<KubePort>;
  close(): Promise<void>;
}

export async function startCluster(options: KubeOptions = {}): Promise<TestCluster> {
  const kube = await startKube({ ...options, scenario: testScenario(options.scenario) });
  const opened: { close?(): unknown }[] = [];
  const transportOf = (user: UserName) =>
    kubeconfigTransport({ content: JSON.stringify(kube.kubeconfig(user)) });
  return {
    kube,
    async port(user) {
      const port = createKubePort(await transportOf(user), { clock: quickClock, requestMs: 600_000 });
      opened.push(port);
      return port;
    },
    async connect(user, { wrap = (inner: KubeTransport) => inner, ...settings } = {}) {
      const port = createKubePort(wrap(await transportOf(user)), { clock: quickClock, requestMs: 600_000 });
      const provider = createKubeVirt({ port, namespace: 'vms', clock: quickClock, ...settings });
      opened.push(provider);
      return provider;
    },
    async close() {
      await Promise.all(opened.map((one) => one.close?.()));
      await kube.close();
    },
  };
}

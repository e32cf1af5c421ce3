import { type StructuralSchema, startKube } from '@vmgpu/simulators/kube';
import { describe } from 'vitest';
import { sharedJson } from '../../core/test/shared-data.ts';
import { testScenario } from './cluster/cluster.ts';
import { describeMachinery, type Machinery, type User } from './cluster/machinery-suite.ts';

/* The in-process server, held to Kubernetes' own machinery by the suite of e2e/kubevirt. */

const schemas = Object.fromEntries(
  ['KubeVirt', 'VirtualMachine', 'VirtualMachineInstance', 'VirtualMachineInstancetype'].flatMap((kind) => {
    const file = `kubevirt/crds/${kind.toLowerCase()}-v1.9.0.openAPIV3Schema.json`;
    const schema = sharedJson<{ openAPIV3Schema: StructuralSchema }>(file)?.openAPIV3Schema;
    return schema === undefined ? [] : [[kind, schema]];
  }),
);

describe.skipIf(Object.keys(schemas).length === 0)('custom resources on the simulator', () => {
  describeMachinery(openSimulator);
});

/** Custom resources alone: no controllers, no webhooks' objects. */
async function openSimulator(): Promise<Machinery> {
  const controllers = {
    scheduler: false,
    virtController: false,
    nodeAgent: false,
    gpuOperator: false,
    hco: false,
    virtOperator: false,
    dataVolumes: false,
  };
  const scenario = testScenario();
  const generations: Record<User, number> = { admin: 0, ops: 0 };
  const tokenOf = (user: User) => `machinery-${user}-${generations[user]}`;
  const users = (scenario.users ?? []).flatMap((user) =>
    [0, 1, 2, 3].map((number) => ({ ...user, token: `machinery-${user.name}-${number}` })),
  );
  const kube = await startKube({
    scenario: { ...scenario, users },
    schemas,
    controllers,
    freshnessTimeout: 50,
  });
  return {
    name: 'the simulator',
    races: 20,
    kubeconfig(user) {
      const config = kube.kubeconfig(user);
      return JSON.stringify({ ...config, users: [{ name: user, user: { token: tokenOf(user) } }] });
    },
    async expire(user) {
      kube.expireToken(tokenOf(user));
      generations[user] += 1;
    },
    kill: () => kube.kill(),
    start: () => kube.start({ forbiddenMs: 20 }),
    compact: async () => kube.compact(),
    close: () => kube.close(),
  };
}

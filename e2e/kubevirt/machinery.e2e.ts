/**
 * What concerns custom resources, on Kubernetes' own apiextensions-apiserver and etcd with KubeVirt's CRDs: the suite that
 * the simulator passes, and the live suite, whatever of it such a cluster can show.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { describeMachinery } from '../../packages/kubevirt/test/cluster/machinery-suite.ts';
import { openRealMachinery, stopRealMachinery } from './server.ts';

const root = join(import.meta.dirname, '../..');
const available = existsSync(join(root, '../shared/data/kubevirt/crds'));
if (!available) console.warn("KubeVirt's schemas are not here: the real machinery is not started");

describe.skipIf(!available)('custom resources on the real machinery', () => {
  afterAll(stopRealMachinery);

  describeMachinery(openRealMachinery);

  it('the live suite says what the cluster lacks and passes what is left', async () => {
    const { kubeconfigPath } = await openRealMachinery();
    const live = { VMGPU_LIVE_MAKE_KUBEVIRT: '1' };
    const { stdout } = await promisify(execFile)(
      join(root, 'node_modules/.bin/vitest'),
      ['run', 'packages/kubevirt/test/live.test.ts'],
      { cwd: root, env: { ...process.env, ...live, VMGPU_LIVE_KUBECONFIG: kubeconfigPath, NO_COLOR: '1' } },
    );
    console.log(stdout);
    expect(stdout).toMatch(/lacks:\n/);
    expect(stdout).toMatch(/nodes: /);
    expect(stdout).toMatch(/3 passed \| 2 skipped/);
  });
});

import { describeProvider } from '@vmgpu/conformance';
import { assert, describe, it } from 'vitest';
import { proxmoxHarness } from './conformance-harness.ts';

const runner = { describe, it: (name: string, body: () => Promise<void>) => it(name, body), assert };

/** kill.test.ts kills at every point there is; VMGPU_EXHAUSTIVE=1 lets this suite do so, too. */
const limits = process.env.VMGPU_EXHAUSTIVE ? {} : { killPoints: 6 };

describe('conformance: a VM is made', () => {
  describeProvider(runner, proxmoxHarness({ start: false }), limits);
});
describe('conformance: a VM is made and started', () => {
  describeProvider(runner, proxmoxHarness({ start: true }), limits);
});

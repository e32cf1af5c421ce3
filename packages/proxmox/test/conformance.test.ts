import { describeProvider } from '@vmgpu/conformance';
import { assert, describe, it } from 'vitest';
import { proxmoxHarness } from './conformance-harness.ts';

const runner = { describe, it: (name: string, body: () => Promise<void>) => it(name, body), assert };

describe('conformance: a VM is made', () => {
  describeProvider(runner, proxmoxHarness({ start: false }));
});
describe('conformance: a VM is made and started', () => {
  describeProvider(runner, proxmoxHarness({ start: true }));
});

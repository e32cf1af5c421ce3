import { describe, expect, it } from 'vitest';
import { isAttachment, parseGpuVm, VmgpuError } from '../src/index.ts';
import { refusedIntents } from './intents.ts';

const minimal = { apiVersion: 'vmgpu/v1', kind: 'GpuVm', metadata: { name: 'train-1' }, spec: {} };

function refusal(document: unknown): string {
  try {
    parseGpuVm(document);
  } catch (error) {
    expect(error).toBeInstanceOf(VmgpuError);
    return (error as VmgpuError).message;
  }
  throw new Error('was accepted');
}

describe('parseGpuVm', () => {
  it('accepts the smallest intent and returns it as it came in', () => {
    expect(parseGpuVm(minimal)).toBe(minimal);
  });

  it('names path, what was found and what was expected', () => {
    const message = refusal({
      ...minimal,
      spec: { memory: 64, cpus: 4, gpus: [{ name: 'g', mode: 'vgpu' }] },
    });
    expect(message).toContain('spec.memory: expected a string, found 64');
    expect(message).toContain('unknown key "cpus"');
    expect(message).toContain('spec.gpus[0].profile: expected a string, found nothing');
  });

  it('refuses a selector without any field, equal names, and a mode that does not exist', () => {
    const gpu = { name: 'g', mode: 'passthrough', device: { id: '10de:2236' } };
    expect(refusal({ ...minimal, spec: { gpus: [{ ...gpu, device: {} }] } })).toContain(
      'at least one of id, board',
    );
    expect(refusal({ ...minimal, spec: { gpus: [gpu, gpu] } })).toContain('every name only once');
    expect(refusal({ ...minimal, spec: { gpus: [{ ...gpu, mode: 'sriov' }] } })).toContain('spec.gpus[0]');
    expect(refusal({ ...minimal, spec: { gpus: [{ ...gpu, device: { id: '10de-2236' } }] } })).toContain(
      'expected vendor:device',
    );
  });

  it('lists all that is wrong at once, with line and column when they are known', () => {
    const document = { ...minimal, spec: { memory: 64, gpus: [{ name: 'a b', mode: 'vgpu', profile: '' }] } };
    const locate = (path: readonly (string | number)[]) => ({
      file: 'vm.yaml',
      line: path.length,
      column: 1,
    });
    expect(() => parseGpuVm(document, locate)).toThrow(
      [
        'not a valid GpuVm',
        '  vm.yaml:2:1: spec.memory: expected a string, found 64',
        '  vm.yaml:4:1: spec.gpus[0].name: expected 1 to 63 letters, digits, "-" or "_", found "a b"',
        '  vm.yaml:4:1: spec.gpus[0].profile: expected some text, found ""',
      ].join('\n'),
    );
  });

  it('carries the places as data', () => {
    try {
      parseGpuVm({ ...minimal, spec: { memory: 64 } });
      expect.unreachable();
    } catch (error) {
      const expected = { path: 'spec.memory', message: 'expected a string, found 64' };
      expect((error as VmgpuError).details).toEqual({ issues: [expected] });
    }
  });

  it.each(refusedIntents)('refuses %s, and says so without a stray secret or object dump', (_, document) => {
    const message = refusal(document);
    expect(message).not.toContain('[object');
    expect(message).not.toContain('undefined');
    expect(message.split('\n').length).toBeGreaterThan(1);
  });

  it('never shows a secret that stands at the wrong place', () => {
    const document = { ...minimal, spec: { userData: ['password=c4n4ry'], memory: 'password=c4n4ry' } };
    expect(refusal(document)).not.toContain('c4n4ry');
  });
});

describe('isAttachment', () => {
  const intent = (spec: object) => parseGpuVm({ ...minimal, spec });

  it('is an intent that says nothing but GPUs', () => {
    expect(isAttachment(intent({ gpus: [] }))).toBe(true);
    expect(isAttachment(intent({ gpus: [], providerOptions: { proxmox: {} } }))).toBe(true);
    expect(isAttachment(intent({ gpus: [], memory: undefined }))).toBe(true);
    expect(isAttachment(intent({ gpus: [], memory: '1GiB' }))).toBe(false);
    expect(isAttachment(intent({ gpus: [], hideHypervisor: false }))).toBe(false);
  });
});

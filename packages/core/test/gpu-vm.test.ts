import { describe, expect, it } from 'vitest';
import { parseGpuVm, VmgpuError } from '../src/index.ts';

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
});

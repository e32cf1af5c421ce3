import { describe, expect, it } from 'vitest';
import { type Finding, judge, type PciAddress, parsePciAddress, readinessOf } from '../src/index.ts';

const gpu = parsePciAddress('65:00.0');
const other = parsePciAddress('b3:00.0');

function finding(
  status: Finding['status'],
  severity: Finding['severity'] = 'blocker',
  device?: PciAddress,
): Finding {
  return { id: 'H01', title: 'x', status, severity, evidence: [], why: 'x', ...(device ? { device } : {}) };
}

describe('judge', () => {
  it.each([
    ['nothing was found', [], 'ready'],
    ['all pass', [finding('pass'), finding('not-applicable')], 'ready'],
    ['a blocker failed', [finding('pass'), finding('unknown'), finding('fail')], 'not-ready'],
    ['a blocker is unknown', [finding('pass'), finding('unknown')], 'unknown'],
    ['a blocker warns', [finding('warn')], 'ready'],
    ['only a warning failed', [finding('fail', 'warning'), finding('fail', 'info')], 'ready'],
    ['only a warning is unknown', [finding('unknown', 'warning')], 'ready'],
  ] as const)('%s', (_, findings, verdict) => {
    expect(judge(findings)).toBe(verdict);
  });
});

describe('readinessOf', () => {
  const subject = { host: 'gpu01', mode: 'vm-passthrough', devices: [gpu, other] } as const;

  it.each([
    ['both ready', [], ['ready', 'ready'], 'ready'],
    [
      'one GPU fails: the host still has one',
      [finding('fail', 'blocker', gpu)],
      ['not-ready', 'ready'],
      'ready',
    ],
    [
      'one fails, one is unknown',
      [finding('fail', 'blocker', gpu), finding('unknown', 'blocker', other)],
      ['not-ready', 'unknown'],
      'unknown',
    ],
    ['the host fails', [finding('fail')], ['not-ready', 'not-ready'], 'not-ready'],
    ['the host is unknown', [finding('unknown')], ['unknown', 'unknown'], 'unknown'],
    [
      'a finding of a GPU nobody asked about',
      [finding('fail', 'blocker', parsePciAddress('01:00.0'))],
      ['ready', 'ready'],
      'ready',
    ],
  ] as const)('%s', (_, findings, devices, verdict) => {
    const readiness = readinessOf(subject, findings);
    expect(readiness.devices.map((device) => device.verdict)).toEqual(devices);
    expect(readiness.verdict).toBe(verdict);
    expect(readiness.findings).toBe(findings);
  });

  it('finds a host without GPUs not ready', () => {
    expect(readinessOf({ ...subject, devices: [] }, []).verdict).toBe('not-ready');
  });

  it('names what it is about, and the platform only when one was asked for', () => {
    expect(readinessOf(subject, [])).toMatchObject({
      apiVersion: 'vmgpu/v1',
      kind: 'HostReadiness',
      host: 'gpu01',
      mode: 'vm-passthrough',
    });
    expect(readinessOf(subject, [])).not.toHaveProperty('platform');
    expect(readinessOf({ ...subject, platform: 'proxmox' }, []).platform).toBe('proxmox');
  });
});

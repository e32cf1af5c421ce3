import { type HostReadiness, isVmgpuError, type PciAddress, type PciId } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { assessHost, checks, explainGpu } from '../src/modules/index.ts';
import {
  audioAddress,
  containerHost,
  gpu,
  gpuAddress,
  hostFacts,
  managementDisplay,
  pciFunction,
  smi,
  unread,
  vgpuHost,
} from './facts-builder.ts';

const statusesOf = ({ findings }: HostReadiness, status: string) =>
  findings.filter((finding) => finding.status === status).map(({ id }) => id);

describe('verdicts of whole hosts', () => {
  it('finds a prepared host ready for passthrough', () => {
    const readiness = assessHost(hostFacts(), { mode: 'vm-passthrough' });
    expect(statusesOf(readiness, 'fail')).toEqual([]);
    expect(statusesOf(readiness, 'warn')).toEqual([]);
    expect(statusesOf(readiness, 'unknown')).toEqual([]);
    expect(readiness).toMatchObject({
      verdict: 'ready',
      devices: [{ address: gpuAddress, verdict: 'ready' }],
    });
  });

  it('finds a prepared host ready for containers, and not for passthrough at the same time', () => {
    expect(assessHost(containerHost(), { mode: 'container' })).toMatchObject({ verdict: 'ready' });
    const other = assessHost(containerHost(), { mode: 'vm-passthrough' });
    expect(other.verdict).toBe('not-ready');
    expect(statusesOf(other, 'fail')).toEqual(['H12', 'H15', 'H19']);
  });

  it('finds a vGPU host ready', () => {
    const readiness = assessHost(vgpuHost(), { mode: 'vm-vgpu', profile: 'RTXA6000-12Q' });
    expect(statusesOf(readiness, 'fail')).toEqual([]);
    expect(readiness.verdict).toBe('ready');
  });

  it('is unknown, not ready, when a blocker could not be judged', () => {
    const facts = hostFacts({ iommu: { interruptRemapping: unread } });
    const readiness = assessHost(facts, { mode: 'vm-passthrough' });
    expect(statusesOf(readiness, 'unknown')).toEqual(['H14']);
    expect(readiness.verdict).toBe('unknown');
  });

  it('keeps one GPU ready while its neighbour is not', () => {
    const second = gpu({ address: '0000:b3:00.0' as PciAddress, driver: 'nouveau', companions: [] });
    const readiness = assessHost(hostFacts({ gpus: [gpu(), second] }), { mode: 'vm-passthrough' });
    expect(readiness.devices.map(({ verdict }) => verdict)).toEqual(['ready', 'not-ready']);
    expect(readiness.verdict).toBe('ready');
  });

  it('says why a host without GPUs is not ready', () => {
    const readiness = assessHost(hostFacts({ gpus: [managementDisplay] }), { mode: 'vm-passthrough' });
    expect(readiness.verdict).toBe('not-ready');
    expect(readiness.findings[0]).toMatchObject({ id: 'H00', status: 'fail' });
    expect(readiness.findings[0]?.evidence[0]?.text).toContain('ASPEED');
  });

  it('judges what was asked for, and names what is there when it is not', () => {
    const asked = assessHost(hostFacts(), { mode: 'vm-passthrough', devices: [managementDisplay.address] });
    expect(asked.devices).toHaveLength(1);
    try {
      assessHost(hostFacts(), { mode: 'vm-passthrough', devices: [audioAddress] });
      expect.unreachable();
    } catch (error) {
      expect(isVmgpuError(error) && error.code).toBe('not-found');
      expect(isVmgpuError(error) && error.hint).toContain(gpuAddress);
    }
  });

  it('takes a virtual function for its GPU when vGPUs are meant', () => {
    const facts = vgpuHost();
    const address = facts.gpus.find(({ role }) => role === 'virtual')?.address as PciAddress;
    expect(assessHost(facts, { mode: 'vm-vgpu', devices: [address] }).devices).toEqual([
      { address: gpuAddress, verdict: 'ready' },
    ]);
  });

  it('leaves an integrated Intel GPU out when there is a card', () => {
    const integrated = gpu({
      address: '0000:00:02.0' as PciAddress,
      id: '8086:3e98' as PciId,
      vendor: 'intel',
    });
    const both = assessHost(hostFacts({ gpus: [integrated, gpu()] }), { mode: 'vm-passthrough' });
    expect(both.devices.map(({ address }) => address)).toEqual([gpuAddress]);
    const alone = assessHost(hostFacts({ gpus: [integrated] }), { mode: 'vm-passthrough' });
    expect(alone.devices.map(({ address }) => address)).toEqual([integrated.address]);
  });

  it('never passes on what it does not know', () => {
    const blank = hostFacts({
      system: { os: unread, cpu: unread, kvmDevice: unread, virtualization: unread, kernelRelease: unread },
      boot: {
        cmdline: unread,
        acpiTables: unread,
        initramfs: unread,
        rebootRequired: unread,
        entries: unread,
      },
      iommu: { units: unread, groups: unread, interruptRemapping: unread },
      kernelModules: {
        loaded: unread,
        vfioPci: unread,
        vfioPciIds: unread,
        modprobe: unread,
        loadAtBoot: unread,
      },
      gpus: [
        gpu({ driver: unread, iommuGroup: unread, bars: unread, bootVga: unread, resetMethods: unread }),
      ],
      kernelLog: unread,
    });
    const readiness = assessHost(blank, { mode: 'vm-passthrough' });
    expect(readiness.verdict).toBe('unknown');
    expect(statusesOf(readiness, 'fail')).toEqual([]);
    expect(statusesOf(readiness, 'pass').sort()).toEqual([
      'H00',
      'H01',
      'H32',
      'H36',
      'H37',
      'H38',
      'H39',
      'H40',
    ]);
  });

  it('gives every finding evidence or a reason, and every fault a remedy', () => {
    const hosts = [hostFacts(), containerHost(), vgpuHost()];
    for (const facts of hosts) {
      for (const mode of ['container', 'vm-passthrough', 'vm-vgpu'] as const) {
        for (const finding of assessHost(facts, { mode }).findings) {
          expect(finding.why).toMatch(/\w.*[.]$/s);
          if (finding.status === 'fail') expect(finding.remedy, finding.id).toBeTruthy();
          if (finding.status === 'fail' || finding.status === 'warn')
            expect(finding.evidence.length, finding.id).toBeGreaterThan(0);
        }
      }
    }
  });
});

describe('the table of checks', () => {
  it('has every check once, in order', () => {
    const ids = checks.map(({ id }) => id);
    const range = (letter: string, last: number) =>
      Array.from({ length: last }, (_, index) => `${letter}${String(index + 1).padStart(2, '0')}`);
    expect(ids).toEqual(['H00', ...range('H', 45), ...range('V', 13), ...range('K', 3), 'A01', 'I01']);
  });
});

describe('explainGpu', () => {
  const text = (facts: Parameters<typeof explainGpu>[0]) =>
    explainGpu(facts, gpuAddress)
      .map((item) => item.text)
      .join(' ');

  it('says what goes with the card', () => {
    expect(text(hostFacts())).toContain('0000:65:00.1 (audio, driver vfio-pci)');
    expect(text(hostFacts())).toContain('holds nothing but this card');
  });

  it('names foreign members of the group', () => {
    const disk = pciFunction({ address: '0000:66:00.0' as PciAddress, class: '0108', driver: 'nvme' });
    expect(text(hostFacts({ gpus: [gpu({ groupNeighbours: [disk] })] }))).toContain(
      'shares IOMMU group 27 with 0000:66:00.0',
    );
  });

  it('does not promise vGPUs because a GPU has the SR-IOV capability', () => {
    expect(text(hostFacts({ gpus: [gpu({ sriovTotal: 16 })] }))).toContain('does not mean');
    expect(text(vgpuHost())).toContain('RTXA6000-12Q');
    expect(text(hostFacts({ nvidia: { gpus: [smi()] } }))).toContain('offers no vGPUs now');
  });
});

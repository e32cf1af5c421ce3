import { type HostReadiness, hostModes, unknown } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { type HostFacts, hostFactsFromText } from '../src/facts/index.ts';
import { assessHost, explainGpu } from '../src/modules/index.ts';
import { collected, exampleCapture, exampleNames, filesBelow, readText } from './capture-samples.ts';

const failed = ({ findings }: HostReadiness) => [
  ...new Set(findings.filter(({ status }) => status === 'fail').map(({ id }) => id)),
];

describe('example captures', () => {
  const assess = (name: string) =>
    assessHost(hostFactsFromText(exampleCapture(name), { file: name }), { mode: 'vm-passthrough' });

  it('finds what an ordinary Proxmox host with one GPU lacks', () => {
    const readiness = assess('gt1030-proxmox.txt');
    expect(failed(readiness)).toEqual(['H19', 'H22']);
    expect(readiness.findings.find(({ id }) => id === 'H27')?.why).toContain('only display');
  });

  it('sees that a reboot with the configuration in place has freed the GPUs', () => {
    expect(failed(assess('qemu-intel-before.txt'))).toContain('H09');
    const after = assess('qemu-intel-after.txt');
    expect(failed(after)).toEqual(['H07']);
    expect(after.findings.filter(({ id, status }) => id === 'H19' && status === 'pass')).toHaveLength(3);
  });
});

/** Every capture that yields facts: ours and, where they lie beside the project, those of real hosts. */
function everyHost(): HostFacts[] {
  const texts = [
    ...exampleNames.map(exampleCapture),
    ...(collected === undefined ? [] : filesBelow(collected).map((path) => readText(`${collected}/${path}`))),
  ];
  return texts.flatMap((text) => {
    try {
      return [hostFactsFromText(text)];
    } catch {
      return [];
    }
  });
}

describe('all captures', () => {
  const hosts = everyHost();

  it('are judged and explained without an error, each fault with its evidence', () => {
    console.info(`${hosts.length} captures judged`);
    expect(hosts.length).toBeGreaterThanOrEqual(exampleNames.length);
    for (const facts of hosts) {
      for (const mode of hostModes) {
        for (const { status, evidence, remedy, id } of assessHost(facts, { mode }).findings) {
          if (status !== 'fail') continue;
          expect(evidence.length, id).toBeGreaterThan(0);
          expect(remedy, id).toBeTruthy();
        }
      }
      for (const { address } of facts.gpus) expect(explainGpu(facts, address).length).toBeGreaterThan(4);
    }
  });

  it('are never judged better when less is known', () => {
    for (const facts of hosts) {
      const blind: HostFacts = {
        ...facts,
        kernelLog: unknown('dmesg is restricted'),
        iommu: { ...facts.iommu, interruptRemapping: unknown('dmesg is restricted') },
      };
      for (const mode of hostModes) {
        const { verdict } = assessHost(facts, { mode });
        const { verdict: blindVerdict } = assessHost(blind, { mode });
        if (verdict !== 'ready') expect(blindVerdict, `${facts.host} ${mode}`).not.toBe('ready');
      }
    }
  });
});

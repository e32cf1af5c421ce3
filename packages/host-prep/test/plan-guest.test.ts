import { catalog } from '@vmgpu/core/catalog';
import { describe, expect, it } from 'vitest';
import { assessHost } from '../src/modules/index.ts';
import { planGuest } from '../src/plan/index.ts';
import { renderHostPlan } from '../src/render/index.ts';
import { type FactsOverrides, containerHost as factsOf, gpu, smi } from './facts-builder.ts';

const bare: FactsOverrides = {
  gpus: [gpu({ driver: 'nouveau' })],
  nvidia: { flavour: null, driverVersion: null, smiPresent: false, gpus: [] },
  containers: { toolkitVersion: null, cdiFiles: [], configuredRuntimes: [] },
};
const ubuntu = { id: 'ubuntu', idLike: ['debian'], versionId: '24.04', prettyName: 'Ubuntu', ostree: false };

describe('a guest', () => {
  it('without a driver gets nouveau off, driver, toolkit, runtime and CDI, in this order', () => {
    const facts = factsOf({ ...bare, system: { os: ubuntu } });
    const plan = planGuest(facts, { runtimes: ['containerd'] }, catalog);
    expect(plan.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
    const ids = plan.steps.map(({ id }) => id);
    const order = ['write/etc/modprobe.d/zz-vmgpu.conf', 'reboot', 'package/nvidia-utils-580-server'].concat([
      'package/nvidia-container-toolkit',
      'nvidia-ctk/containerd',
      'service/containerd',
      'cdi',
      'verify',
    ]);
    expect(ids.filter((id) => order.includes(id))).toEqual(order);
    const script = renderHostPlan(plan, 'sh').content;
    expect(script.format === 'text' && script.text).toContain('nvidia-headless-580-server-open');
  });

  it.each([
    ['10de:1bb3:10de:11d8', 'nvidia-headless-580-server '],
    ['10de:2bb5:10de:204e', 'nvidia-headless-580-server-open '],
  ])('with %s gets the modules that drive it', (id, words) => {
    const facts = factsOf({
      ...bare,
      system: { os: ubuntu },
      gpus: [gpu({ id: id as never, driver: null })],
    });
    const [step] = planGuest(facts, {}, catalog).steps.filter(({ kind }) => kind === 'package');
    expect(step?.summary).toContain(words);
  });

  it('with driver and toolkit needs nothing, and is judged by what nvidia-smi says', () => {
    for (const flavour of ['open', 'data-centre', 'vgpu-guest'] as const) {
      const facts = factsOf({
        gpus: [gpu({ driver: 'nvidia' })],
        nvidia: { flavour, driverVersion: '580.95.05', smiPresent: true, gpus: [smi()] },
        containers: {
          toolkitVersion: '1.17.8',
          cdiFiles: ['nvidia.yaml'],
          configuredRuntimes: ['containerd'],
        },
        deviceNodes: ['nvidia0', 'nvidiactl'],
      });
      const plan = planGuest(facts, { runtimes: ['containerd'] }, catalog);
      expect(plan.steps.filter(({ kind }) => kind === 'package' || kind === 'run')).toEqual([]);
      const { findings } = assessHost(facts, { mode: 'container' });
      expect(findings.filter(({ id, status }) => ['H44', 'H45'].includes(id) && status !== 'pass')).toEqual(
        [],
      );
    }
  });

  it('of another distribution must be told its driver; one without a GPU is told to look outside', () => {
    const arch = { ...ubuntu, id: 'arch', idLike: [] };
    const plan = planGuest(factsOf({ ...bare, system: { os: arch } }));
    expect(plan.diagnostics).toContainEqual(
      expect.objectContaining({ kind: 'blocked', code: 'host.driver' }),
    );
    const given = planGuest(factsOf({ ...bare, system: { os: arch } }), { runFile: '/root/guest.run' });
    expect(given.steps).toContainEqual(
      expect.objectContaining({ argv: ['sh', '/root/guest.run', '--silent', '--dkms'] }),
    );
    expect(() => planGuest(factsOf({ gpus: [] }))).toThrow(/no NVIDIA GPU/);
  });
});

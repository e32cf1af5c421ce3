import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { describe, expect, it } from 'vitest';

// Promise: everything that decides runs in a browser. Here it does: all pure rooms in one page of a real Chromium.

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
if (!executablePath)
  console.warn('no Chromium on this machine: the browser test is skipped (apt-get install chromium)');

const page = `
  import { parseGpuVm } from '@vmgpu/core';
  import { catalog } from '@vmgpu/core/catalog';
  import { hostFactsFromText, hostInventory } from '@vmgpu/host-prep/facts';
  import { assessHost } from '@vmgpu/host-prep/readiness';
  import * as kubevirt from '@vmgpu/kubevirt/translate';
  import * as openstack from '@vmgpu/openstack/translate';
  import * as proxmox from '@vmgpu/proxmox/translate';

  const lspci = '65:00.0 3D controller [0302]: NVIDIA Corporation GA102GL [A10] [10de:2236] (rev a1)\\n\\tKernel driver in use: vfio-pci\\n';
  const facts = hostFactsFromText(lspci, { file: 'page.txt' });
  const readiness = assessHost(facts, { mode: 'vm-passthrough', catalog });
  const intent = parseGpuVm({
    apiVersion: 'vmgpu/v1', kind: 'GpuVm', metadata: { name: 'page-1' },
    spec: { memory: '8GiB', gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } }] },
  });
  const plans = [
    kubevirt.kubevirtTranslator.plan(intent, kubevirt.offlineSnapshot({ hosts: [hostInventory(facts)] }), { catalog }),
    openstack.openstackTranslator.plan(intent, openstack.offlineSnapshot({ hosts: [hostInventory(facts)] }), { catalog }),
    proxmox.proxmoxTranslator.plan(intent, proxmox.offlineSnapshot({ hosts: [hostInventory(facts)] }), { catalog }),
  ];
  window.result = {
    process: typeof process,
    gpus: facts.gpus.length,
    findings: readiness.findings.length,
    steps: plans.map((plan) => [plan.platform, plan.steps.length]),
  };
`;

describe.skipIf(!executablePath)('in Chromium', () => {
  it('reads a host, judges it and plans for three platforms, with no console error', async () => {
    const bundle = await build({
      stdin: { contents: page, resolveDir: import.meta.dirname, loader: 'ts' },
      bundle: true,
      format: 'esm',
      platform: 'browser',
      conditions: ['@vmgpu/source'],
      write: false,
    });
    const script = bundle.outputFiles[0]?.text ?? '';
    const server = createServer((request, response) => {
      const isScript = request.url === '/page.js';
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      response.end(
        isScript
          ? script
          : '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({
      executablePath: executablePath ?? '',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    try {
      const tab = await browser.newPage();
      const complaints: string[] = [];
      tab.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      tab.on('pageerror', (error) => complaints.push(String(error)));
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const result = await tab
        .waitForFunction(() => (window as unknown as { result?: unknown }).result, null, { timeout: 20_000 })
        .then(
          (handle) =>
            handle.jsonValue() as Promise<{
              process: string;
              gpus: number;
              findings: number;
              steps: [string, number][];
            }>,
        );
      expect(complaints).toEqual([]);
      expect(result.process).toBe('undefined');
      expect(result.gpus).toBe(1);
      expect(result.findings).toBeGreaterThan(20);
      expect(result.steps.map(([platform]) => platform)).toEqual(['kubevirt', 'openstack', 'proxmox']);
      for (const [, steps] of result.steps) expect(steps).toBeGreaterThan(0);
    } finally {
      await browser.close();
      server.close();
    }
  });
});

import { describe, expect, it } from 'vitest';
import { sharedJson } from '../../core/test/shared-data.ts';
import {
  harvesterDeviceName,
  kubevirtVgpuName,
  pluginDeviceName,
  pluginVgpuName,
  predictVgpuFullName,
  resourceNameProblem,
} from '../src/translate/names.ts';
import { deviceOfResource } from '../src/translate/reverse-names.ts';
import { smallCatalog } from './support.ts';

describe('names of passthrough devices', () => {
  it.each([
    ['GP104GL [Tesla P4]', 'GP104GL_TESLA_P4'],
    ['GA107GL [A2 / A16]', 'GA107GL_A2___A16'],
    ['GH100 [GH200 144G HBM3e]', 'GH100_GH200_144G_HBM3E'],
    ['GB100 [TS4 / B100]', 'GB100_TS4___B100'],
    ['TU102GL [Quadro RTX 6000/8000]', 'TU102GL_QUADRO_RTX_6000_8000'],
    [
      'GB202GL [RTX PRO 6000 Blackwell Max-Q Workstation Edition]',
      'GB202GL_RTX_PRO_6000_BLACKWELL_MAXQ_WORKSTATION_EDITION',
    ],
    ['TU104 USB 3.1 Host Controller', 'TU104_USB_3_1_HOST_CONTROLLER'],
    ['GA104 [RTX A4500 Embedded GPU ]', 'GA104_RTX_A4500_EMBEDDED_GPU_'],
    ['gk104.gl [grid/k./520]', 'GK104_GL_GRID_K__520'],
  ])('%s', (text, name) => expect(pluginDeviceName(text)).toBe(name));

  it("Harvester trims the end and shortens 'virtual function'", () => {
    expect(harvesterDeviceName('GA104 [RTX A4500 Embedded GPU ]')).toBe('GA104_RTX_A4500_EMBEDDED_GPU');
    expect(harvesterDeviceName('Ethernet Virtual Function 700')).toBe('ETHERNET_VF_700');
  });

  const table = sharedJson<{ rows: [string, string, string][] }>(
    'kubevirt/nvidia-plugin/passthrough-names-v1.6.0.json',
  );
  it.skipIf(table === undefined)("all 1931 names are those of the plugin's own function", () => {
    const different = table?.rows.filter(([, text, name]) => text !== '' && pluginDeviceName(text) !== name);
    expect(table?.rows).toHaveLength(1931);
    expect(different).toEqual([]);
  });
});

describe('names of vGPUs', () => {
  it.each([
    ['GRID T4-1Q\n', 'GRID_T4-1Q'],
    ['NVIDIA A100-1-5CME\n', 'NVIDIA_A100-1-5CME'],
    ['NVIDIA RTX Pro 6000 Blackwell DC-48C', 'NVIDIA_RTX_Pro_6000_Blackwell_DC-48C'],
    ['NVIDIA  A40-8Q \n', 'NVIDIA_A40-8Q_'],
  ])('%j', (text, name) => expect(pluginVgpuName(text)).toBe(name));

  it('KubeVirt keeps both of two blanks', () =>
    expect(kubevirtVgpuName('NVIDIA  A40-8Q')).toBe('NVIDIA__A40-8Q'));

  it.each([
    ['T4-8Q', 'GRID T4-8Q'],
    ['P4-1Q', 'GRID P4-1Q'],
    ['V100DX-16Q', 'GRID V100DX-16Q'],
    ['RTX6000P-4Q', 'GRID RTX6000P-4Q'],
    ['RTX6000-Ada-2Q', 'NVIDIA RTX6000-Ada-2Q'],
    ['A10-24Q', 'NVIDIA A10-24Q'],
    ['GRID_A100-10C', 'GRID A100-10C'],
  ])('predicts %s as %s', (short, full) => expect(predictVgpuFullName(short)).toBe(full));

  const vectors = sharedJson<{ Raw: string; Resource: string }[]>('kubevirt/nvidia-plugin/vgpu-names.json');
  it.skipIf(vectors === undefined).each(vectors ?? [])(
    "$Raw is the plugin's own answer",
    ({ Raw, Resource }) => expect(pluginVgpuName(Raw)).toBe(Resource),
  );
});

describe('resource names that no node can publish', () => {
  it.each([
    'nvidia.com /GRID_P4-1Q',
    'GRID_P4-1Q',
    'nvidia.com/GA104_RTX_A4500_EMBEDDED_GPU_',
    `nvidia.com/${'A'.repeat(64)}`,
    'Nvidia.com/X',
    'nvidia.com/',
  ])('%s', (name) => expect(resourceNameProblem(name)).toBeDefined());
  it.each(['nvidia.com/GA102GL_A10', 'nvidia.com/2bb9', 'amd.com/gpu', `a.b/${'A'.repeat(63)}`])(
    '%s is fine',
    (name) => expect(resourceNameProblem(name)).toBeUndefined(),
  );
});

describe('from a resource back to a device', () => {
  const of = (name: string) => deviceOfResource(name, { catalog: smallCatalog });
  it('by the naming rule', () =>
    expect(of('nvidia.com/GA102GL_A10')).toMatchObject({ ids: ['10de:2236'], certainty: 'predicted' }));
  it('shared names give every id', () =>
    expect(of('nvidia.com/GA100_A100_PCIE_40GB').ids).toEqual(['10de:20f1', '10de:20b1']));
  it('old spelling', () =>
    expect(of('nvidia.com/GP104GL_Tesla_P4')).toMatchObject({
      ids: ['10de:1bb3'],
      certainty: 'matched old spelling',
    }));
  it('bare id', () =>
    expect(of('nvidia.com/2bb9')).toMatchObject({ ids: ['10de:2bb9'], certainty: 'predicted' }));
  it('vGPU', () => expect(of('nvidia.com/GRID_P4-1Q')).toMatchObject({ mode: 'vgpu', profile: 'P4-1Q' }));
  it('long vGPU name', () =>
    expect(of('nvidia.com/NVIDIA_RTX_Pro_6000_Blackwell_DC-48C')).toMatchObject({
      mode: 'vgpu',
      profile: 'DC-48C',
    }));
  it('says when it does not know', () => expect(of('nvidia.com/SOMETHING').certainty).toBe('unknown'));
  it('the allow-list is surest', () => {
    const permitted = [
      { list: 'pciHostDevices', selector: '10DE:2235', resourceName: 'x.com/own', external: false },
    ] as const;
    expect(deviceOfResource('x.com/own', { permitted })).toMatchObject({
      ids: ['10de:2235'],
      certainty: 'permitted',
    });
  });
});

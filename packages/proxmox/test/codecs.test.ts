import { isVmgpuError } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import {
  nextStart,
  offlineSnapshot,
  parseHostPci,
  parseMappingEntry,
  parseNodeReport,
  parsePciConfig,
  parseSnapshot,
  parseVmConfig,
  printHostPci,
  printPciConfig,
  printVmConfig,
} from '../src/translate/index.ts';
import { canonicalOption, requestForm } from '../src/translate/option-text.ts';
import { missingPermissions, permissionsNeeded } from '../src/translate/permissions.ts';
import { atLeast } from '../src/translate/versions.ts';
import { isVmOption } from '../src/translate/vm-schema.ts';
import { available, text } from './shared.ts';

describe('hostpci', () => {
  it.each([
    ['pcie=1,0000:26:00', '0000:26:00,pcie=1'],
    ['mapping=gpu,x-vga=YES,pcie=on', 'mapping=gpu,pcie=1,x-vga=1'],
    ['26:00.0,rombar=False,romfile=a.rom', '26:00.0,rombar=0,romfile=a.rom'],
    [',,81:00.1,driver=keep,', '81:00.1,driver=keep'],
  ])('%s is printed as %s', (written, printed) => {
    expect(printHostPci(parseHostPci(written))).toBe(printed);
  });

  it.each([
    ['gt1030', 'host: value does not match the regex pattern'],
    ['26:00.0,pcie', 'duplicate key in comma-separated list property: host'],
    ['26:00.0,pcie=2', "pcie: type check ('boolean') failed - got '2'"],
    ['26:00.0,__proto__=1', '__proto__: property is not defined in schema'],
    ['mapping=g', "invalid configuration ID 'g'"],
  ])('%s is refused: %s', (written, why) => {
    expect(() => parseHostPci(written)).toThrow(why);
    try {
      parseHostPci(written, 'hostpci0');
    } catch (error) {
      expect(isVmgpuError(error) && [error.code, error.where?.path, error.found]).toEqual([
        'bad-input',
        'hostpci0',
        written,
      ]);
    }
  });
});

describe('option texts', () => {
  it.each([
    ['efidisk0', 'local-lvm:vm-101-disk-0,efitype=4m,ms-cert=2023k,size=4M', 'local-lvm:1,efitype=4m'],
    ['scsi0', 'local-lvm:vm-101-disk-1,iothread=1,discard=on,size=32G', 'local-lvm:32,discard=on,iothread=1'],
    ['ide2', 'local-lvm:vm-101-cloudinit,media=cdrom,size=4M', 'local-lvm:cloudinit,media=cdrom'],
    ['ide2', 'local:iso/debian.iso,media=cdrom,size=600M', 'local:iso/debian.iso,media=cdrom'],
    ['scsi1', '/dev/disk/by-id/x,size=1G', '/dev/disk/by-id/x,size=1G'],
    ['machine', 'type=q35,viommu=intel', 'q35,viommu=intel'],
    ['hostpci0', '26:00,pcie=0,rombar=1', '26:00'],
  ])('%s %s is asked for as %s', (option, stored, request) => {
    expect(requestForm(option, stored)).toBe(request);
    expect(canonicalOption(option, request)).toBe(request);
  });
});

describe('VM configuration files', () => {
  const config = [
    '#Rendert nachts%3A 100% GPU',
    '#%C3%A4 %2541',
    'balloon: 0',
    'boot: order=scsi0',
    'hostpci0: 0000:26:00,pcie=1',
    '',
    '[PENDING]',
    'delete: vga,!cpu',
    'memory: 4096',
    '',
    '[special:cloudinit]',
    'name: x',
    '',
    '[before-upgrade]',
    '#first',
    'memory: 2048',
    'snaptime: 1',
    '',
  ].join('\n');

  it('come back byte for byte', () => {
    expect(printVmConfig(parseVmConfig(config))).toBe(config);
  });

  it('decode the description and merge what is pending', () => {
    const parsed = parseVmConfig(config);
    expect(parsed.options.description).toBe('Rendert nachts: 100% GPU\nä %41');
    expect(parsed.pending?.delete).toEqual([
      { option: 'vga', force: false },
      { option: 'cpu', force: true },
    ]);
    expect(nextStart(parsed)).toMatchObject({ memory: '4096', balloon: '0' });
    expect(
      nextStart({
        options: { vga: 'none' },
        pending: { options: {}, delete: [{ option: 'vga', force: false }] },
      }),
    ).toEqual({});
  });

  it('name the line that is none', () => {
    expect(() => parseVmConfig('memory: 1\n  cores 4\n', '100.conf')).toThrow('100.conf:2:1');
  });

  it.skipIf(!available)('observed ones come back byte for byte', () => {
    for (const name of ['gt1030-by-address', 'multi-gpu', 'windows-gaming', 'a10-vgpu']) {
      const observed = text(`examples/${name}.conf`);
      expect(printVmConfig(parseVmConfig(observed))).toBe(observed);
    }
  });
});

describe('pci.cfg', () => {
  const written =
    'gpu\n\tmap id=10de:1d01,node=pve1,path=0000:26:00\n\tdescription GT 1030\n\tlive-migration-capable 1\n\tmdev 0\n\nother\n\tmap node=pve2,path=0000:01:00.0,id=10de:2684\n\n';
  it('comes back byte for byte', () => {
    expect(printPciConfig(parsePciConfig(written))).toBe(written);
  });
  it('names the line that is none', () => {
    expect(() => parsePciConfig('\tmap x\n', 'pci.cfg')).toThrow('pci.cfg:1:1');
    expect(() => parsePciConfig('gpu\n\tcolour red\n')).toThrow('expected map, mdev');
  });
  it('entries are checked', () => {
    expect(() => parseMappingEntry('node=pve1,path=26:00.0,id=10de:1d01')).toThrow(
      'path: value does not match',
    );
    expect(() => parseMappingEntry('node=pve1,id=10de:1d01')).toThrow('path: property is missing');
  });
});

describe('permissions', () => {
  const request = { vmid: 100, create: false, options: { hostpci0: 'mapping=gpu,pcie=1', memory: '4096' } };
  it('a token needs the mapping and the options’ privileges, by inheritance', () => {
    const needs = permissionsNeeded(request);
    expect(
      missingPermissions(needs, {
        user: 'a@pve!ci',
        privileges: { '/vms': ['VM.Config.HWType', 'VM.Config.Memory'], '/mapping/pci/gpu': ['Mapping.Use'] },
      }),
    ).toEqual([]);
    expect(
      missingPermissions(needs, { user: 'a@pve!ci', privileges: { '/vms': ['VM.Config.HWType'] } }),
    ).toMatchObject([
      { path: '/mapping/pci/gpu', anyOf: ['Mapping.Use'] },
      { path: '/vms/100', anyOf: ['VM.Config.Memory'] },
    ]);
  });
  it('only a ticket of root@pam may touch an address, before or after', () => {
    const replaced = permissionsNeeded({ ...request, current: { hostpci0: '26:00' } });
    for (const user of ['root@pam!ci', 'root@pve', 'dev@pve']) {
      expect(missingPermissions(replaced, { user })).toMatchObject([{ kind: 'root', option: 'hostpci0' }]);
    }
    expect(missingPermissions(replaced, { user: 'root@pam' })).toEqual([]);
  });
  it('romfile is root’s since 9.2', () => {
    const options = { hostpci0: 'mapping=gpu,romfile=a.rom' };
    const roots = (version: string) =>
      permissionsNeeded({ ...request, options }, version).filter(({ kind }) => kind === 'root');
    expect(roots('9.2.6')).toHaveLength(1);
    expect(roots('9.1.4')).toHaveLength(0);
  });
});

describe('snapshots', () => {
  it('are made of captures and read back from disk', () => {
    expect(parseSnapshot(JSON.parse(JSON.stringify(offlineSnapshot())))).toEqual(offlineSnapshot());
  });
  it('bring the API’s numbers into one form', () => {
    const raw = {
      ...offlineSnapshot(),
      mappings: [{ id: 'a', map: [], mdev: 1 }],
      vms: [{ vmid: 1, node: 'n', config: { memory: 512, onboot: true } }],
    };
    const snapshot = parseSnapshot(raw);
    expect(snapshot.mappings?.[0]?.mdev).toBe(true);
    expect(snapshot.vms?.[0]?.config).toEqual({ memory: '512', onboot: '1' });
    expect(() => parseSnapshot({ ...raw, nodes: [{}] })).toThrow('nodes[0].name');
  });
});

it('versions are compared by number', () => {
  expect([
    atLeast('9.10', '9.2'),
    atLeast('9.2', '9.2.6'),
    atLeast('9.2.6', '9.2'),
    atLeast('8.4', '9.0'),
  ]).toEqual([true, false, true, false]);
});

describe.skipIf(!available)('the API schema', () => {
  it('has the options that we know, and we know all of its', () => {
    const schema = JSON.parse(text('pve-9.2.6-vm-gpu-schema.json')) as {
      methods: Record<string, { parameters: { properties: object } }>;
    };
    const control =
      /^(node|vmid|archive|background_delay|bwlimit|delete|digest|force|ha-managed|import-working-storage|live-restore|pool|revert|skiplock|start|storage|unique)$/;
    const names = Object.keys(
      schema.methods['PVE::API2::Qemu:create_vm']?.parameters.properties ?? {},
    ).filter((name) => !control.test(name));
    expect(names.length).toBeGreaterThan(400);
    expect(names.filter((name) => !isVmOption(name))).toEqual([]);
    expect(['hostpci16', 'net32', 'foo', 'hostpci', 'scsi01'].filter(isVmOption)).toEqual([]);
  });

  it('the report is taken apart', () => {
    const report = parseNodeReport(text('examples/report.sample.txt'));
    expect(report).toMatchObject({ kernel: '6.17.2-1-pve', versions: { 'qemu-server': '9.0.30' } });
    expect(report.cmdline).toContain('BOOT_IMAGE=');
    expect(report.lspci?.split('\n').at(-1)).toContain('Kernel modules:');
    expect(report.bootToolStatus).toContain('proxmox-boot-uuids');
    expect(report.commands['cat /etc/pve/qemu-server/101.conf']).toContain('hostpci0');
  });
});

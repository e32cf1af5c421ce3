import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { functionsScript } from '../src/plan/vgpu-script.ts';

const gpu = '0000:65:00.0';
const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** A /sys with one GPU: the functions it has, and the driver that holds it. */
function fakeSys({ numvfs = 0, driver = 'gim' as string | null, functions = 0 } = {}) {
  const sys = mkdtempSync(join(tmpdir(), 'vmgpu-functions-'));
  roots.push(sys);
  const devices = join(sys, 'bus/pci/devices');
  mkdirSync(join(devices, gpu), { recursive: true });
  writeFileSync(join(devices, gpu, 'sriov_numvfs'), `${numvfs}\n`);
  writeFileSync(join(devices, gpu, 'sriov_drivers_autoprobe'), '1\n');
  writeFileSync(join(sys, 'bus/pci/drivers_probe'), '');
  if (driver !== null) {
    mkdirSync(join(sys, 'bus/pci/drivers', driver), { recursive: true });
    symlinkSync(join(sys, 'bus/pci/drivers', driver), join(devices, gpu, 'driver'));
  }
  for (let index = 0; index < functions; index++) {
    const address = `0000:65:00.${index + 1}`;
    mkdirSync(join(devices, address));
    writeFileSync(join(devices, address, 'driver_override'), '(null)\n');
    symlinkSync(join(devices, address), join(devices, gpu, `virtfn${index}`));
  }
  const read = (path: string) => readFileSync(join(sys, 'bus/pci', path), 'utf8').trim();
  return { sys, read };
}

function apply(sys: string, list = `${gpu} 4\n`, action = 'apply') {
  const work = mkdtempSync(join(tmpdir(), 'vmgpu-functions-'));
  roots.push(work);
  writeFileSync(join(work, 'list'), list);
  // modprobe is taken from the host by the script's PATH; here there is none.
  writeFileSync(join(work, 'apply'), functionsScript.replace(/^PATH=.*$/m, 'modprobe() { :; }'));
  return spawnSync('sh', [join(work, 'apply'), action], {
    env: {
      PATH: process.env.PATH ?? '',
      VMGPU_SYS: sys,
      VMGPU_FUNCTIONS: join(work, 'list'),
      VMGPU_WAIT: '1',
    },
    encoding: 'utf8',
  });
}

describe('the script that makes virtual functions', () => {
  it('asks for them without drivers of the host, and gives each to vfio-pci', () => {
    const { sys, read } = fakeSys({ functions: 2 });
    expect(apply(sys)).toMatchObject({ status: 0, stderr: '' });
    expect(read(`devices/${gpu}/sriov_numvfs`)).toBe('4');
    expect(read(`devices/${gpu}/sriov_drivers_autoprobe`)).toBe('0');
    expect(read('devices/0000:65:00.1/driver_override')).toBe('vfio-pci');
    expect(read('devices/0000:65:00.2/driver_override')).toBe('vfio-pci');
    expect(read('drivers_probe')).toBe('0000:65:00.2');
  });

  it('leaves the functions alone that are there, and takes them back', () => {
    const { sys, read } = fakeSys({ numvfs: 4 });
    expect(apply(sys).status).toBe(0);
    expect(read(`devices/${gpu}/sriov_drivers_autoprobe`)).toBe('1');
    expect(apply(sys, undefined, 'remove').status).toBe(0);
    expect(read(`devices/${gpu}/sriov_numvfs`)).toBe('0');
  });

  it('waits for the driver of the GPU, and says so when there is none', () => {
    const { sys, read } = fakeSys({ driver: null });
    expect(apply(sys)).toMatchObject({
      status: 1,
      stderr: `vmgpu: ${gpu} has no driver, which would make its functions\n`,
    });
    expect(read(`devices/${gpu}/sriov_numvfs`)).toBe('0');
  });

  it('goes on with the next GPU after one that cannot', () => {
    const { sys, read } = fakeSys();
    const result = apply(sys, `0000:99:00.0 2\n# a comment\n${gpu} 3\n`);
    expect(result).toMatchObject({
      status: 1,
      stderr: 'vmgpu: 0000:99:00.0 cannot make virtual functions\n',
    });
    expect(read(`devices/${gpu}/sriov_numvfs`)).toBe('3');
  });
});

import { sameJson } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { sharedJson } from '../../core/test/shared-data.ts';
import { expandVm, vmReferences } from '../src/translate/expand.ts';
import { at, type Json, type Manifest, objectAt } from '../src/translate/manifest.ts';
import { crdProblems } from './crd.ts';
import { a10, instancetype, namingVm, preference } from './instancetype-support.ts';

const expand = (vm: Manifest, ...others: Manifest[]) => {
  const expansion = expandVm(vm, others);
  if (expansion === undefined) throw new Error('the VM names nothing');
  return expansion;
};
const domainOf = (vm: Manifest, ...others: Manifest[]) =>
  objectAt(expand(vm, ...others).template, 'spec', 'domain');

// Expectations: kubevirt v1.9.0, pkg/instancetype/apply and pkg/instancetype/preference/apply.
describe('the virtual CPUs of an instance type', () => {
  const topology = (guest: number, cpu: object, rest: object = {}) => {
    const { cores, sockets, threads } = objectAt(
      domainOf(namingVm(), instancetype({ cpu: { guest } }), preference({ cpu, ...rest })),
      'cpu',
    );
    return [sockets, cores, threads];
  };

  it.each([
    ['no preference', 4, {}, [4, 1, 1]],
    ['sockets', 4, { preferredCPUTopology: 'sockets' }, [4, 1, 1]],
    ['any', 4, { preferredCPUTopology: 'any' }, [4, 1, 1]],
    ['cores', 4, { preferredCPUTopology: 'cores' }, [1, 4, 1]],
    ['threads', 4, { preferredCPUTopology: 'threads' }, [1, 1, 4]],
    ['preferCores of v1alpha2', 4, { preferredCPUTopology: 'preferCores' }, [1, 4, 1]],
    ['spread', 6, { preferredCPUTopology: 'spread' }, [3, 2, 1]],
    ['spread by 3', 6, { preferredCPUTopology: 'spread', spreadOptions: { ratio: 3 } }, [2, 3, 1]],
    [
      'spread over threads',
      6,
      { preferredCPUTopology: 'spread', spreadOptions: { across: 'CoresThreads' } },
      [1, 3, 2],
    ],
    [
      'spread over all',
      8,
      { preferredCPUTopology: 'spread', spreadOptions: { across: 'SocketsCoresThreads' } },
      [2, 2, 2],
    ],
    ['one alone', 1, { preferredCPUTopology: 'cores' }, [1, 1, 1]],
  ] as const)('%s', (_, guest, cpu, wanted) => {
    expect(topology(guest, cpu)).toEqual(wanted);
  });

  it('follow the older ratio beside the newer words', () => {
    expect(topology(8, { preferredCPUTopology: 'spread' }, { preferSpreadSocketToCoreRatio: 4 })).toEqual([
      2, 4, 1,
    ]);
  });

  it.each([
    ['SocketsCores', 'Spec.PreferSpreadSocketToCoreRatio or Spec.CPU.PreferSpreadOptions.Ratio of 2'],
    ['CoresThreads', 'the number of threads per core 2'],
  ])('that cannot be spread over %s are refused as KubeVirt does', (across, text) => {
    const cpu = { preferredCPUTopology: 'spread', spreadOptions: { across } };
    const { conflicts, template } = expand(
      namingVm(),
      instancetype({ cpu: { guest: 3 } }),
      preference({ cpu }),
    );
    expect(conflicts).toEqual([
      {
        field: 'instancetype.spec.cpu.guest',
        message: expect.stringContaining(`3 vCPUs provided by the instance type are not divisible by`),
      },
    ]);
    expect(conflicts[0]?.message).toContain(text);
    expect(at(template, 'spec', 'domain', 'cpu')).toBeUndefined();
  });
});

describe('an instance type', () => {
  it('gives everything that its schema has', () => {
    const given = {
      cpu: {
        guest: 2,
        model: 'host-passthrough',
        dedicatedCPUPlacement: true,
        isolateEmulatorThread: true,
        numa: { guestMappingPassthrough: {} },
        realtime: { mask: '0' },
        maxSockets: 8,
      },
      memory: { guest: '8Gi', hugepages: { pageSize: '1Gi' }, maxGuest: '16Gi' },
      gpus: [{ name: 'gpu0', deviceName: a10 }],
      hostDevices: [{ name: 'nic', deviceName: 'intel.com/qat' }],
      ioThreadsPolicy: 'supplementalPool',
      ioThreads: { supplementalPoolThreadCount: 4 },
      launchSecurity: { sev: {} },
      nodeSelector: { zone: 'a' },
      schedulerName: 'own',
      annotations: { team: 'ml' },
    };
    const { template, conflicts } = expand(
      namingVm({ domain: { devices: { disks: [] }, cpu: { features: [{ name: 'vmx' }] } } }),
      instancetype(given),
      preference({}),
    );
    expect(conflicts).toEqual([]);
    expect(template).toEqual({
      metadata: { annotations: { team: 'ml' } },
      spec: {
        nodeSelector: { zone: 'a' },
        schedulerName: 'own',
        domain: {
          cpu: {
            features: [{ name: 'vmx' }],
            model: 'host-passthrough',
            dedicatedCpuPlacement: true,
            isolateEmulatorThread: true,
            numa: { guestMappingPassthrough: {} },
            realtime: { mask: '0' },
            maxSockets: 8,
            cores: 1,
            sockets: 2,
            threads: 1,
          },
          memory: given.memory,
          ioThreadsPolicy: 'supplementalPool',
          ioThreads: { supplementalPoolThreadCount: 4 },
          launchSecurity: { sev: {} },
          devices: { disks: [], gpus: given.gpus, hostDevices: given.hostDevices },
        },
      },
    });
    expect(crdProblems('VirtualMachine', { ...namingVm(), spec: { running: true, template } }) ?? []).toEqual(
      [],
    );
  });

  it.each([
    ['8Gi', 50, '4Gi'],
    ['8Gi', 10, '7730941132'],
    ['2G', 50, '1G'],
    ['128Mi', 15, '114085069'],
  ])('that overcommits %s by %s per cent asks for %s', (guest, overcommitPercent, wanted) => {
    const domain = domainOf(
      namingVm(),
      instancetype({ memory: { guest, overcommitPercent } }),
      preference({}),
    );
    expect(at(domain, 'memory', 'guest')).toBe(guest);
    expect(Math.abs(bytesOf(at(domain, 'resources', 'requests', 'memory')) - bytesOf(wanted))).toBeLessThan(
      // 32-bit floats: 24 bits of a number.
      bytesOf(wanted) / 2 ** 22,
    );
  });

  const bytesOf = (text: unknown) => {
    const [, number, unit = ''] = /^(\d+)(\w*)$/.exec(String(text)) ?? [];
    return Number(number) * ({ Gi: 2 ** 30, Mi: 2 ** 20, Ki: 2 ** 10, G: 1e9, M: 1e6, k: 1e3 }[unit] ?? 1);
  };

  it.each([
    ['domain.cpu.cores', { domain: { cpu: { cores: 2 }, devices: {} } }, {}],
    ['domain.cpu.sockets', { domain: { cpu: { sockets: 2 }, devices: {} } }, {}],
    ['domain.cpu.threads', { domain: { cpu: { threads: 2 }, devices: {} } }, {}],
    ['domain.resources.requests.cpu', { domain: { resources: { requests: { cpu: '2' } }, devices: {} } }, {}],
    ['domain.resources.limits.cpu', { domain: { resources: { limits: { cpu: '2' } }, devices: {} } }, {}],
    ['domain.memory.guest', { domain: { memory: { guest: '1Gi' }, devices: {} } }, {}],
    [
      'domain.memory.hugepages',
      { domain: { memory: { hugepages: { pageSize: '2Mi' } }, devices: {} } },
      { memory: { guest: '1Gi', hugepages: { pageSize: '2Mi' } } },
    ],
    [
      'domain.resources.requests.memory',
      { domain: { resources: { requests: { memory: '1Gi' } }, devices: {} } },
      {},
    ],
    ['domain.cpu.model', { domain: { cpu: { model: 'x' }, devices: {} } }, { cpu: { guest: 1, model: 'y' } }],
    [
      'domain.cpu.dedicatedCPUPlacement',
      { domain: { cpu: { dedicatedCpuPlacement: true }, devices: {} } },
      { cpu: { guest: 1, dedicatedCPUPlacement: false } },
    ],
    [
      'domain.devices.gpus',
      { domain: { devices: { gpus: [{ name: 'g', deviceName: a10 }] } } },
      { gpus: [{ name: 'h', deviceName: a10 }] },
    ],
    [
      'domain.devices.hostDevices',
      { domain: { devices: { hostDevices: [{ name: 'g', deviceName: a10 }] } } },
      { hostDevices: [{ name: 'h', deviceName: a10 }] },
    ],
    ['nodeSelector', { nodeSelector: {}, domain: { devices: {} } }, { nodeSelector: { a: 'b' } }],
    ['schedulerName', { schedulerName: 'x', domain: { devices: {} } }, { schedulerName: 'y' }],
    [
      'domain.ioThreadsPolicy',
      { domain: { ioThreadsPolicy: 'auto', devices: {} } },
      { ioThreadsPolicy: 'shared' },
    ],
    [
      'domain.launchSecurity',
      { domain: { launchSecurity: {}, devices: {} } },
      { launchSecurity: { sev: {} } },
    ],
  ])('is refused beside %s', (field, vmi, given) => {
    const { conflicts, template } = expand(namingVm(vmi), instancetype(given), preference({}));
    const path = `spec.template.spec.${field}`;
    expect(conflicts).toEqual([
      {
        field: path,
        place: ['spec', ...field.replace('CPUPlacement', 'CpuPlacement').split('.')],
        message: `VM field(s) ${path} conflicts with selected instance type`,
      },
    ]);
    expect(template).toEqual(objectAt(namingVm(vmi), 'spec', 'template'));
  });

  it('tells all conflicts, of the memory only the first, in the order of KubeVirt', () => {
    const vmi = {
      domain: {
        cpu: { cores: 1, threads: 1 },
        memory: { guest: '1Gi' },
        resources: { requests: { memory: '1Gi' } },
        devices: { gpus: [{ name: 'g', deviceName: a10 }] },
      },
    };
    const { conflicts } = expand(namingVm(vmi), instancetype({ gpus: [{ name: 'h', deviceName: a10 }] }));
    expect(conflicts.map(({ field }) => field.replace('spec.template.spec.domain.', ''))).toEqual([
      'cpu.cores',
      'cpu.threads',
      'memory.guest',
      'devices.gpus',
    ]);
  });

  it('suffers a list that it does not give itself, and what is Go’s zero', () => {
    const vmi = {
      domain: {
        cpu: { cores: 0, model: '', dedicatedCpuPlacement: false },
        devices: { gpus: [{ name: 'g', deviceName: a10 }], hostDevices: [] },
      },
    };
    const { conflicts, template } = expand(
      namingVm(vmi),
      instancetype({ cpu: { guest: 1, model: 'x', dedicatedCPUPlacement: true }, hostDevices: [] }),
    );
    expect(conflicts).toEqual([]);
    expect(at(template, 'spec', 'domain', 'devices', 'gpus')).toEqual(vmi.domain.devices.gpus);
  });

  it('may repeat an annotation, and not change it', () => {
    const vm = namingVm(
      {},
      { template: { metadata: { annotations: { a: '1', b: '2' } }, spec: { domain: {} } } },
    );
    const { conflicts } = expand(vm, instancetype({ annotations: { a: '1', b: '3' } }));
    expect(conflicts.map(({ field }) => field)).toEqual(['annotations.b']);
  });
});

describe('a preference', () => {
  const prefer = (spec: object, vmi: Json = { domain: { devices: {} } }) =>
    objectAt(expand(namingVm(vmi, { instancetype: undefined }), preference(spec)).template, 'spec');

  it('fills in what the VM does not say', () => {
    const vmi = prefer(
      {
        architecture: 'ignored',
        preferredArchitecture: 'amd64',
        preferredSubdomain: 'lab',
        preferredTerminationGracePeriodSeconds: 60,
        clock: { preferredClockOffset: { utc: {} }, preferredTimer: { hpet: { present: false } } },
        cpu: { preferredCPUFeatures: [{ name: 'vmx', policy: 'require' }, { name: 'svm' }] },
        devices: {
          preferredAutoattachMemBalloon: false,
          preferredNetworkInterfaceMultiQueue: true,
          preferredTPM: { persistent: true },
          preferredVideoType: 'bochs',
          preferredDiskBus: 'virtio',
          preferredDiskDedicatedIoThread: true,
          preferredCdromBus: 'sata',
          preferredInterfaceModel: 'virtio',
          preferredInterfaceMasquerade: {},
          preferredInputBus: 'usb',
          preferredPanicDeviceModel: 'isa',
          preferredSoundModel: 'ich9',
        },
        features: {
          preferredKvm: { hidden: true },
          preferredHyperv: { relaxed: {}, vapic: { enabled: false } },
        },
        firmware: { preferredEfi: { secureBoot: false } },
        machine: { preferredMachineType: 'pc-q35-9.0' },
      },
      {
        domain: {
          cpu: { features: [{ name: 'vmx', policy: 'disable' }] },
          features: { hyperv: { vapic: { enabled: true } } },
          devices: {
            disks: [{ name: 'a' }, { name: 'b', cdrom: {} }, { name: 'c', disk: { bus: 'sata' } }],
            interfaces: [{ name: 'default' }, { name: 'net', bridge: {}, model: 'e1000' }],
            inputs: [{ name: 'i', type: 'tablet' }],
            sound: { name: 's' },
          },
        },
        networks: [
          { name: 'default', pod: {} },
          { name: 'net', multus: { networkName: 'net' } },
        ],
      },
    );
    expect(vmi).toMatchObject({
      architecture: 'amd64',
      subdomain: 'lab',
      terminationGracePeriodSeconds: 60,
      domain: {
        clock: { utc: {}, timer: { hpet: { present: false } } },
        cpu: { features: [{ name: 'vmx', policy: 'disable' }, { name: 'svm' }] },
        devices: {
          autoattachMemBalloon: false,
          networkInterfaceMultiqueue: true,
          tpm: { persistent: true },
          video: { type: 'bochs' },
          disks: [
            { name: 'a', disk: { bus: 'virtio' }, dedicatedIOThread: true },
            { name: 'b', cdrom: { bus: 'sata' } },
            { name: 'c', disk: { bus: 'sata' } },
          ],
          interfaces: [
            { name: 'default', model: 'virtio', masquerade: {} },
            { name: 'net', bridge: {}, model: 'e1000' },
          ],
          inputs: [{ name: 'i', type: 'tablet', bus: 'usb' }],
          panicDevices: [{ model: 'isa' }],
          sound: { name: 's', model: 'ich9' },
        },
        features: { kvm: { hidden: true }, hyperv: { relaxed: {}, vapic: { enabled: true } } },
        firmware: { bootloader: { efi: { secureBoot: false } } },
        machine: { type: 'pc-q35-9.0' },
      },
    });
    expect(at(vmi, 'domain', 'devices', 'disks')).not.toHaveProperty([2, 'dedicatedIOThread']);
    const whole = { ...namingVm(), spec: { running: true, template: { spec: vmi } } };
    expect(crdProblems('VirtualMachine', whole) ?? []).toEqual([]);
  });

  it.each([
    ['UEFI', { preferredEfi: {} }, undefined, { efi: {} }],
    ['the oldest word for it', { preferredUseEfi: true }, undefined, { efi: {} }],
    [
      'no older word that is false',
      { preferredUseEfi: false, preferredUseSecureBoot: true },
      undefined,
      undefined,
    ],
    [
      'the older words for it',
      { preferredUseEfi: true, preferredUseSecureBoot: true },
      undefined,
      { efi: { secureBoot: true } },
    ],
    [
      'UEFI before the older words',
      { preferredEfi: {}, preferredUseSecureBoot: true },
      undefined,
      { efi: {} },
    ],
    [
      'BIOS with a serial console',
      { preferredUseBios: true, preferredUseBiosSerial: true },
      undefined,
      { bios: { useSerial: true } },
    ],
    ['nothing else than the VM', { preferredEfi: {} }, { bios: {} }, { bios: {} }],
    [
      'secure boot for the UEFI of the VM',
      { preferredUseSecureBoot: false },
      { efi: {} },
      { efi: { secureBoot: false } },
    ],
  ])('of firmware: %s', (_, firmware, bootloader, wanted) => {
    const domain = { devices: {}, ...(bootloader && { firmware: { bootloader } }) };
    expect(at(prefer({ firmware }, { domain }), 'domain', 'firmware', 'bootloader')).toEqual(wanted);
  });

  it('goes over the two fields whose silence KubeVirt cannot see', () => {
    const vmi = { domain: { devices: { disableHotplug: false }, features: { acpi: { enabled: true } } } };
    const wishes = {
      devices: { preferredDisableHotplug: true },
      features: { preferredAcpi: { enabled: false } },
    };
    expect(prefer(wishes, vmi)).toMatchObject({
      domain: { devices: { disableHotplug: true }, features: { acpi: { enabled: false } } },
    });
  });
});

interface Definition {
  readonly properties: Readonly<Record<string, unknown>>;
}
const swagger = sharedJson<{ definitions: Readonly<Record<string, Definition>> }>(
  'kubevirt/kubevirt/swagger-v1.9.0.json',
);

describe.skipIf(swagger === undefined)('against the API of KubeVirt v1.9.0', () => {
  const fieldsOf = (name: string) =>
    Object.keys(swagger?.definitions[`v1beta1.${name}`]?.properties ?? {}).filter(
      // In the API, and applied by nobody.
      (field) => field !== 'preferredVirtualGPUOptions',
    );

  /** A VM that leaves open whatever a preference can fill in. */
  const open = {
    domain: {
      devices: {
        disks: [
          { name: 'a', disk: { bus: 'virtio' } },
          { name: 'b', disk: {} },
          { name: 'c', cdrom: {} },
          { name: 'd', lun: {} },
        ],
        interfaces: [{ name: 'default' }],
        inputs: [{ name: 'i' }],
        sound: { name: 's' },
      },
    },
    networks: [{ name: 'default', pod: {} }],
  };
  const changes = (spec: object) => {
    const { template } = expand(namingVm(open, { instancetype: undefined }), preference(spec));
    return !sameJson(template, objectAt(namingVm(open), 'spec', 'template'));
  };

  it.each([
    ['devices', 'DevicePreferences'],
    ['features', 'FeaturePreferences'],
    ['clock', 'ClockPreferences'],
    ['machine', 'MachinePreferences'],
  ])('every preference of %s does something', (part, definition) => {
    const dead = fieldsOf(definition).filter((field) => !changes({ [part]: { [field]: { enabled: true } } }));
    expect([fieldsOf(definition).length > 0, dead]).toEqual([true, []]);
  });

  it('every other preference is known', () => {
    const known = 'annotations clock cpu devices features firmware machine preferredSubdomain';
    const rest = 'preferSpreadSocketToCoreRatio preferredArchitecture preferredLaunchSecurity';
    // `requirements` checks and gives nothing; `volumes` is about DataVolumes that are not made yet.
    const none = 'preferredTerminationGracePeriodSeconds requirements volumes';
    expect(fieldsOf('VirtualMachinePreferenceSpec').sort()).toEqual(
      `${known} ${rest} ${none}`.split(' ').sort(),
    );
  });

  it('every field of an instance type is given on', () => {
    const known =
      'annotations cpu gpus hostDevices ioThreads ioThreadsPolicy launchSecurity memory nodeSelector';
    expect(fieldsOf('VirtualMachineInstancetypeSpec').sort()).toEqual(`${known} schedulerName`.split(' '));
    expect(fieldsOf('CPUInstancetype').sort()).toEqual(
      'dedicatedCPUPlacement guest isolateEmulatorThread maxSockets model numa realtime'.split(' '),
    );
    expect(fieldsOf('MemoryInstancetype').sort()).toEqual(
      'guest hugepages maxGuest overcommitPercent'.split(' '),
    );
  });
});

describe('what a VM names', () => {
  it('is the cluster’s unless it says otherwise, in any case and number', () => {
    const kindsOf = (kind?: string) =>
      vmReferences(namingVm({}, { instancetype: { name: 'x', kind } })).map((one) => one.kind)[0];
    expect([undefined, 'virtualmachineinstancetypes', 'VirtualMachineInstancetype'].map(kindsOf)).toEqual([
      'VirtualMachineClusterInstancetype',
      'VirtualMachineInstancetype',
      'VirtualMachineInstancetype',
    ]);
  });

  const revision = (guest: number, name = 'train-1-gpu.large-1'): Manifest => ({
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: { name, namespace: 'vms' },
    data: instancetype({ cpu: { guest } }),
  });
  const coresOf = (vm: Manifest, ...others: Manifest[]) => at(domainOf(vm, ...others), 'cpu', 'sockets');
  const revised = namingVm({}, { instancetype: { name: 'gpu.large', revisionName: 'train-1-gpu.large-1' } });
  const noted = {
    ...namingVm(),
    status: {
      instancetypeRef: { name: 'gpu.large', controllerRevisionRef: { name: 'train-1-gpu.large-1' } },
    },
  };

  it('is what its revision holds, not what has become of the object', () => {
    for (const vm of [revised, noted]) {
      expect(coresOf(vm, instancetype({ cpu: { guest: 16 } }), revision(2))).toBe(2);
    }
    const stale = {
      ...noted,
      status: { instancetypeRef: { ...noted.status.instancetypeRef, name: 'other' } },
    };
    expect(coresOf(stale, instancetype({ cpu: { guest: 16 } }), revision(2))).toBe(16);
  });

  it('is taken as it is now where the revision is not at hand, and that is said', () => {
    const { unread } = expand(revised, instancetype({}), preference({}));
    expect(unread).toMatchObject([{ how: 'outdated', reference: { revision: 'train-1-gpu.large-1' } }]);
  });

  it('is not guessed', () => {
    const { template, unread } = expand(namingVm());
    expect(template).toEqual(objectAt(namingVm(), 'spec', 'template'));
    expect(unread.map(({ how, reference }) => [how, reference.field])).toEqual([
      ['absent', 'instancetype'],
      ['absent', 'preference'],
    ]);
    const other = {
      ...instancetype({}),
      kind: 'VirtualMachineInstancetype',
      metadata: { name: 'gpu.large', namespace: 'else' },
    };
    const own = namingVm({}, { instancetype: { kind: 'VirtualMachineInstancetype', name: 'gpu.large' } });
    expect(expand(own, other).unread[0]?.how).toBe('absent');
  });

  it('comes from virt-api’s own expansion where that is at hand', () => {
    const { instancetype: _, preference: __, ...spec } = objectAt(namingVm(), 'spec');
    const twin = { ...namingVm(), spec: { ...spec, template: { spec: { domain: { cpu: { cores: 9 } } } } } };
    expect(at(domainOf(namingVm(), twin, instancetype({})), 'cpu')).toEqual({ cores: 9 });
  });
});

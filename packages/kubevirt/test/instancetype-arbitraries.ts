import fc from 'fast-check';
import { a10, instancetype, preference } from './instancetype-support.ts';

/** One of the values, or nothing at all. */
const maybe = <T>(...values: T[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const defined = <T extends object>(record: fc.Arbitrary<T>) =>
  record.map((value) => JSON.parse(JSON.stringify(value)) as T);
const device = (name: string) => fc.constantFrom([], [{ name, deviceName: a10 }]);

export const instancetypeOf = defined(
  fc.record({
    cpu: fc.record({
      guest: fc.integer({ min: 1, max: 64 }),
      model: maybe('host-passthrough', 'Icelake-Server'),
      dedicatedCPUPlacement: maybe(true, false),
      numa: maybe({ guestMappingPassthrough: {} }),
      maxSockets: maybe(128),
    }),
    memory: fc.record({
      guest: fc.constantFrom('512Mi', '8Gi', '10G', '1Ti'),
      hugepages: maybe({ pageSize: '2Mi' }),
      overcommitPercent: maybe(15, 50),
    }),
    gpus: device('gpu0'),
    hostDevices: device('host0'),
    ioThreadsPolicy: maybe('auto'),
    ioThreads: maybe({ supplementalPoolThreadCount: 4 }),
    launchSecurity: maybe({ sev: {} }),
    schedulerName: maybe('own', ''),
    nodeSelector: maybe({ zone: 'a' }),
    annotations: maybe({ team: 'ml' }),
  }),
).map((spec) => instancetype(spec));

export const preferenceOf = defined(
  fc.record({
    annotations: maybe({ 'vm.kubevirt.io/os': 'linux' }, { 'vm.kubevirt.io/os': 'windows' }),
    cpu: maybe(
      { preferredCPUTopology: 'cores' },
      { preferredCPUTopology: 'spread' },
      { preferredCPUFeatures: [{ name: 'vmx' }] },
    ),
    devices: maybe(
      { preferredDiskBus: 'sata', preferredInterfaceModel: 'e1000e', preferredPanicDeviceModel: 'isa' },
      { preferredTPM: {}, preferredAutoattachGraphicsDevice: false, preferredVideoType: 'vga' },
    ),
    features: maybe(
      { preferredKvm: { hidden: true } },
      { preferredSmm: { enabled: true }, preferredHyperv: { relaxed: {} } },
    ),
    firmware: maybe(
      { preferredEfi: { secureBoot: true } },
      { preferredUseBios: true },
      { preferredUseEfi: true },
    ),
    machine: maybe({ preferredMachineType: 'pc-q35-9.0' }),
    preferredTerminationGracePeriodSeconds: maybe(30),
  }),
).map((spec) => preference(spec));

/** The `spec` of a template, mostly without what an instance type refuses. */
export const templateOf = defined(
  fc.record({
    domain: fc.record({
      cpu: maybe({ cores: 2 }, { model: 'host-model' }, {}, undefined, undefined),
      memory: maybe({ guest: '2Gi' }, { hugepages: { pageSize: '1Gi' } }, {}, undefined, undefined),
      machine: maybe({ type: 'q35' }),
      ioThreads: maybe({ supplementalPoolThreadCount: 2 }, undefined, undefined, undefined),
      resources: maybe(
        { requests: { 'ephemeral-storage': '1Gi' } },
        { limits: { cpu: '2' } },
        undefined,
        undefined,
      ),
      firmware: maybe({ bootloader: { efi: { secureBoot: false } } }),
      features: maybe({ hyperv: { relaxed: { enabled: false } } }),
      devices: fc.record({
        disks: maybe([
          { name: 'root', disk: {} },
          { name: 'media', cdrom: {} },
        ]),
        interfaces: maybe([{ name: 'default', masquerade: {} }]),
        gpus: maybe([{ name: 'own', deviceName: a10 }], undefined, undefined),
        hostDevices: maybe([{ name: 'nic', deviceName: 'intel.com/qat' }], undefined, undefined),
      }),
    }),
    networks: maybe([{ name: 'default', pod: {} }]),
    volumes: maybe([{ name: 'root', persistentVolumeClaim: { claimName: 'root' } }]),
  }),
);

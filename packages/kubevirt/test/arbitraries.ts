import type { GpuVm } from '@vmgpu/core';
import fc from 'fast-check';

const opt = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const amount = fc
  .tuple(fc.integer({ min: 1, max: 512 }), fc.constantFrom('GiB', 'MiB', 'GB', 'TiB'))
  .map(([number, unit]) => `${number}${unit}`);
const name = fc.stringMatching(/^[a-z]([a-z0-9]{0,6}[a-z])?$/);
const unique = <T extends { name: string }>(item: fc.Arbitrary<T>, maxLength: number) =>
  fc.uniqueArray(item, { maxLength, minLength: 1, selector: (value) => value.name });

const image = fc.constantFrom(
  'quay.io/containerdisks/ubuntu:24.04',
  'golden-image',
  'https://example.com/disk.qcow2',
  'library/debian',
  'pvc:images/golden',
);
const disk = fc.oneof(
  fc.record({ name, size: amount, image: opt(image) }),
  fc.record({ name, image: fc.constantFrom('quay.io/containerdisks/fedora:latest', 'my-claim') }),
);
const gpu = fc.oneof(
  fc.record({
    name,
    mode: fc.constant('passthrough' as const),
    device: fc.record({ id: fc.constantFrom('10de:1bb3', '10de:2236', '10de:25b6', '10de:2331') }),
    count: opt(fc.integer({ min: 2, max: 8 })),
  }),
  fc.record({
    name,
    mode: fc.constant('vgpu' as const),
    profile: fc.constantFrom('A10-24Q', 'A10-4Q', 'P4-1Q', 'T4-8Q', 'L40S-48Q'),
    count: opt(fc.integer({ min: 2, max: 4 })),
    display: opt(fc.boolean()),
  }),
);
const cpu = fc
  .record({
    share: opt(fc.integer({ min: 1, max: 32 })),
    sockets: opt(fc.integer({ min: 1, max: 4 })),
    threads: opt(fc.integer({ min: 1, max: 2 })),
    model: opt(fc.constantFrom('host', 'host-model', 'EPYC-Rome')),
    dedicated: opt(fc.boolean()),
  })
  .map(({ share, ...rest }) => ({
    ...rest,
    ...(share === undefined ? {} : { cores: share * (rest.sockets ?? 1) * (rest.threads ?? 1) }),
  }));
const firmware = fc.oneof(
  fc.record({ type: fc.constant('uefi' as const), secureBoot: fc.boolean(), tpm: opt(fc.constant(true)) }),
  fc.record({ type: fc.constant('bios' as const) }),
);

/** Intents that KubeVirt can say without loss: whatever is left out here is a loss that planning declares. */
export const sayableIntent: fc.Arbitrary<GpuVm> = fc
  .record({
    metadata: fc.record({
      name: fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/),
      labels: opt(
        fc.dictionary(fc.constantFrom('team', 'app.kubernetes.io/name'), fc.constantFrom('ml', 'a-b_c'), {
          minKeys: 1,
        }),
      ),
    }),
    spec: fc.record({
      guestOs: opt(fc.constantFrom('linux' as const, 'windows' as const)),
      cpu: opt(cpu),
      memory: amount,
      machine: opt(fc.constantFrom('q35', 'pc-q35-rhel9.6.0', 'virt')),
      firmware: opt(firmware),
      hideHypervisor: opt(fc.boolean()),
      disks: opt(unique(disk, 3)),
      networks: opt(unique(fc.record({ name: fc.oneof(fc.constant('default'), name) }), 3)),
      userData: opt(fc.constantFrom('#cloud-config\n', '#!/bin/sh\necho "ä"\n', '')),
      gpus: opt(unique(gpu, 3)),
    }),
  })
  .map((intent) => JSON.parse(JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'GpuVm', ...intent })) as GpuVm)
  .filter(({ spec }) => spec.cpu === undefined || Object.keys(spec.cpu).length > 0);

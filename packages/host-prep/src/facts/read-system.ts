import { type Fact, isUnknown, unknown } from '@vmgpu/core';
import { type CaptureReader, mapFact } from './capture-reader.ts';
import { parseCpuinfo } from './cpu.ts';
import type { ContainerFacts, MemoryFacts, ServiceState, SystemFacts } from './host-facts.ts';
import { parseKernelConfig } from './modules.ts';
import { parseOsRelease } from './os-release.ts';
import { cut, linesOf, wholeNumber } from './text.ts';

/** `uname -snrm`: system, host, release, machine. */
export function unameOf(reader: CaptureReader): Fact<readonly string[]> {
  return mapFact(reader.required('uname -snrm'), (text) => {
    const words = text.trim().split(/\s+/);
    return words.length === 4 ? words : unknown(`uname says ${JSON.stringify(text.slice(0, 80))}`);
  });
}

export function readSystem(reader: CaptureReader): SystemFacts {
  const uname = unameOf(reader);
  const root = mapFact(reader.required('id -u'), (text) => text.trim() === '0');
  const os = isUnknown(reader.required('/etc/os-release'))
    ? reader.required('/usr/lib/os-release')
    : reader.required('/etc/os-release');
  const ostree = reader.exists('/run/ostree-booted') === true;
  const config = reader.matching(/(^\/boot\/config-|\/config$|config\.gz$)/).find(({ text }) => text !== '');
  return {
    root,
    passwordlessSudo: root === true ? unknown('not asked: already root') : sudo(reader),
    os: mapFact(os, (text) => parseOsRelease(text, ostree)),
    virtualization: detected(reader, 'systemd-detect-virt'),
    container: detected(reader, 'systemd-detect-virt -c'),
    kernelRelease: mapFact(uname, ([, , release = '']) => release),
    kernelConfig: config ? parseKernelConfig(config.text) : unknown('no readable kernel configuration'),
    cpu: mapFact(reader.required('/proc/cpuinfo'), parseCpuinfo),
    kvmDevice: reader.exists('/dev/kvm'),
    architecture: mapFact(uname, ([, , , machine = '']) => machine),
  };
}

function sudo(reader: CaptureReader): Fact<boolean> {
  const status = reader.section('sudo -n true')?.status;
  return status === undefined ? unknown('not in the capture') : status === 'rc=0';
}

/** systemd-detect-virt prints `none` with status 1. */
function detected(reader: CaptureReader, command: string): Fact<string> {
  const section = reader.section(command);
  const word = section?.text.trim() ?? '';
  return /^[a-z0-9-]{1,40}$/.test(word) ? word : reader.required(command);
}

export function readMemory(reader: CaptureReader): MemoryFacts {
  const meminfo = reader.required('/proc/meminfo');
  const kib = (key: string) =>
    mapFact(
      meminfo,
      (text) =>
        wholeNumber(new RegExp(`^${key}:\\s+(\\d{1,15}) kB`, 'm').exec(text)?.[1]) ?? unknown(`no ${key}`),
    );
  return {
    totalKiB: kib('MemTotal'),
    availableKiB: kib('MemAvailable'),
    hugepages: mapFact(reader.optional('/sys/kernel/mm/hugepages'), (text) => hugepages(text ?? '')),
    memlock: mapFact(reader.required('systemctl show -p DefaultLimitMEMLOCK'), (text) => {
      const value = /^DefaultLimitMEMLOCK=(\S+)/m.exec(text)?.[1];
      if (value === 'infinity') return 'unlimited';
      const bytes = wholeNumber(value);
      return bytes === undefined ? unknown('systemd does not say') : Math.floor(bytes / 1024);
    }),
  };
}

function hugepages(text: string): { sizeKiB: number; total: number; free: number }[] {
  const pools = new Map<number, { sizeKiB: number; total: number; free: number }>();
  for (const line of linesOf(text)) {
    const [, size, key, count] = /^hugepages-(\d{1,12})kB\/(nr|free)_hugepages:(\d{1,12})$/.exec(line) ?? [];
    if (size === undefined) continue;
    const pool = pools.get(Number(size)) ?? { sizeKiB: Number(size), total: 0, free: 0 };
    pools.set(pool.sizeKiB, pool);
    pool[key === 'nr' ? 'total' : 'free'] = Number(count);
  }
  return [...pools.values()].sort((a, b) => a.sizeKiB - b.sizeKiB);
}

/** Blocks of `systemctl show -p Id,LoadState,ActiveState,Result UNIT…`. */
export function parseServices(text: string): Readonly<Record<string, ServiceState>> {
  const services: Record<string, ServiceState> = {};
  let fields: Record<string, string> = {};
  for (const line of [...linesOf(text), '']) {
    const pair = cut(line, '=');
    if (pair) fields[pair[0]] = pair[1];
    if (line.trim() !== '') continue;
    const { Id, LoadState = '', ActiveState = '', Result = '' } = fields;
    if (Id)
      services[Id.replace(/\.service$/, '')] = {
        loadState: LoadState,
        activeState: ActiveState,
        result: Result,
      };
    fields = {};
  }
  return services;
}

export function readServices(reader: CaptureReader): Fact<Readonly<Record<string, ServiceState>>> {
  const section = reader.matching(/^systemctl show -p Id,/)[0];
  return section ? mapFact(reader.required(section.name), parseServices) : unknown('not in the capture');
}

const runtimes: readonly (readonly [path: RegExp, name: string])[] = [
  [/containerd|\/rancher\//, 'containerd'],
  [/\/docker\//, 'docker'],
  [/\/crio\//, 'crio'],
  [/\/containers\//, 'podman'],
];

export function readContainers(reader: CaptureReader): ContainerFacts {
  const version = reader.optional('nvidia-ctk --version');
  const configured = mapFact(reader.required('container runtimes that name nvidia'), (text) => [
    ...new Set(linesOf(text).flatMap((path) => runtimes.find(([pattern]) => pattern.test(path))?.[1] ?? [])),
  ]);
  const cdi = ['/etc/cdi/', '/run/cdi/'].map((folder) =>
    mapFact(reader.pathsBelow(folder), (names) => names.map((name) => folder + name)),
  );
  return {
    toolkitVersion: mapFact(version, (text) =>
      text === null ? null : (/version (\S+)/i.exec(text)?.[1] ?? text.trim()),
    ),
    cdiFiles: cdi.find(isUnknown) ?? cdi.flatMap((files) => (isUnknown(files) ? [] : files)),
    configuredRuntimes: configured,
  };
}

/** Which platform's agent the host carries: `pve`, `kubelet`, `nova-compute`. */
export function readRoles(reader: CaptureReader): readonly string[] {
  const services = readServices(reader);
  const there = (paths: readonly string[], units: readonly string[]) =>
    paths.some((path) => reader.exists(path) === true) ||
    (!isUnknown(services) && units.some((unit) => services[unit]?.activeState === 'active'));
  return [
    ...(there(['/usr/bin/pveversion'], ['pveproxy']) ? ['pve'] : []),
    ...(there(
      ['/usr/bin/kubelet', '/usr/local/bin/k3s', '/var/lib/kubelet'],
      ['kubelet', 'k3s', 'rke2-server', 'rke2-agent'],
    )
      ? ['kubelet']
      : []),
    ...(there(['/usr/bin/nova-compute', '/etc/kolla/nova-compute'], ['nova-compute'])
      ? ['nova-compute']
      : []),
  ];
}

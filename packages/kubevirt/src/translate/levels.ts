import { isObject } from './manifest.ts';

/**
 * Which keys belong to which level of a manifest. In KubeVirt 1.9.0 no key is at home on two of these levels (computed
 * from the CRDs), so a misplaced key has exactly one home. Only keys that people write are listed.
 */
interface Level {
  readonly path: string;
  readonly keys: ReadonlySet<string>;
}

const level = (path: string, keys: string): Level => ({ path, keys: new Set(keys.split(' ')) });

const vmKeys =
  'runStrategy running template dataVolumeTemplates instancetype preference updateVolumesStrategy';
const vmiKeys =
  'domain networks volumes nodeSelector affinity tolerations evictionStrategy terminationGracePeriodSeconds accessCredentials resourceClaims architecture hostname subdomain dnsPolicy dnsConfig priorityClassName schedulerName readinessProbe livenessProbe topologySpreadConstraints startStrategy';
const domainKeys =
  'cpu memory machine firmware features clock resources devices chassis ioThreads ioThreadsPolicy launchSecurity rebootPolicy';
const deviceKeys =
  'disks interfaces gpus hostDevices inputs rng watchdog tpm filesystems video sound autoattachGraphicsDevice autoattachInputDevice autoattachMemBalloon autoattachPodInterface autoattachSerialConsole autoattachVSOCK blockMultiQueue clientPassthrough disableHotplug downwardMetrics networkInterfaceMultiqueue panicDevices useVirtioTransitional logSerialConsole';
const permittedKeys = 'pciHostDevices mediatedDevices usb';
const mediatedKeys = 'nodeMediatedDeviceTypes mediatedDeviceTypes mediatedDevicesTypes';

const vmiLevels = (spec: string) => [
  level(spec, vmiKeys),
  level(`${spec}.domain`, domainKeys),
  level(`${spec}.domain.devices`, deviceKeys),
];
const allowLevels = (settings: string) => [
  level(settings, 'permittedHostDevices permittedDevices mediatedDevicesConfiguration'),
  level(`${settings}.permittedHostDevices`, permittedKeys),
  level(`${settings}.mediatedDevicesConfiguration`, mediatedKeys),
];

const top = level('', 'apiVersion kind metadata spec status data');
const levelsByKind: Readonly<Record<string, readonly Level[]>> = {
  VirtualMachine: [
    top,
    level('spec', vmKeys),
    level('spec.template', 'metadata spec'),
    ...vmiLevels('spec.template.spec'),
  ],
  VirtualMachineInstance: [top, ...vmiLevels('spec')],
  KubeVirt: [
    top,
    level(
      'spec',
      'configuration certificateRotateStrategy customizeComponents imagePullPolicy imagePullSecrets imageRegistry imageTag infra workloads workloadUpdateStrategy uninstallStrategy',
    ),
    level(
      'spec.configuration',
      'developerConfiguration permittedHostDevices permittedDevices mediatedDevicesConfiguration network migrations vmRolloutStrategy',
    ),
    level(
      'spec.configuration.developerConfiguration',
      'featureGates disabledFeatureGates logVerbosity useEmulation',
    ),
    ...allowLevels('spec.configuration').slice(1),
  ],
  'HyperConverged/v1beta1': [top, ...allowLevels('spec')],
  'HyperConverged/v1': [
    top,
    level('spec', 'virtualization featureGates'),
    ...allowLevels('spec.virtualization'),
  ],
};

/** A key that stands where its kind has no such key, and where it belongs. Paths are keys joined by dots. */
export interface Misplaced {
  readonly key: string;
  /** Where it stands now. */
  readonly from: readonly string[];
  /** Where its new parent stands now; shorter than `home` when parents are missing. */
  readonly parent: readonly string[];
  /** Parents that must be made below `parent`. */
  readonly missing: readonly string[];
  /** Path at which it belongs, once everything is right. */
  readonly home: string;
}

/** All misplaced keys of a manifest, outer ones first; inner ones are told as if the outer ones were in place. */
export function findMisplaced(manifest: unknown): readonly Misplaced[] {
  if (!isObject(manifest) || typeof manifest.kind !== 'string') return [];
  const kind =
    manifest.kind === 'HyperConverged'
      ? `HyperConverged/${String(manifest.apiVersion).split('/')[1]}`
      : manifest.kind;
  const levels = levelsByKind[kind] ?? [];
  const homes = new Map(
    levels.flatMap(({ path, keys }) => [...keys].map((key) => [key, path] as const)).reverse(),
  );
  const known = new Map(levels.map(({ path, keys }) => [path, keys] as const));
  const found: { key: string; from: readonly string[]; home: string }[] = [];
  const places = new Map<string, readonly string[]>();
  scan(manifest, '', []);
  return found.map(({ key, from, home }) => ({ key, from, home, ...nearestPlace(home) }));

  function scan(node: object, path: string, actual: readonly string[]): void {
    // Another place that means the same level: the one that is right already counts.
    const held = places.get(path);
    if (held === undefined || actual.join('.') === path) places.set(path, actual);
    for (const [key, value] of Object.entries(node)) {
      const own = known.get(path);
      const home = own?.has(key) === false ? homes.get(key) : undefined;
      const isMisplaced = home !== undefined && home !== path && key !== 'spec' && key !== 'metadata';
      if (isMisplaced) found.push({ key, from: actual, home });
      const effective = join(isMisplaced ? home : path, key);
      if (
        isObject(value) &&
        [...known.keys()].some((other) => other === effective || other.startsWith(`${effective}.`))
      ) {
        scan(value, effective, [...actual, key]);
      }
    }
  }

  function nearestPlace(home: string): { parent: readonly string[]; missing: readonly string[] } {
    const parts = home === '' ? [] : home.split('.');
    for (let length = parts.length; length >= 0; length -= 1) {
      const place = places.get(parts.slice(0, length).join('.'));
      if (place !== undefined) return { parent: place, missing: parts.slice(length) };
    }
    return { parent: [], missing: parts };
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

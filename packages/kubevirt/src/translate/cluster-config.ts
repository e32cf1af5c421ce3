import type { Report } from './diagnostics.ts';
import { at, compact, isObject, type Json, type Manifest, nest, textsAt } from './manifest.ts';
import { kubevirtVgpuName } from './names.ts';
import { permittedDevices, printPermitted, selectorIdentity, settingsPath } from './permitted.ts';
import type { ResolvedGpu } from './resolve.ts';
import { type ConfigObject, configObject, type KubeVirtSnapshot } from './snapshot.ts';
import { type FeatureGate, needsGate } from './version.ts';

/** Device ids of NVIDIA Grace GPUs, which need gates of their own (kubevirt v1.9.0, VMI create admitter). */
const graceIds = new Set(['10de:2342', '10de:2348', '10de:2941']);

export interface ConfigNeeds {
  readonly resolved: readonly ResolvedGpu[];
  readonly usesGpus: boolean;
  readonly usesHostDevices: boolean;
  readonly usesNuma: boolean;
  /** Nodes on which KubeVirt itself shall make mediated devices; all, when none is named. */
  readonly nodes: readonly string[];
}

/**
 * What the KubeVirt CR (or HyperConverged) must say so that these devices may be used: only the fields that we manage.
 * undefined when nothing is needed, or when Harvester keeps the CR itself.
 */
export function buildConfig(
  snapshot: KubeVirtSnapshot,
  needs: ConfigNeeds,
  report: Report,
): Manifest | undefined {
  if (snapshot.provider === 'harvester' || snapshot.distribution === 'harvester') return undefined;
  const target = configObject(snapshot);
  const permit = uniquePermits(needs.resolved);
  const existing = permittedDevices(target.existing);
  checkPermits(permit, existing, target, report);
  const external = snapshot.provider !== 'kubevirt-builtin';
  const mediated = permit.filter(({ list }) => list === 'mediatedDevices');
  const keepOff = external && mediated.length > 0;
  const settings = compact({
    mediatedDevicesConfiguration: mediatedConfiguration(keepOff, target, mediated, needs.nodes, external),
    permittedHostDevices:
      permit.length === 0
        ? undefined
        : compact({
            pciHostDevices: printed('pciHostDevices'),
            mediatedDevices: printed('mediatedDevices'),
          }),
  });
  const gates = target.kind === 'KubeVirt' ? missingGates() : [];
  const body = nest(
    compact({ developerConfiguration: gates.length > 0 ? { featureGates: gates } : undefined, ...settings }),
    ...settingsPath(target),
  );
  const ownGate = target.kind === 'HyperConverged' && keepOff && !target.enabledField;
  const spec = { ...(body.spec as Json), ...(ownGate ? { featureGates: hyperConvergedGate(target) } : {}) };
  if (Object.keys(at(body, ...settingsPath(target)) as Json).length === 0 && !ownGate) return undefined;
  const { apiVersion, kind, name, namespace } = target;
  return { apiVersion, kind, metadata: { name, namespace }, spec };

  function printed(list: 'pciHostDevices' | 'mediatedDevices'): readonly Json[] | undefined {
    const entries = permit
      .filter((entry) => entry.list === list)
      .map((entry) => printPermitted(entry, target.kind));
    return entries.length > 0 ? entries : undefined;
  }

  function missingGates(): readonly string[] {
    const grace = needs.resolved.some(({ ids }) => ids.some((id) => graceIds.has(id)));
    const dra = snapshot.provider === 'dra';
    const wanted: readonly (readonly [FeatureGate, boolean])[] = [
      ['GPU', needs.usesGpus],
      ['HostDevices', needs.usesHostDevices],
      ['NUMA', needs.usesNuma],
      ['DisableMDEVConfiguration', keepOff],
      ['GPUsWithDRA', dra && needs.usesGpus],
      ['HostDevicesWithDRA', dra && needs.usesHostDevices],
      ['GraceIOVirtualization', grace],
      ['PCINUMAAwareTopology', grace],
      ['IOMMUFD', grace],
    ];
    const listed = gatesOf(target, 'featureGates');
    const off = gatesOf(target, 'disabledFeatureGates');
    for (const [gate, needed] of wanted) {
      if (!needed || !off.includes(gate)) continue;
      const message = `the feature gate ${gate} is switched off in disabledFeatureGates and is needed`;
      report('blocked', 'gate-disabled', 'spec.gpus', message, 'take it out of disabledFeatureGates');
    }
    return wanted.flatMap(([gate, needed]) =>
      needed && needsGate(gate, snapshot.version) && !listed.includes(gate) ? [gate] : [],
    );
  }
}

function gatesOf({ existing }: ConfigObject, list: string): readonly string[] {
  return textsAt(existing, 'spec', 'configuration', 'developerConfiguration', list);
}

/**
 * Who makes mediated devices. With an external provider virt-handler must keep off, or it removes the provider's; from
 * 1.8 a field says so, before a gate (`DisableMDEVConfiguration`). KubeVirt itself makes the types it is told to.
 */
function mediatedConfiguration(
  keepOff: boolean,
  target: ConfigObject,
  mediated: readonly { readonly selector: string }[],
  nodes: readonly string[],
  external: boolean,
): Json | undefined {
  if (keepOff) return target.enabledField ? { enabled: false } : undefined;
  if (external || mediated.length === 0) return undefined;
  const mediatedDeviceTypes = mediated.map(({ selector }) => kubevirtVgpuName(selector));
  if (nodes.length === 0) return { mediatedDeviceTypes };
  return {
    nodeMediatedDeviceTypes: nodes.map((node) => ({
      nodeSelector: { 'kubernetes.io/hostname': node },
      mediatedDeviceTypes,
    })),
  };
}

/** HyperConverged's own switch: a map in v1beta1, a list in v1 of operator 1.18. */
function hyperConvergedGate({ apiVersion }: ConfigObject): unknown {
  return apiVersion.endsWith('/v1')
    ? [{ name: 'disableMDevConfiguration', state: 'Enabled' }]
    : { disableMDevConfiguration: true };
}

function uniquePermits(resolved: readonly ResolvedGpu[]) {
  const byIdentity = new Map(
    resolved.flatMap(({ permit }) => permit).map((entry) => [selectorIdentity(entry), entry] as const),
  );
  return [...byIdentity.values()].sort((a, b) => (selectorIdentity(a) < selectorIdentity(b) ? -1 : 1));
}

function checkPermits(
  permit: ReturnType<typeof uniquePermits>,
  existing: ReturnType<typeof permittedDevices>,
  target: ConfigObject,
  report: Report,
): void {
  for (const wanted of permit) {
    const other = existing.find((entry) => selectorIdentity(entry) === selectorIdentity(wanted));
    if (other !== undefined && other.resourceName !== wanted.resourceName) {
      const message = `${target.kind} ${target.name} already permits ${wanted.selector} as ${other.resourceName}, not as ${wanted.resourceName}`;
      report(
        'blocked',
        'permission-conflict',
        'spec.gpus',
        message,
        `ask for ${other.resourceName}, or change that entry first`,
      );
    } else if (other?.external && !wanted.external) {
      const message = `${target.kind} ${target.name} says that another plugin publishes ${wanted.selector}, so KubeVirt's own will not`;
      report(
        'blocked',
        'provider-mismatch',
        'spec.gpus',
        message,
        'take externalResourceProvider out of that entry',
      );
    }
  }
  if (
    permit.length > 0 &&
    target.existing &&
    !isObject(at(target.existing, ...settingsPath(target), 'permittedHostDevices'))
  ) {
    report(
      'approximated',
      'first-permission',
      'spec.gpus',
      `${target.kind} ${target.name} has no permittedHostDevices, which permits every device; from now on only those listed are permitted`,
      'list the devices of other VMs as well',
    );
  }
  const owner = managedBy(target.existing);
  if (owner !== undefined && permit.length > 0) {
    const message = `${owner} manages ${target.kind} ${target.name} and will put back what it knows`;
    report('approximated', 'config-owner', 'spec.gpus', message, 'make the same change at its source');
  }
}

/** The deployment tool that owns an object, by the marks it leaves. */
function managedBy(object: Manifest | null | undefined): string | undefined {
  const marks = Object.keys({ ...object?.metadata?.labels, ...object?.metadata?.annotations });
  if (marks.some((mark) => mark === 'meta.helm.sh/release-name')) return 'Helm';
  if (marks.some((mark) => mark.startsWith('argocd.argoproj.io/'))) return 'Argo CD';
  return marks.some((mark) => /^(kustomize|helm)\.toolkit\.fluxcd\.io\//.test(mark)) ? 'Flux' : undefined;
}

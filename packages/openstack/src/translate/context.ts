import type {
  Catalog,
  Diagnostic,
  DiagnosticKind,
  GpuDevice,
  GpuVm,
  HostRequirement,
  PlanOptions,
} from '@vmgpu/core';
import type { OpenStackOptions } from './options.ts';
import { parseOptions } from './options.ts';
import { type NovaRelease, parseRelease, since } from './releases.ts';
import type { NovaService, OpenStackSnapshot } from './snapshot.ts';

/** One value of one option for one service, on one host when `host` is set. */
export interface Setting {
  readonly service: NovaService;
  readonly host?: string;
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** What planning reads, and where its parts put what they find. */
export interface PlanContext {
  readonly intent: GpuVm;
  readonly snapshot: OpenStackSnapshot;
  readonly release: NovaRelease;
  readonly options: OpenStackOptions;
  readonly catalog: Catalog | undefined;
  /** PCI devices are scheduled through Placement. */
  readonly placement: boolean;
  readonly diagnostics: Diagnostic[];
  readonly requirements: HostRequirement[];
  readonly settings: Setting[];
}

export function planContext(
  intent: GpuVm,
  snapshot: OpenStackSnapshot,
  planOptions: PlanOptions,
): PlanContext {
  const options = parseOptions(intent);
  const release = parseRelease(snapshot.version);
  const wanted = options.pciInPlacement ?? since(release, 'pciInPlacementByDefault');
  const context: PlanContext = {
    intent,
    snapshot,
    release,
    options,
    catalog: planOptions.catalog,
    placement: wanted && since(release, 'pciInPlacement'),
    diagnostics: [],
    requirements: [],
    settings: [],
  };
  if (wanted && !context.placement) {
    note(
      context,
      'unsupported',
      'pci-in-placement-too-old',
      'spec.providerOptions.openstack.pciInPlacement',
      `Nova ${release.nova} cannot schedule PCI devices through Placement; the PCI filter is used instead`,
    );
  }
  return context;
}

/** Adds a diagnostic; `code` gets the platform's prefix. */
export function note(
  { diagnostics }: Pick<PlanContext, 'diagnostics'>,
  kind: DiagnosticKind,
  code: string,
  path: string,
  message: string,
  remedy?: string,
): void {
  diagnostics.push({
    kind,
    code: `openstack.${code}`,
    path,
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** All GPUs of all hosts, with their host. */
export function allGpus({
  snapshot,
}: PlanContext): readonly { readonly host: string; readonly gpu: GpuDevice }[] {
  return snapshot.hosts.flatMap(({ host, gpus }) => gpus.map((gpu) => ({ host, gpu })));
}

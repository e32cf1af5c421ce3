import { type GpuVm, isAttachment, type PlanOptions, type Step } from '@vmgpu/core';
import { attach, findVm } from './attachment.ts';
import { checkVm } from './checks.ts';
import type { Report } from './diagnostics.ts';
import { buildClaim, type DraClaim } from './dra.ts';
import { withoutGiven } from './given.ts';
import type { PlacedGpu } from './gpus.ts';
import { checkAttachment, checkInstancetype, withoutInstancetype } from './instancetype-checks.ts';
import type { Manifest } from './manifest.ts';
import { sameFields } from './merge.ts';
import type { KubeVirtOptions } from './options.ts';
import type { ResolvedGpu } from './resolve.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';
import { buildVm } from './vm.ts';

/** The owner's steps: what the VM needs beside it, then the VM itself or the change of its GPUs. */
export function vmSteps(
  intent: GpuVm,
  snapshot: KubeVirtSnapshot,
  own: KubeVirtOptions,
  resolved: readonly ResolvedGpu[],
  options: PlanOptions,
  report: Report,
): readonly Step[] {
  const wanted = options.vm;
  const existing = wanted === undefined ? undefined : findVm(snapshot, own, wanted);
  const [reference, ownNamespace] = (wanted ?? intent.metadata.name).split('/').reverse();
  const name = existing?.metadata?.name ?? reference ?? intent.metadata.name;
  const namespace = existing?.metadata?.namespace ?? ownNamespace ?? own.namespace ?? snapshot.namespace;
  const said = withoutGiven({ ...intent, metadata: { ...intent.metadata, name } }, own, report);
  const listed = resolved.filter(({ request }) => said.spec.gpus?.some((gpu) => gpu.name === request.name));
  const claims = new Map<ResolvedGpu, DraClaim>(
    snapshot.provider === 'dra'
      ? listed.flatMap((gpu) =>
          own.claims?.[gpu.request.name] || gpu.request.mode === 'vgpu'
            ? []
            : [[gpu, buildClaim(gpu, name, namespace)]],
        )
      : [],
  );
  const placed = listed.map((gpu): PlacedGpu => {
    const claim = own.claims?.[gpu.request.name];
    return { ...gpu, ...claimOf(claim === undefined ? claims.get(gpu)?.claims : [claim]) };
  });
  const entries = [...claims.values()].map(({ entry }) => entry);
  const objects = [...claims.values()].map(({ template }) => template);
  const target = { name, in: namespace };
  const vmKind = own.acceptWaiting ? 'kubevirt.waiting-virtual-machine' : 'kubevirt.virtual-machine';
  const base = { scope: 'vm', reversible: true } as const;
  if (wanted !== undefined && isAttachment(intent)) {
    const change = attach(existing, { name, namespace, kind: own.kind, entries }, placed, own, report);
    checkAttachment(existing, change, snapshot, report);
    return [
      ...objects.map(objectStep),
      {
        ...base,
        id: `vm/${namespace}/${name}`,
        kind: vmKind,
        target: { type: change.kind ?? 'VirtualMachine', ...target },
        ...(existing === undefined ? {} : { before: sameFields(existing, change) }),
        after: change,
        risk: 'vm-restart',
        summary:
          placed.length > 0
            ? `give ${namespace}/${name} ${listGpus(placed)}`
            : `take the GPUs from ${namespace}/${name}`,
        needs: ['config', ...objects.map(objectId)],
      },
    ];
  }
  const built = buildVm(said, own, placed, { namespace, resourceClaims: entries }, report);
  checkVm(intent, built.manifest, resolved, snapshot, report);
  checkInstancetype(intent, built.manifest, snapshot, report);
  objects.push(...(built.secret ? [built.secret] : []), ...built.dataVolumes);
  const { kind = 'VirtualMachine', metadata } = built.manifest;
  const present = existing ?? sameNamed(snapshot, built.manifest);
  const after = withoutInstancetype(built.manifest, present, snapshot, report);
  return [
    ...objects.map(objectStep),
    {
      ...base,
      id: `vm/${metadata?.namespace ?? namespace}/${metadata?.name ?? name}`,
      kind: vmKind,
      target: { type: kind, name: metadata?.name ?? name, in: metadata?.namespace ?? namespace },
      ...(present === undefined ? {} : { before: present && sameFields(present, after) }),
      after,
      risk: present ? 'vm-restart' : 'none',
      summary: `${present ? 'update' : 'create'} ${kind} ${namespace}/${name}${resolved.length > 0 ? ` with ${listGpus(resolved)}` : ''}`,
      needs: ['config', ...objects.map(objectId)],
    },
  ];
}

/** The VM of that name; null when there is none, undefined when the snapshot has not looked. */
function sameNamed({ virtualMachines }: KubeVirtSnapshot, { kind, metadata }: Manifest) {
  const found = virtualMachines?.find(
    (vm) =>
      (vm.kind ?? kind) === kind &&
      vm.metadata?.name === metadata?.name &&
      vm.metadata?.namespace === metadata?.namespace,
  );
  return virtualMachines && (found ?? null);
}

function claimOf(claims: PlacedGpu['claims']): Pick<PlacedGpu, 'claims'> {
  return claims === undefined ? {} : { claims };
}

const objectId = ({ kind, metadata }: Manifest) =>
  `${(kind ?? '').toLowerCase()}/${metadata?.namespace}/${metadata?.name}`;

function objectStep(object: Manifest): Step {
  const { kind = '', metadata } = object;
  return {
    id: objectId(object),
    kind: 'kubevirt.object',
    target: { type: kind, name: metadata?.name ?? '', in: metadata?.namespace ?? '' },
    after: object,
    scope: 'vm',
    risk: 'none',
    reversible: true,
    summary: `create ${kind} ${metadata?.namespace}/${metadata?.name}`,
  };
}

function listGpus(placed: readonly Pick<PlacedGpu, 'request' | 'resource'>[]): string {
  return placed
    .map(
      ({ request, resource }) =>
        `${request.count ?? 1} × ${resource ?? (request as { profile?: string }).profile ?? request.name}`,
    )
    .join(', ');
}

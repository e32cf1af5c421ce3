import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../core/test/shared-data.ts';
import {
  admitKubeVirt,
  admitVm,
  launcherAddresses,
  renderLauncherDevices,
  type StructuralSchema,
  schemaProblems,
} from '../src/translate/admission.ts';
import type { Json, Manifest } from '../src/translate/manifest.ts';

interface Case {
  readonly id: string;
  readonly object: Manifest;
  readonly kubevirtConfiguration?: Json;
  readonly launcherEnv?: Readonly<Record<string, string>>;
  readonly webhookSchema: { readonly allowed: boolean };
  readonly webhook: {
    readonly allowed: boolean;
    readonly causes?: { message: string; field?: string }[];
    warnings?: string[];
  };
  readonly launcherPod?: {
    readonly error?: string;
    readonly computeResources?: { limits?: Record<string, string>; claims?: unknown };
  };
  readonly launcherHostDevices?: { readonly error?: string; readonly hostdevXML?: string[] };
}

const file = sharedData('kubevirt/golden/verdicts-kubevirt-v1.9.0.json');
const read = <T>(path: string) => JSON.parse(readFileSync(sharedData(path) as string, 'utf8')) as T;
const cases =
  file === undefined
    ? []
    : read<{ verdicts: Case[] }>('kubevirt/golden/verdicts-kubevirt-v1.9.0.json').verdicts;
const schemas = Object.fromEntries(
  file === undefined
    ? []
    : ['VirtualMachine', 'VirtualMachineInstance', 'KubeVirt'].map((kind) => [
        kind,
        read<{ openAPIV3Schema: StructuralSchema }>(
          `kubevirt/crds/${kind.toLowerCase()}-v1.9.0.openAPIV3Schema.json`,
        ).openAPIV3Schema,
      ]),
) as Record<string, StructuralSchema>;

describe.skipIf(file === undefined)('verdicts of KubeVirt 1.9.0', () => {
  it('has the 97 cases', () => expect(cases).toHaveLength(97));

  it.each(cases.map((item) => [item.id, item] as const))('%s: schema', (id, { object, webhookSchema }) => {
    const problems = schemaProblems(schemas[object.kind ?? ''] as StructuralSchema, object);
    // The API server refuses it by the CRD; KubeVirt's webhook, whose answer the data has, reads no name as an empty one.
    if (id === 'vm-missing-name') {
      expect(problems.map(({ reason, field }) => [reason, field])).toEqual([
        ['required', 'spec.template.spec.domain.devices.gpus[0].name'],
      ]);
    } else expect(problems.length === 0, JSON.stringify(problems)).toBe(webhookSchema.allowed);
  });

  it.each(cases.map((item) => [item.id, item] as const))(
    '%s: webhook',
    (_, { object, webhook, kubevirtConfiguration }) => {
      const isCr = object.kind === 'KubeVirt';
      const answer = isCr ? admitKubeVirt(object, schemas.KubeVirt) : admitVm(object, kubevirtConfiguration);
      expect(answer.allowed, JSON.stringify(answer.causes)).toBe(webhook.allowed);
      expect(answer.warnings).toEqual((webhook.warnings ?? []).filter(Boolean));
      const wordings = (webhook.causes ?? []).filter(
        ({ message }) => !/in body|cannot unmarshal|real webhook/.test(message),
      );
      if (wordings.length === 0) return;
      const texts = (causes: readonly { message: string; field?: string }[]) =>
        causes.map(({ field, message }) => `${field ?? ''} ${message}`).sort();
      expect(texts(answer.causes)).toEqual(texts(wordings));
    },
  );

  const rendered = cases.filter(({ launcherPod }) => launcherPod !== undefined);
  it.each(rendered.map((item) => [item.id, item] as const))('%s: launcher pod', (_, item) => {
    const made = renderLauncherDevices(item.object, item.kubevirtConfiguration);
    expect(made.error).toBe(item.launcherPod?.error);
    if (made.error !== undefined) return;
    const own = Object.entries(item.launcherPod?.computeResources?.limits ?? {}).filter(
      ([name]) => name.includes('/') && !name.startsWith('devices.kubevirt.io/'),
    );
    expect(made.limits).toEqual(Object.fromEntries(own.map(([name, amount]) => [name, Number(amount)])));
    expect(made.claims).toEqual(item.launcherPod?.computeResources?.claims ?? []);
  });

  const started = cases.filter(({ launcherHostDevices }) => launcherHostDevices !== undefined);
  it.each(started.map((item) => [item.id, item] as const))('%s: addresses', (_, item) => {
    const found = launcherAddresses(item.object, item.launcherEnv ?? {});
    expect(found?.length).toBe(
      item.launcherHostDevices?.error ? undefined : item.launcherHostDevices?.hostdevXML?.length,
    );
  });
});

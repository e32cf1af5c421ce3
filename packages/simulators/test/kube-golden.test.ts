import { describe, expect, it } from 'vitest';
import { sharedJson } from '../../core/test/shared-data.ts';
import {
  type Dict,
  type KubeObject,
  launcherResources,
  type Scenario,
  type StructuralSchema,
  sampleKubeVirt,
  sampleNamespace,
  startKube,
} from '../src/kube/index.ts';
import { type Answer, clientOf, kubevirt } from './kube-client.ts';

interface Verdict {
  readonly allowed: boolean;
  readonly causes?: readonly { message: string; field?: string; type?: string }[];
  readonly warnings?: readonly string[];
}

interface Case {
  readonly id: string;
  readonly object: KubeObject;
  readonly oldObject?: KubeObject;
  readonly kubevirtConfiguration?: Dict;
  readonly webhookSchema: Verdict;
  readonly webhook: Verdict;
  readonly launcherPod?: {
    readonly error?: string;
    readonly computeResources?: { limits?: Dict; requests?: Dict; claims?: unknown };
    readonly nodeSelector?: Dict;
  };
}

const cases =
  sharedJson<{ verdicts: Case[] }>('kubevirt/golden/verdicts-kubevirt-v1.9.0.json')?.verdicts ?? [];
const schemas: Record<string, StructuralSchema> = {};
for (const kind of cases.length > 0 ? ['KubeVirt', 'VirtualMachine', 'VirtualMachineInstance'] : []) {
  const path = `kubevirt/crds/${kind.toLowerCase()}-v1.9.0.openAPIV3Schema.json`;
  const schema = sharedJson<{ openAPIV3Schema: StructuralSchema }>(path)?.openAPIV3Schema;
  if (schema) schemas[kind] = schema;
}

/** Sends a case to a server of its own, with the KubeVirt CR it was recorded with. */
async function ask({ object, oldObject, kubevirtConfiguration }: Case, mode: string): Promise<Answer> {
  const isCr = object.kind === 'KubeVirt';
  const cr = isCr
    ? { ...sampleKubeVirt(), spec: oldObject?.spec ?? {} }
    : sampleKubeVirt(kubevirtConfiguration);
  const scenario: Scenario = { objects: [sampleNamespace('kubevirt'), sampleNamespace('default'), cr] };
  const simulator = await startKube({ clock: 'manual', scenario, schemas });
  try {
    const { get, post, put } = clientOf(simulator);
    if (isCr) {
      const { body } = await get(kubevirt);
      return await put(`${kubevirt}?fieldValidation=${mode}`, { ...object, metadata: body.metadata });
    }
    const plural = `${object.kind.toLowerCase()}s`;
    return await post(`/apis/${object.apiVersion}/namespaces/default/${plural}?fieldValidation=${mode}`, {
      ...object,
      metadata: { ...object.metadata, namespace: 'default' },
    });
  } finally {
    await simulator.close();
  }
}

/** Cases where the API server before the webhook answers differently from the webhook that was recorded alone. */
const beforeTheWebhook = new Map([
  ['vm-missing-name', 'the CRD requires the name; Go decodes none as an empty one'],
  ['vm-unknown-field', 'pruning takes `devicename` away, which Go would decode'],
]);

describe.skipIf(cases.length === 0)('recorded verdicts of KubeVirt v1.9.0', () => {
  it('are the same by strict requests: 97 compared, no difference but what the CRD decides', async () => {
    const differences: string[] = [];
    for (const item of cases) {
      const { status } = await ask(item, 'Strict');
      const expected = item.webhookSchema.allowed && item.webhook.allowed;
      if (status < 300 !== expected) differences.push(item.id);
    }
    expect(cases).toHaveLength(97);
    expect(differences).toEqual(['vm-missing-name']);
  });

  it('are the same by lenient requests, with the texts of the webhook', async () => {
    const differences: string[] = [];
    let texts = 0;
    for (const item of cases) {
      const { status, body, headers } = await ask(item, 'Warn');
      const { causes = [], warnings = [] } = item.webhook;
      const fromWebhook = !causes.some(({ message }) =>
        /in body|cannot unmarshal|real webhook/.test(message),
      );
      if (!fromWebhook || beforeTheWebhook.has(item.id)) continue;
      if (status < 300 !== item.webhook.allowed) {
        differences.push(`${item.id}: ${body.message}`);
        continue;
      }
      const got = (body.details?.causes ?? []).map(({ reason, field, message }: Dict) => [
        reason,
        field ?? '',
        message,
      ]);
      const wanted = causes.map(({ type, field, message }) => [type, field ?? '', message]);
      texts += wanted.length;
      if (status >= 300 && JSON.stringify(got.sort()) !== JSON.stringify(wanted.sort())) {
        differences.push(`${item.id}: ${JSON.stringify(got)} not ${JSON.stringify(wanted)}`);
      }
      for (const warning of warnings) {
        if (warning && !headers.get('warning')?.includes(JSON.stringify(warning))) differences.push(item.id);
      }
    }
    expect(differences).toEqual([]);
    expect(texts).toBeGreaterThan(35);
  });

  it('give the same launcher pods', () => {
    const differences: string[] = [];
    let compared = 0;
    for (const { id, object, kubevirtConfiguration = {}, launcherPod } of cases) {
      const spec = object.kind === 'VirtualMachine' ? object.spec.template?.spec : object.spec;
      if (launcherPod === undefined || spec === undefined) continue;
      compared += 1;
      const got = render(spec, kubevirtConfiguration);
      const { error, computeResources = {}, nodeSelector } = launcherPod;
      // The renderer writes devices into limits; the API server copies them to requests, as ours does at once.
      const { limits = {}, requests = {}, claims = [] } = computeResources;
      const wanted = error
        ? { error }
        : { limits, requests: { ...limits, ...requests }, claims, nodeSelector };
      try {
        expect(got).toEqual(wanted);
      } catch {
        differences.push(`${id}: ${JSON.stringify(got)} not ${JSON.stringify(wanted)}`);
      }
    }
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(75);
  });
});

function render(spec: Dict, configuration: Dict): Dict {
  try {
    const { limits, requests, claims, nodeSelector } = launcherResources(spec, configuration);
    return { limits, requests, claims, nodeSelector };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

describe('wrong types', () => {
  it('are 422 with the path and the note about rules that were not checked', async () => {
    const cores = { type: 'integer' };
    const object = (properties: Dict) => ({ type: 'object', properties });
    const schema = object({ spec: object({ template: object({ cores }) }) });
    const scenario = { objects: [sampleNamespace('default'), sampleNamespace('kubevirt'), sampleKubeVirt()] };
    const simulator = await startKube({ clock: 'manual', scenario, schemas: { VirtualMachine: schema } });
    const { body } = await clientOf(simulator).post(
      '/apis/kubevirt.io/v1/namespaces/default/virtualmachines',
      {
        apiVersion: 'kubevirt.io/v1',
        kind: 'VirtualMachine',
        metadata: { name: 'a' },
        spec: { template: { cores: 'two' } },
      },
    );
    expect(body.code).toBe(422);
    expect(body.message).toContain('spec.template.cores in body must be of type integer: "string"');
    expect(body.message).toContain('some validation rules were not checked');
    await simulator.close();
  });
});

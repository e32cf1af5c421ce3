import { describe, expect, it } from 'vitest';
import { hostPciFormat, printHostPci, tryParseHostPci } from '../src/translate/hostpci.ts';
import { parsePciConfig } from '../src/translate/pci-config.ts';
import { apiErrorText } from '../src/translate/property-string.ts';
import { judgeMappingRequest, judgeVmRequest } from '../src/translate/request-rules.ts';
import { optionsAsText } from '../src/translate/snapshot.ts';
import { resolveHostPci, resolveStart } from '../src/translate/start-rules.ts';
import { parseVmConfig } from '../src/translate/vm-config.ts';
import { available, lines, observedHost, text } from './shared.ts';

type Json = Record<string, unknown>;
const same = (a: unknown, b: unknown) =>
  expect.objectContaining({}) && JSON.stringify(a) === JSON.stringify(b);

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/** Booleans as 1/0, as Proxmox VE holds them. */
function numeric(value: object): Json {
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, typeof item === 'boolean' ? Number(item) : item]),
  );
}

describe.skipIf(!available)('what the real code said', () => {
  const host = available ? observedHost() : undefined;
  const node = host?.nodes[0];
  const context = {
    node: 'pve1',
    items: node?.pci ?? [],
    mappings: host?.mappings ?? [],
    mdevTypes: node?.mdevTypes ?? {},
  };

  it('of hostpci strings', () => {
    const differences: unknown[] = [];
    const cases = lines<Json>('cases/hostpci.expected.jsonl');
    for (const { in: input, ...wanted } of cases) {
      const found = judgeHostPci(String(input));
      const expected = typeof wanted.error === 'string' ? { ...wanted, error: wanted.error.trim() } : wanted;
      if (!same(sorted(found), sorted(expected))) differences.push({ input, found, expected });
    }
    console.log(`hostpci strings: ${cases.length} compared, ${differences.length} differences`);
    expect(differences).toEqual([]);
    expect(cases.length).toBe(61);
  });

  function judgeHostPci(input: string): Json {
    const result = tryParseHostPci(input);
    if (!result.ok) {
      const { text: error, errors } = result.problem;
      return {
        ok: false,
        stage: 'format',
        error,
        ...(errors ? { errors } : {}),
        api: {
          status: '400',
          message: 'Parameter verification failed.\n',
          errors: { hostpci0: apiErrorText('hostpci0', result.problem) },
        },
      };
    }
    const common = { parsed: numeric(result.value), printed: printHostPci(result.value) };
    const resolved = resolveHostPci(result.value, context);
    if (!resolved.ok) return { ...common, ok: false, stage: 'resolve', error: resolved.error };
    const { device, alternatives, nvidia } = resolved.value;
    const { host: _, mapping: __, mdev, ...flags } = device;
    return {
      ...common,
      ok: true,
      resolved: {
        ...numeric(flags),
        ids: alternatives.map((functions) => functions.map((item) => item.id)),
        ...(alternatives.some((functions) => functions.length > 1) ? { 'has-multifunction': 1 } : {}),
        ...(nvidia === undefined ? (mdev === undefined ? {} : { mdev }) : { nvidia }),
      },
    };
  }

  it('of requests about VMs', () => {
    const answers = new Map(
      lines<Json>('cases/vm-requests.expected.jsonl').map((answer) => [answer.id, answer]),
    );
    const differences: unknown[] = [];
    const cases = lines<Json>('cases/vm-requests.jsonl');
    for (const { id, op, params, user, privs, conf } of cases) {
      const { vmid, ...sent } = params as Json;
      const found = judgeVmRequest({
        create: op === 'create',
        node: 'pve1',
        vmid: Number(vmid),
        params: optionsAsText(sent),
        version: '9.2.6',
        caller: {
          user: String(user ?? 'root@pam'),
          ...(privs ? { privileges: privs as Record<string, string[]> } : {}),
        },
        ...(conf === undefined ? {} : { current: parseVmConfig(String(conf)).options }),
      });
      const answer = answers.get(id) as Json;
      const expected = Object.fromEntries(
        ['status', 'message', 'errors', 'warnings'].flatMap((key) =>
          answer[key] === undefined ? [] : [[key, answer[key]]],
        ),
      );
      if (!same(sorted(found), sorted(expected))) differences.push({ id, found, expected });
    }
    console.log(`requests about VMs: ${cases.length} compared, ${differences.length} differences`);
    expect(differences).toEqual([]);
  });

  it('of requests about mappings', () => {
    const answers = new Map(
      lines<Json>('cases/mapping-requests.expected.jsonl').map((answer) => [answer.id, answer]),
    );
    const differences: unknown[] = [];
    const cases = lines<{
      id: string;
      op: string;
      params: { id: string; map?: string | string[]; digest?: string };
    }>('cases/mapping-requests.jsonl');
    const changes = cases.filter(({ op }) => /create|update|delete/.test(op));
    for (const { id, op, params } of changes) {
      const map = params.map === undefined ? undefined : [params.map].flat();
      const found = judgeMappingRequest({
        change: op.slice(4) as 'create',
        id: params.id,
        ...(map ? { map } : {}),
        ...(params.digest ? { digest: params.digest } : {}),
        mappings: context.mappings,
        currentDigest: 'other',
      });
      const answer = answers.get(id) as Json;
      const expected = Object.fromEntries(
        ['status', 'message', 'errors'].flatMap((key) =>
          answer[key] === undefined ? [] : [[key, answer[key]]],
        ),
      );
      if (!same(sorted(found), sorted(expected))) differences.push({ id, found, expected });
    }
    console.log(`requests about mappings: ${changes.length} compared, ${differences.length} differences`);
    expect(differences).toEqual([]);
  });

  it('of reading mappings: the same entries come out of pci.cfg', () => {
    const answers = new Map(
      lines<Json>('cases/mapping-requests.expected.jsonl').map((answer) => [answer.id, answer]),
    );
    const data = (answers.get('map-get') as { data: Json }).data;
    const mapping = context.mappings.find(({ id }) => id === 'a10-vgpu');
    expect(mapping?.map).toEqual(data.map);
    expect(mapping?.mdev).toBe(true);
    const written = String((answers.get('map-create-min') as Json)['pci.cfg']);
    expect(parsePciConfig(written).at(-1)).toEqual({
      id: 'g1',
      map: ['node=pve1,path=0000:26:00.0,id=10de:1d01'],
    });
  });

  it('of started VMs: each option gets the same functions', () => {
    const started = JSON.parse(text('examples/examples.qemu.json')) as { id: string; vfio: string[] }[];
    const differences: unknown[] = [];
    for (const { id, vfio } of started) {
      const options = parseVmConfig(text(`examples/${id}.conf`)).options;
      const found = resolveStart(options, context);
      const expected: Record<string, string[]> = {};
      for (const device of vfio) {
        const [, option = ''] = /[,]id=(hostpci\d+)/.exec(device) ?? [];
        const address = /host=([^,]+)/.exec(device)?.[1];
        if (option && address) expected[option] = [...(expected[option] ?? []), address];
        else if (option) expected[option] = ['0000:00:02.0'];
      }
      if (!found.ok || !same(sorted(found.value), sorted(expected)))
        differences.push({ id, found, expected });
    }
    console.log(`started VMs: ${started.length} compared, ${differences.length} differences`);
    expect(differences).toEqual([]);
  });

  it('knows the same hostpci keys as the API schema', () => {
    const schema = JSON.parse(text('pve-9.2.6-vm-gpu-schema.json')) as { formats: Record<string, Json> };
    expect(Object.keys(hostPciFormat.keys).sort()).toEqual(
      Object.keys(schema.formats['pve-qm-hostpci'] ?? {}).sort(),
    );
  });
});

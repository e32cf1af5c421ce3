/**
 * Answers of the real services (keystone 22.0.2, nova 26.2.2, placement 8.0.0, glance 25.1.0, neutron 21.0.0 on Debian 12, as
 * e2e/openstack brings them up) to the same questions: status and text, word for word.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, type CallOptions, passwordBody, startBench } from './openstack-client.ts';

const uuid = '6f1c1f9e-0000-4000-8000-000000000001';
const tiny = '8f6f0c0e-7f0e-4c7a-9a53-0d2f6f8f1c11';
const servers = 'POST /compute/v2.1/servers';
const specs = 'POST /compute/v2.1/flavors/none/os-extra_specs';
const candidates = 'GET /placement/allocation_candidates';
const at = (version: string, json?: unknown): CallOptions => ({ version, ...(json ? { json } : {}) });
const patch = (json: unknown): CallOptions => ({
  json,
  headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
});
const checked = (json: Record<string, unknown>) => at('2.86', { extra_specs: json });

type Case = readonly [call: string, options: CallOptions, status: number, message: string];

const nova: readonly Case[] = [
  [
    'GET /compute/v2.1/servers/detail',
    at('2.999'),
    406,
    'Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.93.',
  ],
  ['GET /compute/v2.1/flavors/none', {}, 404, 'Flavor none could not be found.'],
  ['DELETE /compute/v2.1/flavors/none', {}, 404, 'Flavor none could not be found.'],
  ['GET /compute/v2.1/servers/none', {}, 404, 'Instance none could not be found.'],
  [`GET /compute/v2.1/servers/${uuid}`, {}, 404, `Instance ${uuid} could not be found.`],
  ['GET /compute/v2.1/servers/detail?marker=x', {}, 400, 'marker [x] not found'],
  [
    'GET /compute/v2.1/servers/detail?limit=x',
    {},
    400,
    "Invalid input for query parameters limit. Value: x. 'x' does not match '^[0-9]*$'",
  ],
  ['GET /compute/v2.1/flavors/detail?marker=x', {}, 400, 'marker [x] not found'],
  [servers, { json: '{' }, 400, 'Malformed request body'],
  [
    servers,
    { json: { server: { name: 'x' } } },
    400,
    "Invalid input for field/attribute server. Value: {'name': 'x'}. 'flavorRef' is a required property",
  ],
  [
    servers,
    { json: { server: { name: 'x', flavorRef: '1', x: 1 } } },
    400,
    "Invalid input for field/attribute server. Value: {'name': 'x', 'flavorRef': '1', 'x': 1}. Additional properties are not allowed ('x' was unexpected)",
  ],
  [servers, { json: { server: { name: 'x', flavorRef: '1' } } }, 400, 'Missing imageRef attribute'],
  [
    servers,
    at('2.37', { server: { name: 'x', flavorRef: '1', imageRef: uuid } }),
    400,
    `Invalid input for field/attribute server. Value: {'name': 'x', 'flavorRef': '1', 'imageRef': '${uuid}'}. 'networks' is a required property`,
  ],
  [
    servers,
    at('2.37', { server: { name: 'x', flavorRef: 'none', imageRef: uuid, networks: 'none' } }),
    400,
    'Flavor none could not be found.',
  ],
  [
    servers,
    at('2.37', { server: { name: 'x', flavorRef: '1', imageRef: uuid, networks: 'none' } }),
    400,
    'Can not find requested image',
  ],
  [
    servers,
    at('2.37', { server: { name: 'x', flavorRef: '1', imageRef: tiny, networks: [{ uuid }] } }),
    400,
    `Network ${uuid} could not be found.`,
  ],
  [
    'POST /compute/v2.1/flavors',
    { json: { flavor: { name: 'x', ram: 0, vcpus: 1, disk: 1, id: 'x' } } },
    400,
    'Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1',
  ],
  [
    'POST /compute/v2.1/flavors',
    { json: { flavor: { name: 'm1.tiny', ram: 1, vcpus: 1, disk: 1, id: 'x' } } },
    409,
    'Flavor with name m1.tiny already exists.',
  ],
  [
    'POST /compute/v2.1/flavors',
    { json: { flavor: { name: 'other', ram: 1, vcpus: 1, disk: 1, id: '1' } } },
    409,
    'Flavor with ID 1 already exists.',
  ],
  [
    specs,
    checked({ 'hw:maxphysaddr_bits': '46' }),
    400,
    "Validation failed; extra spec 'hw:maxphysaddr_bits' does not appear to be a valid extra spec.",
  ],
  [
    specs,
    checked({ 'hw:nothing': '1' }),
    400,
    "Validation failed; extra spec 'hw:nothing' does not appear to be a valid extra spec.",
  ],
  [
    specs,
    checked({ 'resources:NOTHING': '1' }),
    400,
    "Validation failed; extra spec 'resources:NOTHING' does not appear to be a valid extra spec.",
  ],
  [
    specs,
    checked({ 'pci_passthrough:alias': 'a10' }),
    400,
    "Validation failed; 'a10' is not of the format '[^:]+:\\d+(?:\\s*,\\s*[^:]+:\\d+)*'.",
  ],
  [
    specs,
    checked({ 'hw:cpu_policy': 'x' }),
    400,
    "Validation failed; 'x' is not one of: dedicated, shared, mixed.",
  ],
  [specs, checked({ 'resources:VGPU': 'x' }), 400, "Validation failed; 'x' is not a valid integer value."],
  [
    specs,
    checked({ 'trait:CUSTOM_A': 'x' }),
    400,
    "Validation failed; 'x' is not one of: required, forbidden.",
  ],
  [
    specs,
    checked({ hide_hypervisor_id: 'x' }),
    400,
    "Validation failed; 'x' is not a valid boolean-like value.",
  ],
  [
    specs,
    checked({ 'hw:numa_nodes': '0' }),
    400,
    "Validation failed; '0' is less than the min value of '1'.",
  ],
  [
    specs,
    checked({ 'a/b': '1' }),
    400,
    "Invalid input for field/attribute extra_specs. Value: {'a/b': '1'}. 'a/b' does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{1,255}$'",
  ],
  [
    specs,
    checked({ a: true }),
    400,
    "Invalid input for field/attribute a. Value: True. True is not of type 'string', 'number'",
  ],
  [
    `POST /compute/v2.1/servers/${uuid}/action`,
    { json: { resize: { flavorRef: 'x' } } },
    404,
    `Instance ${uuid} could not be found.`,
  ],
  ...['(', '*', '[', '', '\\', '+', 'vm-(a'].map(
    (name): Case => [
      `GET /compute/v2.1/servers/detail?name=${encodeURIComponent(name)}`,
      {},
      400,
      `Invalid input for query parameters name. Value: ${name}. '${name.replace('\\', '\\\\')}' is not a 'regex'`,
    ],
  ),
  [
    'GET /compute/v2.1/servers/detail?changes-since=nonsense',
    {},
    400,
    "Invalid input for query parameters changes-since. Value: nonsense. 'nonsense' is not a 'date-time'",
  ],
  ['GET /compute/v2.1/servers/detail?status=nonsense', at('2.90'), 400, 'Invalid status value'],
  [
    'GET /compute/v2.1/servers/detail?foo=1',
    at('2.90'),
    400,
    "'foo' does not match any of the regexes: '^_'",
  ],
];

const malformed =
  'The server could not comply with the request since it is either malformed or otherwise incorrect.\n\n ';
const missing = 'The resource could not be found.\n\n ';
const placement: readonly Case[] = [
  [
    'GET /placement/traits',
    at('1.99'),
    406,
    'The resource could not be generated that was acceptable to your browser (content of type application/json. \n\n Invalid microversion: Unacceptable version header: 1.99',
  ],
  [
    'GET /placement/resource_providers?resources=CUSTOM_NONE:1',
    {},
    400,
    `${malformed}Invalid resource class in resources parameter: No such resource class CUSTOM_NONE.  `,
  ],
  [
    `GET /placement/resource_providers/${uuid}`,
    {},
    404,
    `${missing}No resource provider with uuid ${uuid} found  `,
  ],
  [
    `${candidates}?resources=VCPU:0`,
    at('1.36'),
    400,
    `${malformed}Requested resource VCPU requires amount >= 1. Got: 0.  `,
  ],
  [
    `${candidates}?resources=VCPU:x`,
    at('1.36'),
    400,
    `${malformed}Requested resource VCPU expected positive integer amount. Got: x.  `,
  ],
  [
    `${candidates}?resources=`,
    at('1.36'),
    400,
    `${malformed}Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: empty string.  `,
  ],
  [
    'GET /placement/traits?name=x',
    {},
    400,
    `${malformed}Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: "x"  `,
  ],
  ['GET /placement/traits/CUSTOM_NONE', {}, 404, `${missing}No such trait(s): CUSTOM_NONE.  `],
  ['GET /placement/resource_classes/CUSTOM_NONE', {}, 404, `${missing}No such resource class CUSTOM_NONE.  `],
  [
    'PUT /placement/resource_classes/GPU',
    {},
    400,
    `${malformed}JSON does not validate: 'GPU' does not match '^CUSTOM_[A-Z0-9_]+$'  Failed validating 'pattern' in schema['properties']['name']:     {'maxLength': 255, 'pattern': '^CUSTOM_[A-Z0-9_]+$', 'type': 'string'}  On instance['name']:     'GPU'  `,
  ],
  [
    'PUT /placement/traits/GPU',
    {},
    400,
    `${malformed}The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"  `,
  ],
  [
    'DELETE /placement/resource_classes/VGPU',
    {},
    400,
    `${malformed}Error in delete resource class: Cannot delete standard resource class VGPU.  `,
  ],
  [
    'DELETE /placement/traits/HW_CPU_X86_VMX',
    {},
    400,
    `${malformed}Cannot delete standard trait HW_CPU_X86_VMX.  `,
  ],
  [
    `${candidates}?resources1=VCPU:1&resources2=VCPU:1`,
    {},
    400,
    `${malformed}The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.  `,
  ],
  [
    `${candidates}?required=CUSTOM_NO&resources=VCPU:1`,
    {},
    400,
    `${malformed}No such trait(s): CUSTOM_NO.  `,
  ],
  [
    `${candidates}?resources=VCPU`,
    {},
    400,
    `${malformed}Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: VCPU.  `,
  ],
  [
    `${candidates}?required1=CUSTOM_NO`,
    {},
    400,
    `${malformed}There must be at least one resources or resources[$S] parameter.  `,
  ],
  [candidates, {}, 400, `${malformed}There must be at least one resources or resources[$S] parameter.  `],
  ['GET /placement/nothing', {}, 404, `${missing}   `],
];

const image = `PATCH /image/v2/images/${tiny}`;
const conflict = 'There was a conflict when trying to complete your request.<br /><br />\n';
const glance: readonly Case[] = [
  ['GET /image/v2/images/none', {}, 404, 'No image found with ID none<br /><br />\n\n\n'],
  [
    image,
    { json: [] },
    415,
    'The request media type application/json is not supported by this server.\n<br /><br />\n',
  ],
  [
    image,
    patch([{ op: 'nonsense', path: '/x', value: '1' }]),
    400,
    'Invalid operation: `nonsense`. It must be one of the following: add, remove, replace.<br /><br />\n\n\n',
  ],
  [
    image,
    patch([{ op: 'add', path: '/x' }]),
    400,
    'Operation "add" requires a member named "value".<br /><br />\n\n\n',
  ],
  [
    image,
    patch([{ op: 'add', path: '/x/y', value: '1' }]),
    400,
    "Invalid JSON pointer for this resource: '/x/y'<br /><br />\n\n\n",
  ],
  ['GET /image/v2/images?limit=x', {}, 400, 'limit param must be an integer<br /><br />\n\n\n'],
  [
    image,
    patch([{ op: 'remove', path: '/nothing' }]),
    409,
    `${conflict}Property nothing does not exist.\n\n`,
  ],
  [
    image,
    patch([{ op: 'replace', path: '/nothing', value: 'x' }]),
    409,
    `${conflict}Property nothing does not exist.\n\n`,
  ],
  [
    image,
    patch([{ op: 'add', path: '/size', value: '1' }]),
    403,
    "Attribute 'size' is read-only.<br /><br />\n\n\n",
  ],
  [
    image,
    patch([{ op: 'add', path: '/x', value: 1 }]),
    400,
    "Provided object does not match schema 'image': 1 is not of type 'string'\n\nFailed validating 'type' in schema['additionalProperties']:\n    {'type': 'string'}\n\nOn instance['x']:\n    1<br /><br />\n\n\n",
  ],
];

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
  await bench.logIn();
});
afterAll(() => bench.sim.close());

describe('refusals, as the real services word them', () => {
  it.each(nova)('%s %j', async (call, options, status, message) => {
    const answer = await bench.call(call, options);
    const [fault] = Object.values(answer.body) as { code: number; message: string }[];
    expect([answer.status, fault]).toEqual([status, { code: status, message }]);
    const names: Record<number, string> = {
      400: 'badRequest',
      404: 'itemNotFound',
      409: 'conflictingRequest',
    };
    expect(Object.keys(answer.body)).toEqual([names[status] ?? 'computeFault']);
  });

  it.each(placement)('%s %j', async (call, options, status, message) => {
    const answer = await bench.call(call, { version: '1.36', ...options });
    expect([answer.status, answer.body.errors[0].detail]).toEqual([status, message]);
    expect(answer.body.errors[0].request_id).toBe(answer.headers.get('x-openstack-request-id'));
  });

  it.each(glance)('%s %j', async (call, options, status, message) => {
    const answer = await bench.call(call, options);
    expect([answer.status, answer.body.message]).toEqual([status, message]);
  });

  it('Placement tells its range with a 406, and codes from 1.23 on', async () => {
    const refused = await bench.call('GET /placement/traits', { version: '1.99' });
    expect(refused.body.errors[0]).toMatchObject({ max_version: '1.39', min_version: '1.0' });
    const missingTrait = (version: string) => bench.call('GET /placement/traits/CUSTOM_NONE', { version });
    expect((await missingTrait('1.6')).body.errors[0].code).toBeUndefined();
    expect((await missingTrait('1.23')).body.errors[0].code).toBe('placement.undefined_code');
  });

  it('Glance answers in HTML to who does not ask for JSON; Nova where it has no such address', async () => {
    for (const call of ['GET /image/v2/images/none', 'GET /compute/v2.1/nothing']) {
      const answer = await bench.call(call, { headers: { accept: '*/*' } });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'text/html; charset=UTF-8']);
      expect(answer.text).toContain('<h1>404 Not Found</h1>');
    }
  });

  it('a token that is none is 401 everywhere', async () => {
    for (const path of ['/compute/v2.1/servers/detail', '/placement/traits', '/network/v2.0/networks']) {
      const answer = await bench.call(`GET ${path}`, { token: 'nonsense' });
      const message = 'The request you have made requires authentication.';
      expect([answer.status, answer.body]).toEqual([
        401,
        { error: { code: 401, title: 'Unauthorized', message } },
      ]);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Keystone uri=/);
    }
  });

  it('a wrong password is 401', async () => {
    const answer = await bench.call('POST /identity/v3/auth/tokens', {
      token: null,
      json: passwordBody('admin', 'wrong'),
    });
    expect([answer.status, answer.body.error.title]).toEqual([401, 'Unauthorized']);
  });
});

describe('answers in the form of the real services', () => {
  it('version documents', async () => {
    const get = async (path: string) => (await bench.call(`GET ${path}`, { token: null })).body;
    expect(await get('/compute/')).toMatchObject({
      versions: [
        { id: 'v2.0', status: 'SUPPORTED', version: '', min_version: '' },
        { id: 'v2.1', status: 'CURRENT', version: '2.93', min_version: '2.1' },
      ],
    });
    expect(await get('/compute/v2.1/')).toMatchObject({ version: { version: '2.93', min_version: '2.1' } });
    expect(await get('/placement/')).toMatchObject({
      versions: [{ id: 'v1.0', max_version: '1.39', min_version: '1.0', status: 'CURRENT' }],
    });
    expect(await get('/identity/')).toMatchObject({
      versions: { values: [{ id: 'v3.14', status: 'stable' }] },
    });
  });

  it('roles of a token have those below them', async () => {
    const { body } = await bench.call('POST /identity/v3/auth/tokens', {
      token: null,
      json: passwordBody('admin', 'admin-password'),
    });
    expect(body.token.roles.map(({ name }: { name: string }) => name).sort()).toEqual([
      'admin',
      'member',
      'reader',
    ]);
  });

  it('a page that is full names a next one, also when it is the last', async () => {
    const page = await bench.call('GET /compute/v2.1/flavors/detail?is_public=None&limit=1', {
      version: '2.61',
    });
    expect(page.body).toMatchObject({
      flavors: [{ name: 'm1.tiny', swap: '', rxtx_factor: 1, description: null, extra_specs: {} }],
      flavors_links: [{ rel: 'next', href: expect.stringMatching(/is_public=None&limit=1&marker=1$/) }],
    });
    const next = await bench.call('GET /compute/v2.1/flavors/detail?limit=1&marker=1');
    expect(next.body).toEqual({ flavors: [] });
  });

  it('what an idle host of this size offers', async () => {
    const { body } = await bench.call(`${candidates}?resources=VCPU:1&limit=1`, { version: '1.36' });
    const [root = ''] = Object.keys(body.provider_summaries);
    expect(body.allocation_requests).toEqual([
      { allocations: { [root]: { resources: { VCPU: 1 } } }, mappings: { '': [root] } },
    ]);
    expect(body.provider_summaries[root].resources).toEqual({
      VCPU: { capacity: 256, used: 0 },
      MEMORY_MB: { capacity: 97_536, used: 0 },
      DISK_GB: { capacity: 500, used: 0 },
    });
    const nobody = await bench.call(`GET /placement/allocations/${uuid}`, { version: '1.28' });
    expect(nobody.body).toEqual({ allocations: {} });
  });
});

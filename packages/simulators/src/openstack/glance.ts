/** Glance's calls. Source: glance 25, glance/api/v2/images.py. */
import { inPython, nextQuery, pageOf } from './body.ts';
import { refuse } from './failure.ts';
import { hasRole } from './policy.ts';
import type { Answer, Call } from './route.ts';
import type { ImageRecord } from './scenario.ts';

/** What Glance says of an image itself; the rest are properties. */
function shown({ id, name, owner, visibility, properties }: ImageRecord) {
  return {
    ...properties,
    id,
    name,
    owner,
    visibility,
    status: 'active',
    container_format: 'bare',
    disk_format: 'qcow2',
    size: 1_048_576,
    virtual_size: 1_048_576,
    min_disk: 0,
    min_ram: 0,
    protected: false,
    os_hidden: false,
    checksum: '50bdc35edb03a38d91b1b071afb20a3c',
    os_hash_algo: 'sha512',
    os_hash_value: 'd41d8cd98f00b204e9800998ecf8427e',
    tags: [],
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z',
    self: `/v2/images/${id}`,
    file: `/v2/images/${id}/file`,
    schema: '/v2/schemas/image',
    stores: 'file',
  };
}

function visible({ state, token }: Call): readonly ImageRecord[] {
  return state.images.filter(
    ({ owner, visibility }) => visibility === 'public' || owner === token.project || hasRole(token, 'admin'),
  );
}

function find(call: Call): ImageRecord {
  const { id = '' } = call.path;
  const found = visible(call).find((image) => image.id === id);
  if (found) return found;
  throw refuse(404, `No image found with ID ${id}`);
}

export function listImages(call: Call): Answer {
  const { query } = call;
  const name = query.get('name');
  const listed = visible(call).filter((image) => name === null || image.name === name);
  const limit = query.get('limit');
  if (limit !== null && !/^\d+$/.test(limit)) throw refuse(400, 'limit param must be an integer');
  const { page, more } = pageOf(listed, query, 1000, (marker) =>
    refuse(400, `Invalid marker. Image ${marker} could not be found.`),
  );
  const last = page.at(-1);
  return {
    status: 200,
    body: {
      images: page.map(shown),
      first: '/v2/images',
      ...(more && last ? { next: `/v2/images?${nextQuery(query, last.id)}` } : {}),
      schema: '/v2/schemas/images',
    },
  };
}

export const getImage = (call: Call): Answer => ({ status: 200, body: shown(find(call)) });

const patchTypes = /^application\/openstack-images-v2\.[01]-json-patch$/;
const fixed = [
  'id',
  'owner',
  'status',
  'size',
  'created_at',
  'updated_at',
  'checksum',
  'self',
  'file',
  'schema',
];

interface Operation {
  readonly op?: unknown;
  readonly path?: unknown;
  readonly value?: unknown;
}

export function patchImage(call: Call): Answer {
  const { state, token, body, contentType } = call;
  if (!patchTypes.test(contentType)) {
    throw refuse(415, `The request media type ${contentType} is not supported by this server.`);
  }
  if (!Array.isArray(body)) throw refuse(400, 'Request body must be a JSON array of operation objects.');
  const image = find(call);
  const foreign = image.owner !== token.project && !hasRole(token, 'admin');
  if (foreign) throw refuse(403, 'You are not authorized to complete modify_image action.');
  const properties: Record<string, string> = { ...image.properties };
  for (const { op, path, value } of body as readonly Operation[]) {
    const key = String(path).slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
    if (!String(path).startsWith('/') || key === '')
      throw refuse(400, `Pointer \`${String(path)}\` does not start with "/".`);
    if (!['add', 'remove', 'replace'].includes(String(op))) {
      throw refuse(
        400,
        `Invalid operation: \`${String(op)}\`. It must be one of the following: add, remove, replace.`,
      );
    }
    if (op !== 'remove' && value === undefined) {
      throw refuse(400, `Operation "${String(op)}" requires a member named "value".`);
    }
    if (String(path).slice(1).includes('/')) {
      throw refuse(400, `Invalid JSON pointer for this resource: '${String(path)}'`);
    }
    if (fixed.includes(key)) throw refuse(403, `Attribute '${key}' is read-only.`);
    if (op !== 'add' && !(key in properties)) throw refuse(409, `Property ${key} does not exist.`);
    if (op === 'remove') delete properties[key];
    else if (typeof value !== 'string')
      throw refuse(
        400,
        `Provided object does not match schema 'image': ${inPython(value)} is not of type 'string'\n\nFailed validating 'type' in schema['additionalProperties']:\n    {'type': 'string'}\n\nOn instance['${key}']:\n    ${inPython(value)}`,
      );
    else properties[key] = value;
  }
  const changed = { ...image, properties };
  state.images = state.images.map((one) => (one.id === image.id ? changed : one));
  return { status: 200, body: shown(changed) };
}

import { isDict } from '../json.ts';
import { vocabulary } from '../store/vocabulary.ts';
import type { KubeObject } from '../types.ts';
import { apiVersionOf, toVersion } from './convert.ts';
import { type ApiRequest, targetOf } from './request.ts';
import { applyDefaults, checkSchema } from './schema.ts';
import * as status from './status.ts';

const nameRule = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const nameText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** Checks a body's own claims against the URL, and brings it to the stored version. */
export function decode(request: ApiRequest, body: unknown): KubeObject {
  const { type, path } = request;
  if (!isDict(body)) throw status.badRequest('the object provided is unrecognized (must be of type object)');
  const expected = apiVersionOf(type, path.version);
  if (body.kind === undefined || body.apiVersion === undefined) {
    const what = body.kind === undefined ? 'Kind' : 'apiVersion';
    throw status.badRequest(`Object '${what}' is missing in '${JSON.stringify(body).slice(0, 200)}'`);
  }
  if (body.apiVersion !== expected || body.kind !== type.kind) {
    throw status.badRequest(
      `the API version in the data (${body.apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  const metadata = isDict(body.metadata) ? { ...body.metadata } : {};
  if (path.name !== undefined && metadata.name !== path.name) {
    throw status.badRequest(
      `the name of the object (${metadata.name ?? ''}) does not match the name on the URL (${path.name})`,
    );
  }
  if (type.namespaced) {
    metadata.namespace ??= path.namespace;
    if (metadata.namespace !== path.namespace) {
      throw status.badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    }
  }
  const object = { ...body, metadata } as KubeObject;
  return toVersion(type, object, type.versions[0] as string);
}

/** Unknown fields by `fieldValidation`, then types and values; answers the pruned object. */
export function validate(request: ApiRequest, object: KubeObject, patched: boolean): KubeObject {
  const { type, path, query, warnings } = request;
  const schema = type.schema ?? (type.group === 'kubevirt.io' ? vocabulary[type.kind] : undefined);
  if (schema === undefined) return object;
  const { object: kept, unknown, causes } = checkSchema(schema, object);
  const texts = unknown.map((field) => `unknown field "${field}"`);
  const mode = query.get('fieldValidation') || 'Warn';
  if (texts.length > 0 && mode === 'Strict') {
    const strict = `strict decoding error: ${texts.join(', ')}`;
    if (!patched) {
      throw status.badRequest(
        `${type.kind} in version "${path.version}" cannot be handled as a ${type.kind}: ${strict}`,
      );
    }
    const message = `Invalid value: ${JSON.stringify(JSON.stringify(object))}: ${strict}`;
    throw status.invalid({ group: '', plural: '', kind: '' }, [
      { reason: 'FieldValueInvalid', field: 'patch', message },
    ]);
  }
  if (mode === 'Warn') warnings.push(...texts);
  applyDefaults(schema, kept);
  if (causes.length > 0) throw status.invalid(targetOf(request, object.metadata.name), causes);
  return kept;
}

export function checkMeta(request: ApiRequest, { metadata }: KubeObject): void {
  const name = metadata.name ?? (metadata.generateName ? `${metadata.generateName}x` : undefined);
  if (name === undefined) {
    throw status.invalid(targetOf(request, ''), [
      {
        reason: 'FieldValueRequired',
        field: 'metadata.name',
        message: 'Required value: name or generateName is required',
      },
    ]);
  }
  if (nameRule.test(name) && name.length <= 253) return;
  if (request.type.group === 'rbac.authorization.k8s.io') return;
  throw status.invalid(targetOf(request, name), [
    {
      reason: 'FieldValueInvalid',
      field: 'metadata.name',
      message: `Invalid value: "${name}": ${nameText}`,
    },
  ]);
}

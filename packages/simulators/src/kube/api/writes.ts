import type { Admission } from '../admission/index.ts';
import { type Cluster, ids } from '../cluster.ts';
import { clone, equal, isDict } from '../json.ts';
import type { Dict, KubeObject } from '../types.ts';
import { apiVersionOf, toVersion } from './convert.ts';
import { checkMeta, decode, validate } from './decode.ts';
import { applyConfig, trackUpdate, type Writer } from './ownership.ts';
import { jsonPatch, mergePatch, strategicPatch } from './patches.ts';
import { type ApiRequest, isDryRun, targetOf } from './request.ts';
import { checkSchema } from './schema.ts';
import * as status from './status.ts';

export type Writes = ReturnType<typeof createWrites>;

/** Create, update and patch as the API server does them: decoding, validation, admission, conflicts, storage. */
export function createWrites(cluster: Cluster, admission: Admission) {
  const { store } = cluster;

  function liveOf(request: ApiRequest): KubeObject {
    const { type, path } = request;
    const live = store.get(type.id, path.namespace, path.name as string);
    if (live === undefined) throw status.notFound(targetOf(request));
    return live;
  }

  function writerOf({ type, path, query, userAgent }: ApiRequest, operation: Writer['operation']): Writer {
    return {
      manager: query.get('fieldManager') || userAgent.split('/')[0] || 'unknown',
      operation,
      apiVersion: apiVersionOf(type, path.version),
      time: cluster.loop.timestamp(),
      status: path.subresource === 'status',
    };
  }

  /** `managedFields`: those of an apply that creates; else the writer owns what it sent. */
  function create(request: ApiRequest, body: unknown, managedFields?: Dict[]): KubeObject {
    const { type, path } = request;
    const dryRun = isDryRun(request);
    const draft = validate(request, clone(decode(request, body)), false);
    if (draft.metadata.resourceVersion) {
      throw status.badRequest('resourceVersion should not be set on objects to be created');
    }
    checkMeta(request, draft);
    if (type.namespaced && store.get(ids.namespaces, undefined, path.namespace as string) === undefined) {
      throw status.notFound({ group: '', plural: 'namespaces', name: path.namespace });
    }
    if (type.hasStatus && type.id !== ids.nodes && type.plural !== 'customresourcedefinitions')
      delete draft.status;
    const object = admission.admit({ operation: 'CREATE', request, object: draft });
    const { metadata } = object;
    delete metadata.deletionTimestamp;
    if (metadata.name && store.get(type.id, metadata.namespace, metadata.name)) {
      throw status.alreadyExists(targetOf(request, metadata.name));
    }
    cluster.stampNew(type, object);
    if (managedFields) metadata.managedFields = managedFields;
    else trackUpdate(type, undefined, object, writerOf(request, 'Update'));
    return dryRun ? object : store.put(type.id, object);
  }

  /** Everything that update and patch have in common once the new object is known. */
  function finish(request: ApiRequest, live: KubeObject, next: KubeObject, writer: Writer): KubeObject {
    const { type, path } = request;
    const dryRun = isDryRun(request);
    const wanted = next.metadata.resourceVersion;
    const target = targetOf(request);
    if (wanted && wanted !== live.metadata.resourceVersion) throw status.conflict(target);
    if (next.metadata.uid && next.metadata.uid !== live.metadata.uid) {
      const why = `Precondition failed: UID in precondition: ${next.metadata.uid}, UID in object meta: ${live.metadata.uid}`;
      throw status.conflict(target, why);
    }
    let draft = next;
    if (path.subresource === 'status') {
      draft = { ...clone(live), status: next.status };
      draft.metadata.managedFields = next.metadata.managedFields;
    } else if (type.hasStatus) draft = withStatusOf(live, next);
    const object = admission.admit({ operation: 'UPDATE', request, object: draft, old: live });
    cluster.stampChange(type, live, object);
    object.metadata.resourceVersion = live.metadata.resourceVersion as string;
    if (
      writer.operation === 'Update' &&
      !equal({ ...object, metadata: own(object) }, { ...live, metadata: own(live) })
    ) {
      object.metadata.managedFields = live.metadata.managedFields;
      trackUpdate(type, live, object, writer);
    } else if (writer.operation === 'Update') object.metadata.managedFields = live.metadata.managedFields;
    if (object.metadata.managedFields === undefined) delete object.metadata.managedFields;
    return dryRun ? object : cluster.put(type.id, object);
  }

  function replace(request: ApiRequest, body: unknown): KubeObject {
    const { type } = request;
    const next = validate(request, clone(decode(request, body)), false);
    const live = liveOf(request);
    if (type.custom && !next.metadata.resourceVersion) {
      throw status.invalid(targetOf(request), [
        {
          reason: 'FieldValueInvalid',
          field: 'metadata.resourceVersion',
          message: 'Invalid value: 0: must be specified for an update',
        },
      ]);
    }
    return finish(request, live, next, writerOf(request, 'Update'));
  }

  function patch(request: ApiRequest, contentType: string, body: unknown): KubeObject {
    const { type, path } = request;
    if (contentType === 'application/apply-patch+yaml') return apply(request, body);
    const live = liveOf(request);
    const served = toVersion(type, live, path.version);
    let result: unknown;
    if (contentType === 'application/merge-patch+json') result = mergePatch(served, body);
    else if (contentType === 'application/json-patch+json') result = jsonPatch(served, body);
    else if (contentType === 'application/strategic-merge-patch+json' && !type.custom) {
      result = strategicPatch(served, body);
    } else throw unsupportedMediaType(type.custom);
    if (!isDict(result) || !isDict(result.metadata)) throw status.badRequest('the patch leaves no object');
    const asked = isDict(body) ? body.metadata?.resourceVersion : undefined;
    if (asked === undefined) delete result.metadata.resourceVersion;
    const decoded = validate(request, clone(decode(request, result)), true);
    return finish(request, live, decoded, writerOf(request, 'Update'));
  }

  function apply(request: ApiRequest, body: unknown): KubeObject {
    const { type, path, query } = request;
    if (!query.get('fieldManager')) {
      throw status.invalid({ group: 'meta.k8s.io', plural: 'patchoptions', kind: 'PatchOptions' }, [
        {
          reason: 'FieldValueRequired',
          field: 'fieldManager',
          message: 'Required value: is required for apply patch',
        },
      ]);
    }
    const named = isDict(body) ? { ...body, metadata: { name: path.name, ...body.metadata } } : body;
    const config = decode(request, named);
    if (config.metadata.managedFields) {
      throw status.badRequest('metadata.managedFields must be nil');
    }
    if (type.schema) {
      const { unknown } = checkSchema(type.schema, config);
      if (unknown.length > 0) {
        const key = [path.namespace, path.name].filter(Boolean).join('/');
        const what = `${key}; ${apiVersionOf(type, path.version)}, Kind=${type.kind}`;
        const text = unknown.map((field) => `.${field}: field not declared in schema`).join('\n');
        throw new status.ApiFailure(500, '', `failed to create typed patch object (${what}): ${text}`);
      }
    }
    const writer = writerOf(request, 'Apply');
    const live = store.get(type.id, path.namespace, path.name as string);
    if (live === undefined) {
      if (config.metadata.uid) throw status.conflict(targetOf(request), 'uid mismatch');
      const empty = { ...config, metadata: { name: path.name as string } };
      const fields = applyConfig(type, empty, config, writer, true).metadata.managedFields;
      const place = { ...request, path: { ...path, name: undefined } };
      return create(place, toVersion(type, config, path.version), fields);
    }
    const { resourceVersion } = config.metadata;
    const merged = applyConfig(type, live, config, writer, query.get('force') === 'true');
    if (resourceVersion) merged.metadata.resourceVersion = resourceVersion;
    else delete merged.metadata.resourceVersion;
    return finish(request, live, validate(request, merged, true), writer);
  }

  return { create, replace, patch };
}

const unsupportedMediaType = (custom: boolean) => {
  const accepted = [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(custom ? [] : ['application/strategic-merge-patch+json']),
    'application/apply-patch+yaml',
  ];
  return new status.ApiFailure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
};

function withStatusOf(live: KubeObject, next: KubeObject): KubeObject {
  const { status: _, ...rest } = next;
  return (live.status === undefined ? rest : { ...rest, status: clone(live.status) }) as KubeObject;
}

/** Metadata that a writer has a say in. */
function own({ metadata }: KubeObject): Dict {
  const { managedFields: _, resourceVersion: __, ...rest } = metadata;
  return rest;
}

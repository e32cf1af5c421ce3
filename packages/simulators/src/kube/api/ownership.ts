import { clone, equal } from '../json.ts';
import type { ResourceType } from '../store/resource-types.ts';
import type { Dict, KubeObject } from '../types.ts';
import { fieldsOf, fieldText, fromFieldsV1, overlay, removeField, toFieldsV1 } from './fields.ts';
import { ApiFailure } from './status.ts';

export interface Writer {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly time: string;
  readonly status: boolean;
}

interface Share {
  readonly entry: Dict;
  readonly paths: Set<string>;
}

const sharesOf = (object: KubeObject | undefined): Share[] =>
  (object?.metadata.managedFields ?? []).map((entry: Dict) => ({
    entry,
    paths: new Set(fromFieldsV1(entry.fieldsV1)),
  }));

const isOwn = ({ entry }: Share, writer: Writer) =>
  entry.manager === writer.manager &&
  entry.operation === writer.operation &&
  (entry.subresource === 'status') === writer.status;

function store(object: KubeObject, shares: readonly Share[], writer: Writer, own: Set<string>): void {
  const others = shares.filter((share) => !isOwn(share, writer) && share.paths.size > 0);
  const before = shares.find((share) => isOwn(share, writer));
  const unchanged = before !== undefined && equal([...before.paths].sort(), [...own].sort());
  const entry: Dict = unchanged
    ? before.entry
    : {
        manager: writer.manager,
        operation: writer.operation,
        apiVersion: writer.apiVersion,
        time: writer.time,
        fieldsType: 'FieldsV1',
        fieldsV1: toFieldsV1(own),
        ...(writer.status && { subresource: 'status' }),
      };
  const entries: Dict[] = others.map((share) => ({ ...share.entry, fieldsV1: toFieldsV1(share.paths) }));
  if (own.size > 0) entries.push(entry);
  object.metadata.managedFields = entries;
}

/** Records who changed what by a create, update or patch. */
export function trackUpdate(
  type: ResourceType,
  old: KubeObject | undefined,
  next: KubeObject,
  writer: Writer,
): void {
  const shares = sharesOf(old);
  const before = old ? fieldsOf(type, old, writer.status) : new Map<string, unknown>();
  const after = fieldsOf(type, next, writer.status);
  const own = new Set(shares.find((share) => isOwn(share, writer))?.paths);
  for (const [path, value] of after) {
    if (before.has(path) && equal(before.get(path), value)) continue;
    for (const share of shares) share.paths.delete(path);
    own.add(path);
  }
  for (const path of before.keys()) {
    if (after.has(path)) continue;
    for (const share of shares) share.paths.delete(path);
    own.delete(path);
  }
  store(next, shares, writer, own);
}

/**
 * Server-side apply, simplified: a field that another manager owns with another value is a conflict (409) unless forced;
 * fields this manager applied before and nobody else owns are taken away when they are no longer in `config`.
 */
export function applyConfig(
  type: ResourceType,
  live: KubeObject,
  config: KubeObject,
  writer: Writer,
  force: boolean,
): KubeObject {
  const shares = sharesOf(live);
  const wanted = fieldsOf(type, config, writer.status);
  const current = fieldsOf(type, live, writer.status);
  const conflicts: { share: Share; path: string }[] = [];
  for (const [path, value] of wanted) {
    if (!current.has(path) || equal(current.get(path), value)) continue;
    for (const share of shares) {
      if (!isOwn(share, writer) && share.paths.has(path)) conflicts.push({ share, path });
    }
  }
  if (conflicts.length > 0 && !force) throw applyConflict(conflicts);
  for (const { share, path } of conflicts) share.paths.delete(path);

  const { managedFields: _, ...metadata } = config.metadata;
  const laid = overlay(live, { ...config, metadata }, '', type.schema) as KubeObject;
  const merged = clone(laid);
  const others = new Set(shares.filter((share) => !isOwn(share, writer)).flatMap(({ paths }) => [...paths]));
  for (const path of shares.find((share) => isOwn(share, writer))?.paths ?? []) {
    if (!wanted.has(path) && !others.has(path)) removeField(merged, path);
  }
  store(merged, shares, writer, new Set(wanted.keys()));
  return merged;
}

function applyConflict(conflicts: readonly { share: Share; path: string }[]): ApiFailure {
  const causes = conflicts.map(({ share: { entry }, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with "${entry.manager}"${entry.operation === 'Update' ? ` using ${entry.apiVersion}` : ''}`,
    field: fieldText(path),
  }));
  const first = causes[0];
  const text =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${first?.message}: ${first?.field}`
      : `Apply failed with ${causes.length} conflicts: ${[...groups(causes)].join('\n')}`;
  return new ApiFailure(409, 'Conflict', text, { causes });
}

function* groups(causes: readonly { message: string; field: string }[]): Generator<string> {
  for (const message of new Set(causes.map((cause) => cause.message))) {
    const fields = causes.filter((cause) => cause.message === message).map(({ field }) => `- ${field}`);
    yield `${message.replace('conflict with', 'conflicts with')}:\n${fields.join('\n')}`;
  }
}

import type { CallOptions } from '@vmgpu/core';
import type { Manifest } from '../translate/manifest.ts';
import type { KubeResource } from './resources.ts';

/** An object by its name. */
export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string;
}

export interface ListOptions extends CallOptions {
  /** All namespaces when not given. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects a page; default 500. */
  readonly limit?: number;
}

export interface KubePage {
  readonly items: readonly Manifest[];
  /** The same for every page of one list. */
  readonly resourceVersion: string;
}

export interface WriteOptions extends CallOptions {
  /** All checks of the server, and nothing is kept. */
  readonly dryRun?: boolean;
  /** Hears what the server warns of: deprecated fields and the like. */
  readonly onWarning?: (text: string) => void;
}

/** A change of an object that exists. `apply` is server-side apply, which also creates. */
export type KubePatch =
  | { readonly type: 'merge'; readonly body: Manifest }
  | { readonly type: 'json'; readonly body: readonly JsonPatchOperation[] }
  | {
      readonly type: 'apply';
      readonly body: Manifest;
      readonly fieldManager: string;
      readonly force?: boolean;
    };

export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'test';
  /** JSON pointer. */
  readonly path: string;
  readonly value?: unknown;
}

export interface DeleteOptions extends WriteOptions {
  readonly propagation?: 'Foreground' | 'Background' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  /** Only this very object, not one of the same name that came after it. */
  readonly uid?: string;
}

export interface WatchOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Goes on from here; without it everything that is there now comes first. */
  readonly resourceVersion?: string;
  /** Ends the watch with its reason. */
  readonly signal: AbortSignal;
  /** Hears of each interruption that the watch overcomes. */
  readonly onInterruption?: (error: unknown) => void;
}

/**
 * What a watch tells. `reset` says that the state comes anew, as `added` events up to `synced`: at the beginning, and when
 * the server does not remember far enough back. What was there before and does not come again is gone.
 */
export type KubeEvent =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: Manifest }
  | { readonly type: 'reset' }
  | { readonly type: 'synced' };

/**
 * The Kubernetes API as far as the adapter needs it. Nothing is repeated here but watches; every error is a VmgpuError
 * whose `details` say `retryable`, `status`, `reason` and, for refusals, `causes`. Writes ask for strict field
 * validation: a field that the server does not know is an error and never dropped.
 */
export interface KubePort {
  /** Rejects with `not-found`. */
  get(resource: KubeResource, ref: ObjectRef, options?: CallOptions): Promise<Manifest>;
  /** Page by page; stopping early stops fetching. Rejects with `conflict`, retryable, when the list has expired half-way. */
  pages(resource: KubeResource, options?: ListOptions): AsyncIterable<KubePage>;
  /** The objects of all pages. */
  list(resource: KubeResource, options?: ListOptions): AsyncIterable<Manifest>;
  create(resource: KubeResource, object: Manifest, options?: WriteOptions): Promise<Manifest>;
  /** Rejects with `conflict` when the object has another `resourceVersion` by now. */
  replace(resource: KubeResource, object: Manifest, options?: WriteOptions): Promise<Manifest>;
  patch(resource: KubeResource, ref: ObjectRef, patch: KubePatch, options?: WriteOptions): Promise<Manifest>;
  delete(resource: KubeResource, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** Any other path of the API: versions, discovery. */
  read(path: string, options?: CallOptions): Promise<Manifest>;
  /** PUT to a path that is an order rather than an object: `.../virtualmachines/train-1/start`. */
  order(path: string, body: Manifest, options?: CallOptions): Promise<void>;
  /** Never ends by itself: it reconnects, resumes and, where it must, starts anew. Rejects with what cannot pass. */
  watch(resource: KubeResource, options: WatchOptions): AsyncIterable<KubeEvent>;
  close(): void;
}

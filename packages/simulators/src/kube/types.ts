/** JSON of the wire. Its shape is the business of schemas and of the code that reads it. */
// biome-ignore lint/suspicious/noExplicitAny: objects of the wire have no static type here, by design
export type Dict = Record<string, any>;

export interface ObjectMeta extends Dict {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: Dict[];
}

export interface KubeObject extends Dict {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** The parts of a CRD's `openAPIV3Schema` that are enforced. */
export interface StructuralSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly items?: StructuralSchema;
  readonly additionalProperties?: boolean | StructuralSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly nullable?: boolean;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly [key: string]: unknown;
}

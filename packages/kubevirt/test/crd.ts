import { Ajv, type ValidateFunction } from 'ajv';
import { sharedJson } from '../../core/test/shared-data.ts';
import { type StructuralSchema, schemaProblems } from '../src/translate/structural-schema.ts';

type Schema = Readonly<Record<string, unknown>>;

const files: Readonly<Record<string, string>> = {
  VirtualMachine: 'kubevirt/crds/virtualmachine-v1.9.0.openAPIV3Schema.json',
  VirtualMachineInstance: 'kubevirt/crds/virtualmachineinstance-v1.9.0.openAPIV3Schema.json',
  KubeVirt: 'kubevirt/crds/kubevirt-v1.9.0.openAPIV3Schema.json',
};

const validators = new Map<string, { validate: ValidateFunction; schema: StructuralSchema }>();

/** What the CRD of this kind says against the object, by ajv and by our own check; undefined without the data. */
export function crdProblems(kind: string, object: unknown): readonly string[] | undefined {
  const file = files[kind];
  let found = validators.get(kind);
  if (found === undefined) {
    const schema =
      file === undefined
        ? undefined
        : sharedJson<{ openAPIV3Schema: StructuralSchema }>(file)?.openAPIV3Schema;
    if (schema === undefined) return undefined;
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    found = { validate: ajv.compile(closed(schema, true)), schema };
    validators.set(kind, found);
  }
  found.validate(object);
  return [
    ...(found.validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    ),
    ...schemaProblems(found.schema, object).map(({ field, message }) => `${field} ${message}`),
  ];
}

/** The schema as the API server reads it in strict mode: no other keys than those named. */
function closed(schema: Schema, top = false): Schema {
  const { properties, items, additionalProperties, ...rest } = schema as Record<string, Schema>;
  const result: Record<string, unknown> = { ...rest };
  if (rest['x-kubernetes-int-or-string']) delete result.type;
  if (properties !== undefined) {
    result.properties = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, closed(value as Schema)]),
    );
    if (!rest['x-kubernetes-preserve-unknown-fields'] && additionalProperties === undefined)
      result.additionalProperties = false;
  }
  if (items !== undefined) result.items = closed(items);
  if (typeof additionalProperties === 'object') result.additionalProperties = closed(additionalProperties);
  if (top) result.properties = { ...(result.properties as Schema), metadata: {} };
  return result;
}

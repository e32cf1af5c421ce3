import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parseGpuVm, VmgpuError } from '../src/index.ts';
import { acceptedIntents, refusedIntents } from './intents.ts';

const file = new URL('../schema/gpu-vm.json', import.meta.url);
const schema = JSON.parse(readFileSync(file, 'utf8')) as object;
const validate = new Ajv2020({ strict: true, strictRequired: false }).compile(schema);

describe('the JSON Schema of GpuVm', () => {
  it('is what scripts/build-json-schema.mjs makes now', async () => {
    const script = new URL('../../../scripts/build-json-schema.mjs', import.meta.url).href;
    const { gpuVmJsonSchema } = (await import(/* @vite-ignore */ script)) as { gpuVmJsonSchema(): object };
    expect(schema).toEqual(gpuVmJsonSchema());
  });

  it.each(acceptedIntents)('accepts, as parseGpuVm does: %s', (_, document) => {
    expect(parseGpuVm(document)).toBe(document);
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each(refusedIntents)('refuses, as parseGpuVm does: %s', (_, document, where, onlyByParser) => {
    expect(() => parseGpuVm(document)).toThrow(VmgpuError);
    expect(() => parseGpuVm(document)).toThrow(where);
    expect(validate(document)).toBe(onlyByParser === 'only by the parser');
  });

  it('describes every field for editors', () => {
    const { properties } = schema as {
      properties: { spec: { properties: Record<string, { description?: string }> } };
    };
    for (const [name, field] of Object.entries(properties.spec.properties)) {
      expect(field.description, name).toBeTypeOf('string');
    }
  });
});

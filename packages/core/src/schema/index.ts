/**
 * A small vocabulary of schemas for documents that adapters read back from disk (snapshots, plans). It is zod/mini
 * underneath; the types here keep zod out of everybody's public declarations, and core's compiled copy of zod is the
 * only one that a page loads.
 */
import * as z from 'zod/mini';
import { parseWith, type SourceLocator } from './parse.ts';

declare const output: unique symbol;

/** A check for values of type T. */
export interface Schema<T> {
  readonly [output]?: T;
}
export type Infer<S> = S extends Schema<infer T> ? T : never;

type Shape = Readonly<Record<string, Schema<unknown>>>;
type OptionalKeys<S extends Shape> = { [K in keyof S]: undefined extends Infer<S[K]> ? K : never }[keyof S];
type ObjectOf<S extends Shape> = { readonly [K in Exclude<keyof S, OptionalKeys<S>>]: Infer<S[K]> } & {
  readonly [K in OptionalKeys<S>]?: Exclude<Infer<S[K]>, undefined>;
};

const open = (schema: Schema<unknown>) => schema as unknown as z.ZodMiniType;
const seal = <T>(schema: z.ZodMiniType) => schema as unknown as Schema<T>;

export const text = (): Schema<string> => seal(z.string());
export const number = (): Schema<number> => seal(z.number());
export const integer = (): Schema<number> => seal(z.int());
export const boolean = (): Schema<boolean> => seal(z.boolean());
export const anything = (): Schema<unknown> => seal(z.unknown());
export const nothing = (): Schema<null> => seal(z.null());
export const literal = <const T extends string | number | boolean>(value: T): Schema<T> =>
  seal(z.literal(value));
export const choice = <const T extends readonly [string, ...string[]]>(...values: T): Schema<T[number]> =>
  seal(z.enum([...values]));
export const list = <T>(item: Schema<T>): Schema<readonly T[]> => seal(z.array(open(item)));
export const dictionary = <T>(value: Schema<T>): Schema<Readonly<Record<string, T>>> =>
  seal(z.record(z.string(), open(value)));
export const optional = <T>(schema: Schema<T>): Schema<T | undefined> => seal(z.optional(open(schema)));
export const either = <const T extends readonly Schema<unknown>[]>(...schemas: T): Schema<Infer<T[number]>> =>
  seal(z.union(schemas.map(open)));
/** An object that may carry further keys. */
export const shape = <S extends Shape>(fields: S): Schema<ObjectOf<S>> =>
  seal(z.looseObject(zodShape(fields)));
/** An object without further keys. */
export const exactShape = <S extends Shape>(fields: S): Schema<ObjectOf<S>> =>
  seal(z.strictObject(zodShape(fields)));

function zodShape(fields: Shape): Record<string, z.ZodMiniType> {
  return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, open(field)]));
}

/** Checks a value; throws `bad-input` that lists every wrong place. */
export function check<T>(schema: Schema<T>, value: unknown, headline: string, locate?: SourceLocator): T {
  return parseWith<T>(open(schema), value, headline, locate);
}

export { printPath, type SourceLocator } from './parse.ts';

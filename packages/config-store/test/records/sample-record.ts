/** Records made from their schemas, so that a schema that grows is tested as it is. */
import type { z } from 'zod';

/** Met by the patterns that records have. */
const TEXTS = ['a', '1', '127.0.0.1:22005', 'a/b', '0123456789abcdef', 'f'.repeat(64)];
const NUMBERS = [1, 0, 4096];
/** Deeper optional members are left out: some schemas hold lists of themselves. */
const MAX_DEPTH = 12;

type Schema = z.core.$ZodType;
type Def = z.core.$ZodTypeDef & Record<string, unknown>;

/** What this version does not know of: an object of it is in each object of a record. */
export const UNKNOWN = { fromNewerVersion: { deep: [1, { twice: true }] } };

/**
 * One value that the schema takes, with every optional member there.
 * @param extra put into each object that takes members it does not know
 */
export function sampleOf(schema: Schema, extra: object = {}, depth = 0): unknown {
  const def = schema._zod.def as unknown as Def;
  const inner = (member: string): unknown => sampleOf(def[member] as Schema, extra, depth);
  switch (def.type) {
    case 'object':
      return {
        ...objectOf(def, extra, depth),
        ...(def.catchall === undefined ? {} : isLoose(def) ? extra : {}),
      };
    case 'optional':
    case 'nullable':
    case 'default':
    case 'readonly':
      return inner('innerType');
    case 'pipe':
      return inner('in');
    case 'array':
      return fitting(schema, [[inner('element')], []]);
    case 'tuple':
      return (def.items as Schema[]).map((item) => sampleOf(item, extra, depth));
    case 'record':
      return Object.fromEntries([[String(sampleOf(def.keyType as Schema)), inner('valueType')]]);
    case 'union':
      return fitting(
        schema,
        (def.options as Schema[]).map((option) => sampleOf(option, extra, depth)),
      );
    case 'enum':
      return Object.values(def.entries as object)[0];
    case 'literal':
      return (def.values as unknown[])[0];
    case 'string':
      return fitting(schema, TEXTS);
    case 'number':
      return fitting(schema, NUMBERS);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'unknown':
    case 'any':
      return 'anything';
    default:
      throw new Error(`no sample of ${def.type}`);
  }
}

function objectOf(def: Def, extra: object, depth: number): Record<string, unknown> {
  const members = Object.entries(def.shape as Record<string, Schema>);
  const wanted =
    depth < MAX_DEPTH ? members : members.filter(([, member]) => member._zod.optin !== 'optional');
  return Object.fromEntries(wanted.map(([name, member]) => [name, sampleOf(member, extra, depth + 1)]));
}

function isLoose(def: Def): boolean {
  return (def.catchall as Schema)._zod.def.type === 'unknown';
}

function fitting(schema: Schema, candidates: readonly unknown[]): unknown {
  const found = candidates.find((candidate) => (schema as z.ZodType).safeParse(candidate).success);
  if (found === undefined) throw new Error(`no sample of ${JSON.stringify(candidates)} fits`);
  return found;
}

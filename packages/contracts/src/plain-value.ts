/**
 * Turns what avsc reads into the values our types describe: ordinary objects, unions unwrapped, and no member at
 * all where an optional field is null.
 */
import type { types as avroTypes } from 'avsc';
import type { AvroType } from './avro-type.ts';

type Convert = (value: unknown) => unknown;

export function plainValueOf(type: AvroType): Convert {
  return new ConvertBuilder().convertOf(type);
}

/** The avsc names of branches, such as `string` or `salvor.v1.Evidence`. */
export function branchNameOf(type: AvroType): string {
  return type.branchName ?? type.typeName;
}

export function isUnionType(type: AvroType): type is avroTypes.UnwrappedUnionType {
  return type.typeName === 'union:unwrapped' || type.typeName === 'union:wrapped';
}

export function isRecordType(type: AvroType): type is avroTypes.RecordType {
  return type.typeName === 'record' || type.typeName === 'error';
}

export function acceptsNull(type: AvroType): boolean {
  return isUnionType(type) && type.types.some((branch) => branch.typeName === 'null');
}

class ConvertBuilder {
  readonly #converts = new Map<AvroType, Convert>();

  convertOf(type: AvroType): Convert {
    const known = this.#converts.get(type);
    if (known !== undefined) return known;
    let built: Convert = asIs;
    this.#converts.set(type, (value) => built(value));
    built = this.#build(type);
    this.#converts.set(type, built);
    return built;
  }

  #build(type: AvroType): Convert {
    if (isRecordType(type)) return this.#record(type);
    if (isUnionType(type)) return this.#union(type);
    if (type.typeName === 'array') {
      const item = this.convertOf((type as avroTypes.ArrayType).itemsType);
      return item === asIs ? asIs : (value) => (value as unknown[]).map(item);
    }
    if (type.typeName === 'map') {
      const item = this.convertOf((type as avroTypes.MapType).valuesType);
      return (value) =>
        Object.fromEntries(Object.entries(value as object).map(([key, entry]) => [key, item(entry)]));
    }
    return asIs;
  }

  #record(type: avroTypes.RecordType): Convert {
    const fields = type.fields.map((field) => ({
      name: field.name,
      optional: acceptsNull(field.type),
      convert: this.convertOf(field.type),
    }));
    return (value) => {
      const record = value as Record<string, unknown>;
      const plain: Record<string, unknown> = {};
      for (const { name, optional, convert } of fields) {
        const member = record[name];
        if (optional && member === null) continue;
        plain[name] = convert(member);
      }
      return plain;
    };
  }

  #union(type: avroTypes.UnwrappedUnionType): Convert {
    const converts = new Map(type.types.map((branch) => [branchNameOf(branch), this.convertOf(branch)]));
    if (type.typeName === 'union:wrapped') {
      return (value) => {
        if (value === null) return null;
        const [branch, inner] = Object.entries(value as object)[0] ?? [];
        return branch === undefined ? null : (converts.get(branch) ?? asIs)(inner);
      };
    }
    const single = type.types.filter((branch) => branch.typeName !== 'null');
    const only = single[0];
    if (only !== undefined && single.length === 1) {
      const convert = this.convertOf(only);
      return convert === asIs ? asIs : (value) => (value === null ? null : convert(value));
    }
    return (value) => {
      const branch = type.types.find((candidate) => candidate.isValid(value));
      return branch === undefined ? value : this.convertOf(branch)(value);
    };
  }
}

function asIs(value: unknown): unknown {
  return value;
}

/**
 * Checks the bytes of a message against the writer's schema before avsc reads them. avsc trusts what it reads:
 * an array count of 2^31 in six bytes makes it loop for minutes, bad UTF-8 and booleans pass, longs lose bits.
 * After this check a read cannot run away, and what is wrong is named by its path.
 */
import { isUtf8 } from 'node:buffer';
import type { types as avroTypes } from 'avsc';
import type { AvroType } from './avro-type.ts';
import { LONG_MAX, LONG_MIN } from './long-range.ts';

/** What is wrong with the bytes. `path` is filled in on the way out of the records. */
export class BodyProblem extends Error {
  path = '';

  within(field: string): this {
    this.path = this.path === '' ? field : `${field}.${this.path}`;
    return this;
  }
}

/** Items that take no bytes (null, empty records) are not bounded by the length of the message. */
const MAX_EMPTY_ITEMS = 10_000;
const MAX_DEPTH = 64;
const MAX_VARINT_BYTES = 10;

type BodyCheck = (body: Cursor) => void;

/** Builds the check of one schema. It throws BodyProblem, also for bytes after the end. */
export function bodyCheckOf(type: AvroType): (bytes: Buffer) => void {
  const check = new CheckBuilder().checkOf(type);
  return (bytes) => {
    const body = new Cursor(bytes);
    check(body);
    if (body.left > 0) throw new BodyProblem(`${body.left} bytes after the end`);
  };
}

class Cursor {
  readonly #bytes: Buffer;
  #position = 0;
  depth = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#position;
  }

  take(length: number, what: string): Buffer {
    if (length < 0 || length > this.left) {
      throw new BodyProblem(`expected ${what} of ${length} bytes, ${this.left} are left`);
    }
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }

  byte(what: string): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) throw new BodyProblem(`expected ${what}, found the end`);
    this.#position++;
    return byte;
  }

  /** A zigzag varint. The sum is exact below 2^53, and above it for even numbers below 2^54. */
  long(what: string): number {
    let zigzag = 0;
    let factor = 1;
    for (let count = 0; count < MAX_VARINT_BYTES; count++) {
      const byte = this.byte(what);
      const added = (byte & 0x7f) * factor;
      if (zigzag + added - added !== zigzag) break;
      zigzag += added;
      if (byte < 0x80) {
        const value = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
        if (value < LONG_MIN || value > LONG_MAX) break;
        return value;
      }
      factor *= 128;
    }
    throw new BodyProblem(`expected ${what} from -2^52 to 2^53-2, found a larger one`);
  }
}

class CheckBuilder {
  readonly #checks = new Map<AvroType, BodyCheck>();

  /** Recursive types find themselves here while they are being built. */
  checkOf(type: AvroType): BodyCheck {
    const known = this.#checks.get(type);
    if (known !== undefined) return known;
    let built: BodyCheck | undefined;
    this.#checks.set(type, (body) => built?.(body));
    built = this.#build(type);
    this.#checks.set(type, built);
    return built;
  }

  #build(type: AvroType): BodyCheck {
    switch (type.typeName) {
      case 'null':
        return () => undefined;
      case 'boolean':
        return checkBoolean;
      case 'int':
        return checkInt;
      case 'long':
        return (body) => void body.long('a long');
      case 'float':
        return (body) => void body.take(4, 'a float');
      case 'double':
        return (body) => void body.take(8, 'a double');
      case 'bytes':
        return (body) => void body.take(body.long('a length'), 'bytes');
      case 'string':
        return checkString;
      case 'fixed': {
        const { size } = type as avroTypes.FixedType;
        return (body) => void body.take(size, 'a fixed');
      }
      case 'enum':
        return checkIndex((type as avroTypes.EnumType).symbols.length, 'an enum index');
      case 'array': {
        const item = this.checkOf((type as avroTypes.ArrayType).itemsType);
        return checkBlocks(item);
      }
      case 'map': {
        const value = this.checkOf((type as avroTypes.MapType).valuesType);
        return checkBlocks((body) => {
          checkKey(body);
          value(body);
        });
      }
      case 'union:unwrapped':
      case 'union:wrapped':
        return this.#union((type as avroTypes.UnwrappedUnionType).types);
      case 'record':
      case 'error':
        return this.#record(type as avroTypes.RecordType);
      default:
        throw new Error(`no check for the Avro type ${type.typeName}`);
    }
  }

  #union(branches: readonly AvroType[]): BodyCheck {
    const checks = branches.map((branch) => this.checkOf(branch));
    return (body) => {
      const index = body.long('a union index');
      const check = checks[index];
      if (check === undefined) {
        throw new BodyProblem(`expected a union index below ${checks.length}, found ${index}`);
      }
      check(body);
    };
  }

  #record(type: avroTypes.RecordType): BodyCheck {
    const names = type.fields.map((field) => field.name);
    const checks = type.fields.map((field) => this.checkOf(field.type));
    return (body) => {
      if (++body.depth > MAX_DEPTH) throw new BodyProblem(`nested deeper than ${MAX_DEPTH} records`);
      for (const [index, check] of checks.entries()) {
        try {
          check(body);
        } catch (error) {
          throw error instanceof BodyProblem ? error.within(names[index] ?? '') : error;
        }
      }
      body.depth--;
    };
  }
}

function checkBoolean(body: Cursor): void {
  const byte = body.byte('a boolean');
  if (byte > 1) throw new BodyProblem(`expected a boolean, 0 or 1, found ${byte}`);
}

function checkInt(body: Cursor): void {
  const value = body.long('an int');
  if (value !== (value | 0)) throw new BodyProblem(`expected an int of 32 bits, found ${value}`);
}

function checkString(body: Cursor): Buffer {
  const bytes = body.take(body.long('a length'), 'a string');
  if (!isUtf8(bytes)) throw new BodyProblem('expected a string in UTF-8, found other bytes');
  return bytes;
}

/** avsc puts map entries on an ordinary object, where this key would replace the prototype. */
function checkKey(body: Cursor): void {
  if (checkString(body).equals(PROTO_KEY)) throw new BodyProblem('the map key __proto__ is not supported');
}

const PROTO_KEY = Buffer.from('__proto__');

function checkIndex(length: number, what: string): BodyCheck {
  return (body) => {
    const index = body.long(what);
    if (index < 0 || index >= length)
      throw new BodyProblem(`expected ${what} below ${length}, found ${index}`);
  };
}

/** Arrays and maps: blocks of a count (negative: its size in bytes follows) and the items, ended by a count of 0. */
function checkBlocks(item: BodyCheck): BodyCheck {
  return (body) => {
    let emptyItems = 0;
    for (let count = body.long('a count'); count !== 0; count = body.long('a count')) {
      if (count < 0) body.long('a block size');
      for (let items = Math.abs(count); items > 0; items--) {
        const before = body.left;
        item(body);
        if (body.left === before && ++emptyItems > MAX_EMPTY_ITEMS) {
          throw new BodyProblem(`more than ${MAX_EMPTY_ITEMS} items that take no bytes`);
        }
      }
    }
  };
}

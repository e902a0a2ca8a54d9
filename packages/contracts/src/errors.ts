/** The typed errors of this package. Each has a stable `code` and says what was expected, found and what to do. */

/** One wrong field. `path` is like `engines[0].address`; `$` is the value itself. */
export interface FieldProblem {
  readonly path: string;
  readonly expected: string;
  readonly found: string;
}

/** A list of wrong fields ends here: a reply must stay small whatever was sent. */
export const MAX_FIELD_PROBLEMS = 100;

/** A short description of a value, for `found`. */
export function describeFound(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (Buffer.isBuffer(value)) return `${value.length} bytes`;
  if (typeof value === 'object') return 'an object';
  if (typeof value !== 'string') return `the ${typeof value} ${String(value)}`;
  return value.length <= 60 ? JSON.stringify(value) : `${JSON.stringify(value.slice(0, 60))}…`;
}

/** Bytes that are not a message we can read. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  readonly code: DecodeErrorCode;
  /** 16 hex digits, when the bytes had one: the key to look for in the schema registry. */
  readonly fingerprint: string | undefined;

  constructor(code: DecodeErrorCode, message: string, fingerprint?: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.fingerprint = fingerprint;
  }
}

export type DecodeErrorCode =
  /** Not Avro single-object encoding: shorter than 10 bytes, or not C3 01 first. */
  | 'not-single-object'
  /** The writer's schema is not known here: fetch it by `fingerprint`, `registerWriterSchema` it, decode again. */
  | 'unknown-schema'
  /** The body is truncated, has trailing bytes, or breaks the schema. */
  | 'malformed-body'
  /** A good message, but of another record than asked for. */
  | 'wrong-record';

/** A value that does not fit its schema, given as plain JSON (`invalid-json`) or to `encode` (`invalid-value`). */
export class ValidationError extends Error {
  override readonly name = 'ValidationError';
  readonly code: 'invalid-json' | 'invalid-value';
  /** Every wrong field, at most MAX_FIELD_PROBLEMS. */
  readonly details: readonly FieldProblem[];

  constructor(code: 'invalid-json' | 'invalid-value', record: string, details: readonly FieldProblem[]) {
    const shown = details.map(({ path, expected, found }) => `${path}: expected ${expected}, found ${found}`);
    super(`${record}: ${shown.join('; ')}`);
    this.code = code;
    this.details = details;
  }
}

/** A writer schema that cannot be used: not Avro, or not readable as the record whose name it has. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly code: 'invalid-schema' | 'incompatible-schema' | 'too-many-schemas';

  constructor(code: SchemaError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** An id or address that cannot be part of a subject. */
export class InvalidIdError extends Error {
  override readonly name = 'InvalidIdError';
  readonly code = 'invalid-id';
}

/** An error with a stable `code` that callers, logs and wire replies can rely on. */
export class SalvorError extends Error {
  readonly code: string;
  /** Places that are wrong and what was expected there, where that applies. */
  readonly details: readonly ErrorDetail[];

  constructor(code: string, message: string, details: readonly ErrorDetail[] = [], options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

export interface ErrorDetail {
  readonly path: string;
  readonly expected: string;
}

/** The code of any error, `internal` where it has none. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return 'internal';
  return typeof error.code === 'string' ? error.code : 'internal';
}

/** What to tell about anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

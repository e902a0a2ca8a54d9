/** How commands fail: every error becomes an exit code, a stable code, one sentence, and details by path. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** For `salvor help`. */
export const exitCodeMeanings: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'the command failed, or nobody answers it',
  2: 'the command line is wrong',
  3: 'the bus cannot be reached',
  4: 'refused as things stand, or in conflict with another change',
};

export interface FailureDetail {
  readonly path: string;
  readonly expected: string;
  readonly found?: string;
}

export interface Failure {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly message: string;
  readonly details: readonly FailureDetail[];
}

/** An error of the command line itself. The message says what was expected, what was found and what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.code = code;
  }
}

export function usageError(message: string): CliError {
  return new CliError(exitCodes.usage, 'usage', message);
}

export function failureOf(error: unknown): Failure {
  const { code, status, details } = membersOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const known = typeof code === 'string' ? code : 'internal';
  return {
    exitCode: error instanceof CliError ? error.exitCode : exitCodeOf(known, status),
    code: known,
    message: withoutDetails(known, message),
    details: readDetails(details),
  };
}

/** Errors of the bus that mean: there is no connection to talk over. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'connect-timeout',
  'connect-aborted',
  'not-authorized',
  'bus-closed',
]);

/** Status numbers of commands that were understood, and may not or cannot be done now. */
const REFUSED: ReadonlySet<unknown> = new Set([403, 409, 412, 422, 423]);

function exitCodeOf(code: string, status: unknown): ExitCode {
  if (status !== undefined) return REFUSED.has(status) ? exitCodes.refused : exitCodes.failed;
  if (UNREACHABLE.has(code)) return exitCodes.unreachable;
  if (code === 'stack-running') return exitCodes.refused;
  // Found here, before anything was sent: what was typed does not fit the schema.
  return isValidation(code) ? exitCodes.usage : exitCodes.failed;
}

function isValidation(code: string): boolean {
  return code === 'invalid-value' || code === 'invalid-json';
}

function membersOf(error: unknown): { code?: unknown; status?: unknown; details?: unknown } {
  return typeof error === 'object' && error !== null ? error : {};
}

/** Validation errors repeat every wrong field in their message; the details say it line by line. */
function withoutDetails(code: string, message: string): string {
  if (!isValidation(code)) return message;
  const record = /^(\w+): /.exec(message)?.[1];
  return record === undefined ? message : `some fields do not fit ${record}`;
}

function readDetails(details: unknown): FailureDetail[] {
  if (!Array.isArray(details)) return [];
  return details.flatMap((detail: unknown) => {
    const { path, expected, found } = (typeof detail === 'object' && detail !== null ? detail : {}) as {
      path?: unknown;
      expected?: unknown;
      found?: unknown;
    };
    if (typeof path !== 'string' || typeof expected !== 'string') return [];
    return [{ path, expected, ...(typeof found === 'string' ? { found } : {}) }];
  });
}

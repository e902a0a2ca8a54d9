import { InvalidIdError } from '@salvor/contracts';
import { type ErrorDetail, messageOf, SalvorError } from '@salvor/service-kit';
import { oneLine } from './message-headers.ts';

/** Errors of a command travel as these headers and a JSON body `{ code, message, details }`. */
export const ERROR_CODE_HEADER = 'Nats-Service-Error-Code';
export const ERROR_HEADER = 'Nats-Service-Error';
const MAX_HEADER_MESSAGE_LENGTH = 500;
const MAX_BODY_LENGTH = 64 * 1024;
const MAX_CUT_MESSAGE_LENGTH = 4_096;

/** A command that was answered with an error. A handler throws it; `request()` throws what the service answered. */
export class CommandError extends SalvorError {
  /** Number for `Nats-Service-Error-Code`, in the manner of HTTP: 400 wrong request, 404, 409 refused now, 500 … */
  readonly status: number;

  constructor(
    code: string,
    message: string,
    options: { status?: number; details?: readonly ErrorDetail[]; cause?: unknown } = {},
  ) {
    super(code, message, options.details ?? [], { cause: options.cause });
    this.status = options.status ?? statusOfCode(code);
  }
}

export interface WireError {
  status: number;
  code: string;
  message: string;
  details: readonly ErrorDetail[];
}

/** What the caller is told about anything a handler threw. */
export function wireErrorOf(error: unknown): WireError {
  if (error instanceof SalvorError) {
    const { code, message, details } = error;
    return {
      status: error instanceof CommandError ? error.status : statusOfCode(code),
      code,
      message,
      details,
    };
  }
  if (error instanceof InvalidIdError)
    return { status: 400, code: error.code, message: error.message, details: [] };
  return { status: 500, code: 'internal', message: messageOf(error), details: [] };
}

/** Bounded: an error that cites a huge request must still fit into an answer. */
export function errorBody({ code, message, details }: WireError): string {
  const body = JSON.stringify({ code, message, details });
  if (body.length <= MAX_BODY_LENGTH) return body;
  return JSON.stringify({ code, message: message.slice(0, MAX_CUT_MESSAGE_LENGTH), details: [] });
}

export function errorHeaders(error: WireError): Record<string, string> {
  const text = oneLine(error.message).replace(/[^\u0020-\u007e]/g, '?');
  return {
    [ERROR_CODE_HEADER]: String(error.status),
    [ERROR_HEADER]: text.slice(0, MAX_HEADER_MESSAGE_LENGTH) || error.code,
    'Content-Type': 'application/json',
  };
}

/** The error a service answered with, from its headers and body; tolerant, because any service may answer. */
export function commandErrorFrom(statusText: string, headerMessage: string, body: string): CommandError {
  const status = Number.parseInt(statusText, 10);
  let parsed: { code?: unknown; message?: unknown; details?: unknown } = {};
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json === 'object' && json !== null) parsed = json;
  } catch {
    // The body is optional for other implementations of the service protocol: the headers say enough.
  }
  return new CommandError(
    typeof parsed.code === 'string' ? parsed.code : 'service-error',
    typeof parsed.message === 'string' ? parsed.message : headerMessage,
    {
      status: Number.isInteger(status) ? status : 500,
      details: Array.isArray(parsed.details) ? parsed.details.filter(isDetail) : [],
    },
  );
}

function isDetail(value: unknown): value is ErrorDetail {
  if (typeof value !== 'object' || value === null) return false;
  const { path, expected } = value as Partial<ErrorDetail>;
  return typeof path === 'string' && typeof expected === 'string';
}

const STATUS_OF_CODE: readonly (readonly [RegExp, number])[] = [
  [/not-found|^unknown-/, 404],
  [/^(invalid|malformed|bad|unsupported)(-|$)/, 400],
  [/not-permitted|not-authorized/, 403],
  [/timeout|deadline/, 504],
  [/unavailable|overloaded|closed|closing|draining/, 503],
  [/conflict|exists|busy|refused|not-healthy|in-use/, 409],
];

/** Every other typed error is a request that was understood and cannot be done: 422. */
function statusOfCode(code: string): number {
  return STATUS_OF_CODE.find(([pattern]) => pattern.test(code))?.[1] ?? 422;
}

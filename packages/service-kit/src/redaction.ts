const SECRET_NAME = /(password|passwd|seed|creds|secret|secretkey|privatekey|token|authorization)$/i;
const URL_LOGIN = /(:\/\/)[^/@\s]+@/g;
/** Stands where a secret was. */
export const REDACTED = '[redacted]';
/** Deeper values are left out: a log line is no dump. */
const MAX_DEPTH = 6;

/**
 * The same fields without secrets: members called `password`, `enginePassword`, `seed` … at any depth, and the login part of
 * URLs. Objects of a class (errors, buffers, dates) are passed on as they are.
 */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactMembers(fields, 0);
}

/** One member as it may be shown: the text of a secret is gone, and the login part of a URL. */
export function redactMember(name: string, value: string): string {
  return SECRET_NAME.test(name) && value !== '' ? REDACTED : value.replace(URL_LOGIN, `$1${REDACTED}@`);
}

function redactMembers(value: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      SECRET_NAME.test(name) && holdsSomething(member) ? REDACTED : redactValue(member, depth + 1),
    ]),
  );
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string')
    return value.includes('@') ? value.replace(URL_LOGIN, `$1${REDACTED}@`) : value;
  if (typeof value !== 'object' || value === null) return value;
  const plain = Array.isArray(value) || isPlain(value);
  if (!plain) return value;
  if (depth > MAX_DEPTH) return '[deeper]';
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return redactMembers(value, depth);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function holdsSomething(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

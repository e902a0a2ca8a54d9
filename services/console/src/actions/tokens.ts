import { createHash, timingSafeEqual } from 'node:crypto';
import { SalvorError } from '@salvor/service-kit';

const TOKEN_LEAST_CHARACTERS = 16;
const LINE = /^([A-Za-z0-9_.@-]{1,64})\s+(\S+)$/;

/** Who may act: a name and the digest of their token. */
export interface Operator {
  readonly name: string;
  readonly digest: Buffer;
}

/**
 * One `name token` a line; empty lines and those that begin with `#` are left out.
 * @throws SalvorError `bad-configuration`; it never shows a token
 */
export function readTokens(text: string): Operator[] {
  const operators: Operator[] = [];
  for (const [index, line] of text
    .split('\n')
    .map((one) => one.trim())
    .entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', token = ''] = LINE.exec(line) ?? [];
    if (token.length < TOKEN_LEAST_CHARACTERS)
      throw new SalvorError(
        'bad-configuration',
        `line ${index + 1} of SALVOR_CONSOLE_TOKENS: expected a name and a token of at least ${TOKEN_LEAST_CHARACTERS} characters`,
      );
    operators.push({ name, digest: digestOf(token) });
  }
  return operators;
}

/**
 * The operator who has this token, null for none. All are compared, in a time that does not depend on what they are.
 */
export function operatorOf(operators: readonly Operator[], token: string): Operator | null {
  const digest = digestOf(token);
  let found: Operator | null = null;
  for (const operator of operators) if (timingSafeEqual(operator.digest, digest)) found = operator;
  return found;
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

import { createHash } from 'node:crypto';

/** Values of keys are not told in reports: they may be long, and hold passwords. */
export function digest(value: string): string {
  return `sha256:${createHash('sha256').update(value).digest('hex').slice(0, 16)}`;
}

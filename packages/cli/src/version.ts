import { readFileSync } from 'node:fs';

/** The version of this package. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const { version: found } = manifest as { version?: unknown };
  return typeof found === 'string' ? found : 'unknown';
}

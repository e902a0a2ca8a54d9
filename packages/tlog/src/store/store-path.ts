import { LogError } from '../log-error.ts';

const MAX_PATH_BYTES = 900;
/** No dot in front: hidden names are those of files that are being written. */
const COMPONENT = /^[A-Za-z0-9_:%=-][A-Za-z0-9_:%=.-]{0,199}$/;

/** A path of a store: names of letters, digits and `_:%=.-`, up to 200 each, with `/` between them; none begins with a dot. */
export function requirePath(path: string): string {
  if (path.length <= MAX_PATH_BYTES && path.split('/').every(isStoreName)) return path;
  throw new LogError('store', `expected a relative path of plain names, found ${JSON.stringify(path)}`);
}

/** A prefix is empty, or a path that ends with `/`. */
export function requirePrefix(prefix: string): string {
  if (prefix === '') return prefix;
  if (!prefix.endsWith('/'))
    throw new LogError('store', `expected a prefix that ends with /, found ${JSON.stringify(prefix)}`);
  requirePath(prefix.slice(0, -1));
  return prefix;
}

export function isStoreName(name: string): boolean {
  return COMPONENT.test(name);
}

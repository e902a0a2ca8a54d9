import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** With quotes, as in the header. */
  readonly etag: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * The files of the page by their path, read once: what is not here is not served, whatever a path says.
 * `assets` has what is written by hand, `page` the modules that the build made.
 */
export function readAssets(folders: { readonly assets: string; readonly page: string }): Map<string, Asset> {
  const found = new Map<string, Asset>();
  const add = (path: string, file: string): void => {
    const type = TYPES[extname(file)];
    if (type === undefined) return;
    const body = readFileSync(file);
    found.set(path, { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` });
  };
  for (const name of readdirSync(folders.assets))
    add(name === 'index.html' ? '/' : `/${name}`, join(folders.assets, name));
  for (const name of readdirSync(folders.page, { recursive: true, encoding: 'utf8' }))
    add(`/page/${name}`, join(folders.page, name));
  return found;
}

import { LogError } from '../log-error.ts';
import type { AppendableStore } from './appendable-store.ts';
import { openDirectoryStore } from './directory-store.ts';
import type { S3StoreOptions } from './s3-store.ts';

export interface StoreLocation {
  /** A folder (`/var/lib/salvor/tier2`), or `s3://<bucket>[/<prefix>]`. */
  readonly location: string;
  /** For s3: of a service other than Amazon's. */
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly timeoutMs?: number;
}

/** Opens the store that a location names. @throws LogError `store` */
export async function openStoreAt({ location, timeoutMs, ...s3 }: StoreLocation): Promise<AppendableStore> {
  const bound = timeoutMs === undefined ? {} : { timeoutMs };
  if (location.startsWith('/')) return openDirectoryStore({ root: location, ...bound });
  const found = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,62})(?:\/(.+?))?\/?$/.exec(location);
  if (found?.[1] === undefined)
    throw new LogError(
      'store',
      `expected an absolute folder or s3://<bucket>[/<prefix>], found ${JSON.stringify(location)}`,
    );
  const options: S3StoreOptions = {
    bucket: found[1],
    ...(found[2] === undefined ? {} : { prefix: found[2] }),
    ...s3,
    ...bound,
  };
  // The SDK is large: processes whose log is in a folder do not load it.
  const { openS3Store } = await import('./s3-store.ts');
  return openS3Store(options);
}

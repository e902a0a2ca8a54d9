import { orElse, type Setting } from '@salvor/service-kit';
import { z } from 'zod';
import type { AppendableStore } from './appendable-store.ts';
import { openStoreAt } from './open-store.ts';

/** Where logs are archived, and how that is reached; empty: not told. */
export interface TlogStoreSettings {
  /** An absolute folder, or `s3://<bucket>[/<prefix>]`; empty: nowhere. */
  readonly tlogStore: string;
  readonly tlogStoreEndpoint: string;
  readonly tlogStoreRegion: string;
  readonly tlogStoreAccessKey: string;
  readonly tlogStoreSecretKey: string;
}

/** What a service is configured with that archives logs, or reads archives. */
export const tlogStoreSettings: { [K in keyof TlogStoreSettings]: Setting<string> } = {
  tlogStore: {
    schema: orElse(z.string(), ''),
    help: 'where the logs of this zone are archived: an absolute folder, or s3://<bucket>[/<prefix>]; empty = nowhere',
    example: '/var/lib/salvor/tier2',
  },
  tlogStoreEndpoint: {
    schema: orElse(z.string(), ''),
    help: 'of an s3 service other than that of Amazon',
    example: 'http://10.0.0.7:9000',
  },
  tlogStoreRegion: {
    schema: orElse(z.string(), ''),
    help: 'region of the bucket',
    example: 'eu-central-1',
  },
  tlogStoreAccessKey: {
    schema: orElse(z.string(), ''),
    help: 'access key of the s3 service; empty = as its client finds it',
    example: 'salvor',
  },
  tlogStoreSecretKey: {
    schema: orElse(z.string(), ''),
    help: 'secret of that key',
    secret: true,
    example: 'from SALVOR_TLOG_STORE_SECRET_KEY_FILE',
  },
};

/** Opens the store that is configured, of which the location must be told. @throws LogError `store` */
export function openConfiguredStore(settings: TlogStoreSettings): Promise<AppendableStore> {
  const { tlogStore: location, tlogStoreEndpoint: endpoint, tlogStoreRegion: region } = settings;
  const { tlogStoreAccessKey: accessKeyId, tlogStoreSecretKey: secretAccessKey } = settings;
  return openStoreAt({
    location,
    ...(endpoint === '' ? {} : { endpoint }),
    ...(region === '' ? {} : { region }),
    ...(accessKeyId === '' ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
}

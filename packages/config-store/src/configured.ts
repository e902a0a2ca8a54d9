import { readTlsMaterial } from '@salvor/service-kit';
import type { StoreOptions } from './types.ts';

/** The settings that every service has about etcd; empty = not used. */
export interface StoreSettings {
  readonly etcdEndpoints: readonly string[];
  readonly etcdTlsCa: string;
  readonly etcdTlsCert: string;
  readonly etcdTlsKey: string;
}

/** What a service's configuration means for its store. @throws TlsMaterialError */
export function storeOptions(settings: StoreSettings): Pick<StoreOptions, 'endpoints' | 'tls'> {
  const { etcdEndpoints: endpoints, etcdTlsCa: ca, etcdTlsCert: cert, etcdTlsKey: key } = settings;
  const tls = readTlsMaterial('ETCD', { ca, cert, key });
  return { endpoints, ...(tls === undefined ? {} : { tls }) };
}

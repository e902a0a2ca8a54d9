import { readTlsMaterial } from '@salvor/service-kit';
import type { BusConnectOptions } from './connection.ts';

/** The settings that every service has about NATS; empty = not used. */
export interface BusSettings {
  readonly natsServers: readonly string[];
  readonly natsCreds: string;
  readonly natsNkeySeed: string;
  readonly natsTlsCa: string;
  readonly natsTlsCert: string;
  readonly natsTlsKey: string;
}

/** What a service's configuration means for its connection. @throws TlsMaterialError */
export function busOptions(
  settings: BusSettings,
): Pick<BusConnectOptions, 'servers' | 'creds' | 'nkeySeed' | 'tls'> {
  const { natsServers, natsCreds, natsNkeySeed, natsTlsCa, natsTlsCert, natsTlsKey } = settings;
  // The client reads the files again at every connect; what is wrong with them now is better told now.
  readTlsMaterial('NATS', { ca: natsTlsCa, cert: natsTlsCert, key: natsTlsKey });
  const own = natsTlsCert === '' ? {} : { certFile: natsTlsCert, keyFile: natsTlsKey };
  return {
    servers: [...natsServers],
    ...(natsCreds === '' ? {} : { creds: natsCreds }),
    ...(natsNkeySeed === '' ? {} : { nkeySeed: natsNkeySeed }),
    ...(natsTlsCa === '' ? {} : { tls: { caFile: natsTlsCa, ...own } }),
  };
}

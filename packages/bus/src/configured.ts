import type { BusConnectOptions } from './connection.ts';

/** The settings that every service has about NATS; empty = not used. */
export interface BusSettings {
  readonly natsServers: readonly string[];
  readonly natsCreds: string;
  readonly natsNkeySeed: string;
  readonly natsTlsCa: string;
}

/** What a service's configuration means for its connection. */
export function busOptions(
  settings: BusSettings,
): Pick<BusConnectOptions, 'servers' | 'creds' | 'nkeySeed' | 'tls'> {
  const { natsServers, natsCreds, natsNkeySeed, natsTlsCa } = settings;
  return {
    servers: [...natsServers],
    ...(natsCreds === '' ? {} : { creds: natsCreds }),
    ...(natsNkeySeed === '' ? {} : { nkeySeed: natsNkeySeed }),
    ...(natsTlsCa === '' ? {} : { tls: { caFile: natsTlsCa } }),
  };
}

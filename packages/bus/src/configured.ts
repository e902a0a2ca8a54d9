import { readTlsMaterial } from '@salvor/service-kit';
import type { ConnectBusOptions } from './bus.ts';
import { parsePeople } from './caller.ts';

/** The settings that every service has about NATS; empty = not used. */
export interface BusSettings {
  readonly natsServers: readonly string[];
  readonly natsCreds: string;
  readonly natsNkeySeed: string;
  readonly natsTlsCa: string;
  readonly natsTlsCert: string;
  readonly natsTlsKey: string;
}

/** The settings about those who give commands; absent for connections on which nobody is served. */
interface ServingSettings {
  readonly natsPeople?: string;
  readonly commandsPerSecond?: number;
  readonly commandsPerCaller?: number;
}

/** What a service's configuration means for its connection. @throws TlsMaterialError; BusError `bad-people` */
export function busOptions(
  settings: BusSettings & ServingSettings,
): Pick<ConnectBusOptions, 'servers' | 'creds' | 'nkeySeed' | 'tls' | 'people' | 'commandLimits'> {
  const { natsServers, natsCreds, natsNkeySeed, natsTlsCa, natsTlsCert, natsTlsKey } = settings;
  // The client reads the files again at every connect; what is wrong with them now is better told now.
  readTlsMaterial('NATS', { ca: natsTlsCa, cert: natsTlsCert, key: natsTlsKey });
  const own = natsTlsCert === '' ? {} : { certFile: natsTlsCert, keyFile: natsTlsKey };
  return {
    servers: [...natsServers],
    people: parsePeople(settings.natsPeople ?? ''),
    commandLimits: { perSecond: settings.commandsPerSecond ?? 0, perCaller: settings.commandsPerCaller ?? 0 },
    ...(natsCreds === '' ? {} : { creds: natsCreds }),
    ...(natsNkeySeed === '' ? {} : { nkeySeed: natsNkeySeed }),
    ...(natsTlsCa === '' ? {} : { tls: { caFile: natsTlsCa, ...own } }),
  };
}

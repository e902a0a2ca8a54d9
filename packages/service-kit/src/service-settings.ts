import { z } from 'zod';
import type { Setting } from './configuration.ts';
import { LOG_LEVELS, type LogLevel } from './logger.ts';

/** Schemas that read a value from text as well as from JSON. */
export function integer(min: number, max: number): z.ZodType<number> {
  return z.preprocess(
    (value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : value),
    z
      .int(`expected a whole number from ${min} to ${max}`)
      .min(min, `expected at least ${min}`)
      .max(max, `expected at most ${max}`),
  ) as unknown as z.ZodType<number>;
}

export function text(what: string): z.ZodType<string> {
  return z.string(`expected ${what}`).min(1, `expected ${what}`);
}

/** A comma-separated list, or a JSON array. */
export function list(what: string): z.ZodType<string[]> {
  return z.preprocess(
    (value) =>
      typeof value === 'string'
        ? value
            .split(',')
            .map((item) => item.trim())
            .filter((item) => item !== '')
        : value,
    z.array(z.string(), `expected ${what}`).min(1, `expected ${what}`),
  ) as unknown as z.ZodType<string[]>;
}

export function boolean(): z.ZodType<boolean> {
  return z.preprocess(
    (value) =>
      value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value,
    z.boolean('expected true or false'),
  ) as unknown as z.ZodType<boolean>;
}

/** The same schema with a value for when nothing is set. */
export function orElse<T>(schema: z.ZodType<T>, value: T): z.ZodType<T> {
  return z.preprocess((found) => (found === undefined ? value : found), schema) as unknown as z.ZodType<T>;
}

/** The path of a PEM file of TLS; not set: empty. */
export function file(what: string, example: string): Setting<string> {
  return {
    schema: orElse(z.string(), ''),
    help: `path of the ${what}`,
    example: `/etc/salvor/tls/${example}`,
  };
}

/** The settings that every service has. */
export const serviceSettings: {
  natsServers: Setting<string[]>;
  natsCreds: Setting<string>;
  natsNkeySeed: Setting<string>;
  natsTlsCa: Setting<string>;
  natsTlsCert: Setting<string>;
  natsTlsKey: Setting<string>;
  natsPeople: Setting<string>;
  commandsPerSecond: Setting<number>;
  commandsPerCaller: Setting<number>;
  etcdEndpoints: Setting<string[]>;
  etcdTlsCa: Setting<string>;
  etcdTlsCert: Setting<string>;
  etcdTlsKey: Setting<string>;
  httpHost: Setting<string>;
  httpPort: Setting<number>;
  logLevel: Setting<LogLevel>;
} = {
  natsServers: {
    schema: orElse(list('a comma-separated list of host:port'), ['127.0.0.1:4222']),
    help: 'NATS servers',
    example: '127.0.0.1:4222',
  },
  natsCreds: {
    schema: orElse(z.string(), ''),
    help: 'path of a NATS credentials file',
    example: '/run/secrets/salvor.creds',
  },
  natsNkeySeed: {
    schema: orElse(z.string(), ''),
    help: 'nkey seed to log in to NATS with',
    example: 'SU…',
    secret: true,
  },
  natsTlsCa: file('CA certificate of the NATS servers; when set, they are talked to with TLS', 'ca.pem'),
  natsTlsCert: file('certificate shown to NATS servers that ask for one', 'client.pem'),
  natsTlsKey: file('private key of that certificate', 'client-key.pem'),
  natsPeople: {
    schema: orElse(z.string(), ''),
    help: 'who gives commands, as salvor bus users writes it; then they are credited to whom the NATS server names',
    example: 'from SALVOR_NATS_PEOPLE_FILE',
  },
  commandsPerSecond: {
    schema: orElse(integer(0, 1_000_000), 4_000),
    help: 'commands a second that this process takes from all callers together, 0 = no limit; two seconds of it may come at once',
    example: '4000',
  },
  commandsPerCaller: {
    schema: orElse(integer(0, 1_000_000), 1_000),
    help: 'the same of one caller',
    example: '1000',
  },
  etcdEndpoints: {
    schema: orElse(list('a comma-separated list of host:port'), ['127.0.0.1:2379']),
    help: 'etcd endpoints',
    example: '127.0.0.1:2379',
  },
  etcdTlsCa: file('CA certificate of etcd; when set, it is talked to with TLS', 'ca.pem'),
  etcdTlsCert: file('certificate shown to etcd, where it asks for one', 'client.pem'),
  etcdTlsKey: file('private key of that certificate', 'client-key.pem'),
  httpHost: {
    schema: orElse(text('an address'), '127.0.0.1'),
    help: 'address of the health endpoints',
    example: '127.0.0.1',
  },
  httpPort: {
    schema: orElse(integer(0, 65535), 0),
    help: 'port of the health endpoints, 0 = any free port',
    example: '9101',
  },
  logLevel: {
    schema: orElse(z.enum(LOG_LEVELS, `expected one of ${LOG_LEVELS.join(', ')}`), 'info'),
    help: 'least level that is logged',
    example: 'info',
  },
};

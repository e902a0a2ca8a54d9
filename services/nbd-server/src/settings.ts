import { boolean, integer, list, orElse, type Setting, text } from '@salvor/service-kit';
import { engineLoginSettings, REPAIR_REST } from '@salvor/vdisk';
import { z } from 'zod';
import type { TlsMode } from './nbd/tls-settings.ts';

/** What an NBD server is configured with, beside what every service has. */
export const nbdServerSettings: typeof engineLoginSettings & {
  serverId: Setting<string>;
  nbdListen: Setting<string[]>;
  nbdUnixMode: Setting<string>;
  nbdTlsMode: Setting<TlsMode>;
  nbdTlsCertFile: Setting<string>;
  nbdTlsKeyFile: Setting<string>;
  nbdTlsClientCaFile: Setting<string>;
  nbdTlsPskFile: Setting<string>;
  leaseTtlSeconds: Setting<number>;
  engineConnectTimeoutMs: Setting<number>;
  engineCommandTimeoutMs: Setting<number>;
  proposeAfterMs: Setting<number>;
  holdMaxMs: Setting<number>;
  logOverflowAfterMs: Setting<number>;
  lingerMs: Setting<number>;
  releaseWaitMs: Setting<number>;
  engineSockets: Setting<string>;
  repairIdle: Setting<boolean>;
  repairBandwidthMib: Setting<number>;
  repairRest: Setting<number>;
  repairsAtOnce: Setting<number>;
  scrubBandwidthMib: Setting<number>;
} = {
  serverId: {
    schema: text('the name of this server').refine(
      (id) => /^[A-Za-z0-9_:-]{1,64}$/.test(id),
      'expected 1 to 64 of A-Z a-z 0-9 _ : -',
    ) as z.ZodType<string>,
    help: 'name of this server, unique and kept over restarts',
    example: 'nbd-1',
  },
  nbdListen: {
    schema: orElse(list('a comma-separated list of tcp:host:port or unix:/path'), ['tcp:127.0.0.1:10809']),
    help: 'where NBD clients connect',
    example: 'tcp:0.0.0.0:10809,unix:/run/salvor/nbd.sock',
  },
  nbdUnixMode: {
    schema: orElse(z.string().regex(/^0?[0-7]{3}$/, 'expected three octal digits'), '660'),
    help: 'permissions of unix sockets, octal: who may write to one may use every vdisk',
    example: '660',
  },
  nbdTlsMode: {
    schema: orElse(z.enum(['off', 'optional', 'required']), 'off'),
    help: 'whether NBD clients may or, on TCP, must use TLS; unix sockets are guarded by their permissions',
    example: 'required',
  },
  nbdTlsCertFile: {
    schema: orElse(z.string(), ''),
    help: 'PEM file with the certificate chain shown to NBD clients',
    example: '/etc/salvor/nbd-cert.pem',
  },
  nbdTlsKeyFile: {
    schema: orElse(z.string(), ''),
    help: 'PEM file with the private key of that certificate',
    example: '/etc/salvor/nbd-key.pem',
  },
  nbdTlsClientCaFile: {
    schema: orElse(z.string(), ''),
    help: 'PEM file with the authority of client certificates; when set, NBD clients must show one',
    example: '/etc/salvor/nbd-clients-ca.pem',
  },
  nbdTlsPskFile: {
    schema: orElse(z.string(), ''),
    help: 'file of pre-shared keys, one identity:hexkey a line, as psktool of GnuTLS writes them',
    example: '/etc/salvor/nbd-keys.psk',
  },
  leaseTtlSeconds: {
    schema: orElse(integer(2, 300), 10),
    help: 'an owner that etcd has not heard of for so long may be replaced',
    example: '10',
  },
  engineConnectTimeoutMs: {
    schema: orElse(integer(50, 60_000), 1_000),
    help: 'bound of connecting to a storage engine',
    example: '1000',
  },
  engineCommandTimeoutMs: {
    schema: orElse(integer(50, 60_000), 1_500),
    help: 'a storage engine that takes longer to answer counts as failed',
    example: '1500',
  },
  proposeAfterMs: {
    schema: orElse(integer(1, 60_000), 250),
    help: 'a failure that is not recorded in etcd after so long is recorded by this server itself',
    example: '250',
  },
  holdMaxMs: {
    schema: orElse(integer(100, 600_000), 30_000),
    help: 'writes of a shard whose failure cannot be recorded are held for so long, then fail',
    example: '30000',
  },
  logOverflowAfterMs: {
    schema: orElse(integer(100, 600_000), 5_000),
    help: 'without JetStream for so long, transaction logs with policy overflow are broken off and writes go on without them',
    example: '5000',
  },
  lingerMs: {
    schema: orElse(integer(0, 3_600_000), 1_000),
    help: 'a vdisk without clients is given back after so long',
    example: '1000',
  },
  releaseWaitMs: {
    schema: orElse(integer(100, 60_000), 5_000),
    help: 'how long another server has to let go of a vdisk that this one takes over',
    example: '5000',
  },
  ...engineLoginSettings,
  engineSockets: {
    schema: orElse(
      z.string().refine((path) => path === '' || (path.startsWith('/') && path.includes('{port}')), {
        error: 'expected an absolute path with {port} in it',
      }),
      '',
    ),
    help: 'unix sockets of the storage engines on this host, {port} being the port of the engine: less CPU than TCP',
    example: '/run/salvor/engines/{port}.sock',
  },
  repairIdle: {
    schema: orElse(boolean(), true),
    help: 'whether to repair vdisks that nobody has mounted',
    example: 'true',
  },
  scrubBandwidthMib: {
    schema: orElse(integer(0, 1_000_000), 64),
    help: 'MiB a second of each copy that a scrub reads where its request says nothing else; 0 = no limit',
    example: '64',
  },
  repairBandwidthMib: {
    schema: orElse(integer(0, 1_000_000), 0),
    help: 'MiB a second that all repairs together may copy; 0 = no limit. They give way to clients in any case',
    example: '200',
  },
  repairRest: {
    schema: orElse(integer(0, 1_000), REPAIR_REST),
    help: "how long repairs rest behind each step while clients are at work, in times of the step's own; 0 = not at all",
    example: '4',
  },
  repairsAtOnce: {
    schema: orElse(integer(1, 1_024), 8),
    help: 'shards that are repaired at once, over all vdisks of this server; the others wait, and are served meanwhile',
    example: '8',
  },
};

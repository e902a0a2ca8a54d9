/** NATS for Salvor: events, commands, dead letters, and the streams they need. Start at `types.ts`. */
export { type ConnectBusOptions, connectBus } from './bus.ts';
export { BusError, type BusErrorCode } from './bus-error.ts';
export { type Person, parsePeople } from './caller.ts';
export { CommandError } from './command-error.ts';
export { type BusSettings, busOptions } from './configured.ts';
export type { BusConnectOptions, TlsFiles } from './connection.ts';
export { RejectEvent, RetryLater } from './handler-verdicts.ts';
export {
  type BusManifest,
  busManifest,
  DEAD_LETTER_STREAM,
  DEFAULT_LOG_CONTAINER_BYTES,
  DEFAULT_LOG_CONTAINERS,
  EVENT_STREAM,
  type LogContainers,
  MAX_LOG_CONTAINERS,
} from './manifest.ts';
export { type NatsUser, natsPeopleFile, natsUser, natsUsersConfig } from './nats-users.ts';
export {
  CONSOLE_ROLE,
  HUMAN_ROLES,
  inboxOf,
  isPerson,
  type NatsPermissions,
  type NatsRole,
  natsPermissions,
  type PermissionOptions,
  SERVICE_ROLES,
} from './permissions.ts';
export { SCHEMA_BUCKET } from './schema-registry.ts';
export { serverCertificateEnd } from './server-certificate.ts';
export type { CommandContext, CommandHandlers } from './service-endpoint.ts';
export type * from './types.ts';

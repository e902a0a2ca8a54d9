import {
  COMMAND_SUBJECT_PREFIX,
  commandNames,
  commands,
  EVENT_SUBJECT_PREFIX,
  eventFilter,
  eventPublishers,
  eventTypes,
  type ServiceName,
} from '@salvor/contracts';
import { DEFAULT_LOG_CONTAINERS, EVENT_STREAM } from './manifest.ts';
import { SCHEMA_BUCKET } from './schema-registry.ts';

/** People beside services: `operator` may give every command, `reader` those that change nothing, `administrator` all there is. */
export const HUMAN_ROLES = ['operator', 'reader', 'administrator'] as const;
/** It gives commands for people, and listens to all events. */
export const CONSOLE_ROLE = 'console';
export const SERVICE_ROLES = [
  'repair-coordinator',
  'health-analyzer',
  'log-watcher',
  'nbd-server',
  'replication-manager',
  'segment-recovery',
  'tlog-replayer',
] as const satisfies readonly ServiceName[];
export type NatsRole = ServiceName | typeof CONSOLE_ROLE | (typeof HUMAN_ROLES)[number];

/** What a user of NATS may do, as subjects with wildcards; replies to what it was asked may always be sent. */
export interface NatsPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface PermissionOptions {
  /** Streams of the transaction log, as they are given to `bus apply`; default 4. */
  readonly containers?: number;
}

/** Commands that services give each other. Those of replication-manager go to the other zone. */
const asks: Partial<Record<ServiceName, readonly (keyof typeof commands)[]>> = {
  'health-analyzer': ['engine.probe', 'nbdserver.probe'],
  'nbd-server': ['vdisk.takeover'],
  'repair-coordinator': ['nbdserver.status'],
  'replication-manager': [
    ...(['volume.status', 'volume.tell', 'volume.compare', 'volume.log', 'volume.replicate'] as const),
    ...(['volume.promote', 'volume.demote', 'volume.clone', 'volume.remove-clone'] as const),
    ...(['plan.get', 'plan.list'] as const),
    ...(['instance.get', 'instance.set', 'instance.delete', 'instance.start', 'instance.stop'] as const),
    'operation.get',
    'nbdserver.cut',
    ...(['vdisk.create', 'vdisk.clone', 'vdisk.delete', 'vdisk.describe'] as const),
  ],
};

/** Services whose instances it asks for. */
const finds: Partial<Record<ServiceName, readonly ServiceName[]>> = {
  'health-analyzer': ['health-analyzer', 'nbd-server'],
};

/** The least that each role needs, from the catalogue and the manifest. */
export function natsPermissions(role: NatsRole, options: PermissionOptions = {}): NatsPermissions {
  const { containers = DEFAULT_LOG_CONTAINERS } = options;
  const logs = Array.from({ length: containers }, (_, container) => `TLOG_${container}`);
  switch (role) {
    case 'administrator':
      return { publish: ['>'], subscribe: ['>'] };
    case 'operator':
      return person(`${COMMAND_SUBJECT_PREFIX}.>`);
    case CONSOLE_ROLE:
      return {
        publish: [`${COMMAND_SUBJECT_PREFIX}.>`, ...schemas()],
        subscribe: [`${inboxOf(role)}.>`, `${EVENT_SUBJECT_PREFIX}.>`],
      };
    case 'reader':
      return person(
        ...commandNames().flatMap((name) =>
          commands[name].mutating ? [] : addressed(commands[name].subject),
        ),
      );
    default:
      return ofService(role, logs);
  }
}

/** Whether who has this role is in the account of people: the server says who gave a command from there. */
export function isPerson(role: NatsRole): boolean {
  return role === 'operator' || role === 'reader' || role === CONSOLE_ROLE;
}

/** What people ask of the account of the services, beside commands and events. */
export const PEOPLE_ASK: { readonly discovery: readonly string[]; readonly streams: readonly string[] } = {
  discovery: ['$SRV.PING', '$SRV.INFO', '$SRV.STATS'].flatMap((verb) => [verb, `${verb}.>`]),
  // What `salvor bus check`, `salvor doctor` and `salvor decode` look at.
  streams: [
    ...['$JS.API.INFO', '$JS.API.STREAM.INFO.*', '$JS.API.CONSUMER.INFO.*.*', '$JS.API.STREAM.NAMES'],
    `$JS.API.STREAM.MSG.GET.KV_${SCHEMA_BUCKET}`,
    `$JS.API.DIRECT.GET.KV_${SCHEMA_BUCKET}.>`,
  ],
};

/** The inbox in which a service gets its answers; nobody else may listen there. */
export function inboxOf(role: NatsRole): string {
  return `_INBOX_${role}`;
}

function person(...subjects: string[]): NatsPermissions {
  return {
    publish: [...subjects, ...PEOPLE_ASK.discovery, ...PEOPLE_ASK.streams],
    // The nats CLI takes `_INBOX`, `salvor` an inbox of its own.
    subscribe: ['_INBOX.>', '_INBOX_salvor-cli.>', `${EVENT_SUBJECT_PREFIX}.>`],
  };
}

function ofService(service: ServiceName, logs: readonly string[]): NatsPermissions {
  const served = commandNames().filter((name) => commands[name].service === service);
  const announced = eventTypes().filter((type) => eventPublishers[type].includes(service));
  const streams = ofStreams(service, logs);
  return {
    publish: [
      ...announced.map(eventFilter),
      ...(asks[service] ?? []).flatMap((name) => addressed(commands[name].subject)),
      ...(finds[service] ?? []).map((other) => `$SRV.INFO.${other}`),
      ...schemas(),
      ...streams,
    ],
    subscribe: [
      `${inboxOf(service)}.>`,
      ...served.flatMap((name) => addressed(commands[name].subject)),
      ...['PING', 'INFO', 'STATS'].flatMap((verb) => [
        `$SRV.${verb}`,
        ...addressed(`$SRV.${verb}.${service}`),
      ]),
    ],
  };
}

/** To any instance of a service, and to a certain one. */
function addressed(subject: string): [string, string] {
  return [subject, `${subject}.*`];
}

function schemas(): string[] {
  return [`$JS.API.DIRECT.GET.KV_${SCHEMA_BUCKET}.>`];
}

function ofStreams(service: ServiceName, logs: readonly string[]): string[] {
  const api = (...verbs: string[]): string[] =>
    logs.flatMap((stream) => verbs.map((verb) => `$JS.API.${verb}.${stream}`));
  const reading = [...api('STREAM.INFO', 'STREAM.MSG.GET'), ...windowsOf(logs)];
  switch (service) {
    case 'repair-coordinator':
      return [
        ...api('STREAM.INFO', 'STREAM.MSG.GET', 'STREAM.PURGE'),
        ...durable(EVENT_STREAM, 'repair-coordinator'),
        'salvor.dlq.>',
      ];
    case 'log-watcher':
      return ['salvor.dlq.>'];
    case 'nbd-server':
      return ['salvor.tlog.v1.>', ...api('STREAM.MSG.GET', 'STREAM.INFO')];
    case 'tlog-replayer':
      return ['salvor.tlog.v1.>', ...reading, ...api('STREAM.PURGE')];
    case 'replication-manager':
      return ['salvor.tlog.v1.>', ...reading, ...api('STREAM.PURGE')];
    case 'segment-recovery':
      // It makes Tier-1 again: streams, consumers and schemas as `bus apply` does, and the logs of segments.
      return ['salvor.segment.v1.>', '$JS.API.>', `$KV.${SCHEMA_BUCKET}.>`];
    case 'health-analyzer':
      return [];
  }
}

/** Consumers that last as long as the reading of one window. */
function windowsOf(streams: readonly string[]): string[] {
  return streams.flatMap((stream) => [
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.ACK.${stream}.>`,
  ]);
}

function durable(stream: string, name: string): string[] {
  return [`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, `$JS.ACK.${stream}.${name}.>`];
}

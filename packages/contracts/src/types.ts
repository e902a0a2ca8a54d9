/**
 * The contracts in the words of their users.
 *
 * Facts are *events*: `salvor.evt.v1.<type>.<token>`, published once, read by many. Requests are *commands*:
 * `salvor.cmd.v1.<name>`, answered by one service. Both carry one record of `schemas/*.avsc`, in Avro single-object
 * encoding; commands take and give plain JSON as well.
 *
 *   const bytes = encode('VdiskMounted', { vdisk: 'v1', server: 'nbd-1', epoch: 41, at: Date.now() });
 *   const { name, value } = decode(bytes);                        // any record
 *   const mounted = decodeAs('VdiskMounted', bytes);              // this record, typed
 *   const request = fromPlainJson('VdiskListRequest', JSON.parse('{}'));
 *   eventSubject('vdisk.mounted', mounted);                       // salvor.evt.v1.vdisk.mounted.v1
 *
 * Records read are ordinary objects: an optional field that is not there is absent, never null; every field with a
 * default is there. Writing takes the `...Init` form, where fields with a default may be left out. Fields called
 * `at` or `...At` are milliseconds since 1970 UTC; longs are numbers from -2^52 to 2^53-2.
 *
 * An optional field may be added at any time, and a default makes a field optional for readers of old messages:
 * both directions must stay readable (scripts/compatibility.ts). Anything else is a new `v`.
 */
import type {
  CommandName,
  CommandRecords,
  EventRecords,
  EventType,
  RecordInits,
  RecordTypes,
} from './generated/types.ts';

/** The payload of each event, as consumers get it. */
export type EventPayloads = { readonly [T in EventType]: RecordTypes[EventRecords[T]] };

/** The payload of each event, as publishers give it. */
export type EventInits = { readonly [T in EventType]: RecordInits[EventRecords[T]] };

/** Each command: callers give `init` and get `reply`; the service gets `request` and gives `replyInit`. */
export type CommandShapes = {
  readonly [C in CommandName]: {
    readonly init: RecordInits[CommandRecords[C]['request']];
    readonly request: RecordTypes[CommandRecords[C]['request']];
    readonly replyInit: RecordInits[CommandRecords[C]['reply']];
    readonly reply: RecordTypes[CommandRecords[C]['reply']];
  };
};

/** An event type and what everyone may know about it. */
export interface EventDefinition<T extends EventType = EventType> {
  readonly type: T;
  readonly record: EventRecords[T];
  /** 16 hex digits, as in `ce-dataschema`. */
  readonly fingerprint: string;
  /** `salvor.evt.v1.engine.failure-reported.<engine>`: what the last token is. */
  readonly subject: string;
  /** For subscriptions and stream filters: `salvor.evt.v1.engine.failure-reported.*`. */
  readonly filter: string;
  /** CloudEvents `type`: `salvor.engine.failure-reported.v1`. */
  readonly cloudEventType: string;
  readonly description: string;
  /** A payload as plain JSON. */
  readonly example: PlainJsonObject;
}

/** A command and what everyone may know about it. */
export interface CommandDefinition<C extends CommandName = CommandName> {
  readonly name: C;
  /** The service that answers. */
  readonly service: ServiceName;
  /** `salvor.cmd.v1.vdisk.create` */
  readonly subject: string;
  readonly request: CommandRecords[C]['request'];
  readonly requestFingerprint: string;
  readonly reply: CommandRecords[C]['reply'];
  readonly replyFingerprint: string;
  /** Whether it changes anything; if so it takes an `operationId` and answers `operation` and `outcome`. */
  readonly mutating: boolean;
  /** What happens when it is sent again. */
  readonly idempotency: string;
  readonly description: string;
  /** A request as plain JSON. */
  readonly example: PlainJsonObject;
  /** A reply to it as plain JSON. */
  readonly replyExample: PlainJsonObject;
}

export type ServiceName =
  | 'repair-coordinator'
  | 'health-analyzer'
  | 'log-watcher'
  | 'nbd-server'
  | 'replication-manager'
  | 'segment-recovery'
  | 'tlog-replayer';

export type PlainJsonObject = { readonly [key: string]: unknown };

import { EVENT_SUBJECT_PREFIX } from '@salvor/contracts';
import { SCHEMA_BUCKET } from './schema-registry.ts';

/**
 * The streams, durable consumers and buckets of Salvor, and nothing else: what `salvor bus apply` makes, at deploy
 * time, with the rights of an administrator. Services bind to what is here by name and hold no such rights.
 */

export const EVENT_STREAM = 'SALVOR_EVT';
export const DEAD_LETTER_STREAM = 'SALVOR_DLQ';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MIB = 1024 * 1024;

/** A message whose handler is silent for this long is given to another replica; handlers at work say so. */
export const ACK_WAIT_MS: number = 5 * SECOND_MS;

export interface StreamManifest {
  readonly name: string;
  readonly description: string;
  readonly subjects: readonly string[];
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** What gives way when the stream is full: `old` loses the oldest, `new` refuses the publisher. */
  readonly discard: 'old' | 'new';
  /** A repeated `Nats-Msg-Id` within this time is stored once. */
  readonly duplicateWindowMs: number;
}

export interface ConsumerManifest {
  readonly durable: string;
  readonly stream: string;
  readonly description: string;
  /** One: nats-server below 2.10 knows no more. Several types share a wildcard, the reader picks. */
  readonly filterSubject: string;
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
}

export interface BucketManifest {
  readonly name: string;
  readonly description: string;
  readonly maxBytes: number;
}

export interface BusManifest {
  readonly streams: readonly StreamManifest[];
  readonly consumers: readonly ConsumerManifest[];
  readonly buckets: readonly BucketManifest[];
}

export const busManifest: BusManifest = {
  streams: [
    {
      name: EVENT_STREAM,
      description: 'What happened: events announce, etcd holds',
      subjects: ['salvor.evt.>'],
      maxAgeMs: 7 * DAY_MS,
      maxBytes: 512 * MIB,
      discard: 'old',
      // Longer than the outages after which publishers repeat themselves.
      duplicateWindowMs: 30 * MINUTE_MS,
    },
    {
      name: DEAD_LETTER_STREAM,
      description: 'What nobody could handle, with the reason in its headers',
      subjects: ['salvor.dlq.>'],
      maxAgeMs: 30 * DAY_MS,
      maxBytes: 256 * MIB,
      // A full stream holds its readers up instead of forgetting what they could not handle.
      discard: 'new',
      duplicateWindowMs: 30 * MINUTE_MS,
    },
    {
      name: 'SALVOR_DLQ_ADV',
      description: 'The server gave up on a delivery, on any consumer: an operator should look',
      subjects: [
        '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.*.*',
        '$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.*.*',
      ],
      maxAgeMs: 30 * DAY_MS,
      maxBytes: 32 * MIB,
      discard: 'old',
      duplicateWindowMs: 2 * MINUTE_MS,
    },
  ],
  consumers: [
    {
      durable: 'repair-coordinator',
      stream: EVENT_STREAM,
      description: 'Failure reports, verdicts and finished repairs',
      filterSubject: `${EVENT_SUBJECT_PREFIX}.>`,
      ackWaitMs: ACK_WAIT_MS,
      maxAckPending: 1_000,
    },
    {
      durable: 'health-analyzer',
      stream: EVENT_STREAM,
      description: 'Engines that were reported or changed status',
      filterSubject: `${EVENT_SUBJECT_PREFIX}.engine.>`,
      ackWaitMs: ACK_WAIT_MS,
      maxAckPending: 1_000,
    },
  ],
  buckets: [
    {
      name: SCHEMA_BUCKET,
      description: 'Every schema ever published, by fingerprint; written once',
      maxBytes: 64 * MIB,
    },
  ],
};

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

/** Containers of the transaction log where nothing else is said: a vdisk remembers its own, so more can be added later. */
export const DEFAULT_LOG_CONTAINERS = 4;
export const MAX_LOG_CONTAINERS = 256;
export const DEFAULT_LOG_CONTAINER_BYTES: number = 1024 * MIB;
/** A segment of 512 KiB with its headers. */
const LOG_MESSAGE_MAX_BYTES = 576 * 1024;

/** A message whose handler is silent for this long is given to another replica; handlers at work say so. */
export const ACK_WAIT_MS: number = 5 * SECOND_MS;

export interface StreamManifest {
  readonly name: string;
  readonly description: string;
  readonly subjects: readonly string[];
  /** 0: as long as there is room. */
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** Of one message with its headers; absent: what the server takes. */
  readonly maxMessageBytes?: number;
  /** Single messages cannot be deleted; what is moved elsewhere may still be purged. */
  readonly denyDelete?: boolean;
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

/** How far the transaction log is spread, and how much of it JetStream holds until it is archived. */
export interface LogContainers {
  readonly containers?: number;
  readonly containerBytes?: number;
}

/** The manifest with the streams of the transaction log, `TLOG_0` to `TLOG_<containers - 1>`. */
export function manifestWithLog(options: LogContainers = {}): BusManifest {
  const { containers = DEFAULT_LOG_CONTAINERS, containerBytes = DEFAULT_LOG_CONTAINER_BYTES } = options;
  if (!Number.isSafeInteger(containers) || containers < 1 || containers > MAX_LOG_CONTAINERS)
    throw new RangeError(`expected 1 to ${MAX_LOG_CONTAINERS} containers, found ${containers}`);
  if (!Number.isSafeInteger(containerBytes) || containerBytes < LOG_MESSAGE_MAX_BYTES)
    throw new RangeError(
      `expected at least ${LOG_MESSAGE_MAX_BYTES} bytes a container, found ${containerBytes}`,
    );
  const logs = Array.from({ length: containers }, (_, container) => logStreamOf(container, containerBytes));
  return { ...busManifest, streams: [...busManifest.streams, ...logs] };
}

/** A container of segments that were brought back: how much room its log has. */
export interface SegmentStream {
  readonly container: number;
  readonly bytes: number;
}

/** The streams of segments, `SEGMENTS_<container>`; they are made by whoever brings segments back. */
export function segmentManifest(streams: readonly SegmentStream[]): BusManifest {
  return {
    streams: streams.map(({ container, bytes }) => ({
      name: `SEGMENTS_${container}`,
      description: `Segments of container ${container} that were brought back from Tier-2`,
      subjects: [`salvor.segment.v1.${container}.>`],
      maxAgeMs: 0,
      maxBytes: bytes,
      maxMessageBytes: LOG_MESSAGE_MAX_BYTES,
      discard: 'new',
      denyDelete: true,
      duplicateWindowMs: 5 * MINUTE_MS,
    })),
    consumers: [],
    buckets: [],
  };
}

function logStreamOf(container: number, maxBytes: number): StreamManifest {
  return {
    name: `TLOG_${container}`,
    description: `Transaction log, container ${container}: what is not archived yet`,
    subjects: [`salvor.tlog.v1.${container}.>`],
    maxAgeMs: 0,
    maxBytes,
    maxMessageBytes: LOG_MESSAGE_MAX_BYTES,
    // What is acknowledged and not archived must never give way to what is newer.
    discard: 'new',
    denyDelete: true,
    // A segment whose acknowledgement was lost is sent again at once, and after an outage of less than this.
    duplicateWindowMs: 5 * MINUTE_MS,
  };
}

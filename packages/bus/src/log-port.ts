import type { Stored } from './publish-ack.ts';

/** What the transaction log needs of its streams: single publishes that are checked, and reading by stream sequence. */
export interface LogStreamPort {
  /**
   * Publishes once. Resolves when the stream has stored the message; a second publish under the same id within the stream's
   * duplicate window answers the first one's sequence. Waits while the window of unacknowledged messages is full.
   *
   * @throws BusError `wrong-last-sequence`, `stream-full`, `no-stream`, `publish-refused`, `payload-too-large`, `not-permitted`:
   * not stored; `publish-deadline`, `disconnected`, `bus-closed`: may be stored or not
   */
  publish(message: LogPublication): Promise<Stored>;

  /** The newest message under a subject, as the leader of the stream knows it; null: there is none. @throws BusError `no-stream`, … */
  last(stream: string, subject: string): Promise<LogMessage | null>;

  /** The message with this sequence; null: it is not there (any more). @throws BusError `no-stream`, … */
  message(stream: string, sequence: number): Promise<LogMessage | null>;

  /**
   * The messages of a subject from a sequence on, as many as the bounds allow. A window that was cut short by an outage is
   * shorter, never wrong: read on from `next`.
   *
   * @throws BusError `no-stream`, `request-timeout`, …
   */
  readWindow(window: ReadLogWindow): Promise<LogWindow>;

  /** Removes the messages of a subject below `before`. @returns how many they were @throws BusError `no-stream`, … */
  purge(stream: string, subject: string, before: number): Promise<number>;

  /**
   * Every subject of a stream that has messages, with their number; `filter`: a subject with wildcards that they match, default all.
   *
   * @throws BusError `no-stream`, `request-timeout` …
   */
  subjects(stream: string, filter?: string): Promise<ReadonlyMap<string, number>>;

  /** @throws BusError `no-stream`, `request-timeout` … */
  facts(stream: string, subject?: string): Promise<StreamFacts>;
}

export interface LogPublication {
  readonly subject: string;
  readonly data: Uint8Array;
  /** `Nats-Msg-Id`: the same id is the same message. */
  readonly id: string;
  /** Stream sequence of the newest message under the subject, 0 for none; absent: whatever it is. */
  readonly expectedLastSequence?: number;
}

export interface LogPublisherLimits {
  /** Messages sent and not yet acknowledged. */
  windowMessages: number;
  windowBytes: number;
  ackTimeoutMs: number;
}

export interface LogMessage {
  /** In the stream. */
  readonly sequence: number;
  readonly data: Buffer;
}

export interface ReadLogWindow {
  readonly stream: string;
  readonly subject: string;
  /** Stream sequence, inclusive. */
  readonly from: number;
  /** Stream sequence, inclusive; default: to the newest. */
  readonly upTo?: number;
  /** Of all messages together; one message always fits. */
  readonly maxBytes: number;
  /** At most this many; is told how many there are from `from` on. */
  readonly atMost?: (pending: number) => number;
}

export interface LogWindow {
  readonly messages: readonly LogMessage[];
  /** Stream sequence to go on from. */
  readonly next: number;
  /** Nothing of the subject was left behind it, up to `upTo`. */
  readonly end: boolean;
}

export interface StreamFacts {
  readonly stream: string;
  readonly replicas: number;
  readonly bytes: number;
  readonly maxBytes: number;
  readonly messages: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly maxMessageBytes: number;
  /** What a full stream does: `new` refuses the publisher. */
  readonly discard: 'old' | 'new';
  readonly duplicateWindowMs: number;
  /** When the stream was made, RFC 3339: one that was lost and made again has another. */
  readonly createdAt: string;
  /** Messages under the subject that was asked for. */
  readonly subjectMessages: number;
}

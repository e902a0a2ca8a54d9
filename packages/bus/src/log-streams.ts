import { messageOf, SalvorError } from '@salvor/service-kit';
import type { Msg } from 'nats';
import { BusError } from './bus-error.ts';
import type { Connection } from './connection.ts';
import type {
  LogMessage,
  LogPublication,
  LogPublisherLimits,
  LogStreamPort,
  LogWindow,
  ReadLogWindow,
  StreamFacts,
} from './log-port.ts';
import { DEFAULT_LOG_PUBLISHER_LIMITS, LogPublisher } from './log-publisher.ts';
import { LogWindowRead } from './log-window-read.ts';
import type { Stored } from './publish-ack.ts';
import type { ReplyInbox } from './reply-inbox.ts';
import type { Requester } from './requester.ts';

const API_TIMEOUT_MS = 5_000;
const NANOS_A_MS = 1_000_000;
const STREAM_NOT_FOUND = 10059;
const MESSAGE_NOT_FOUND = 10037;

/** The streams of the transaction log over one connection. */
export class LogStreams implements LogStreamPort {
  readonly #connection: Connection;
  readonly #requester: Requester;
  readonly #publisher: LogPublisher;

  constructor(
    connection: Connection,
    inbox: ReplyInbox,
    requester: Requester,
    limits: Partial<LogPublisherLimits> = {},
  ) {
    this.#connection = connection;
    this.#requester = requester;
    this.#publisher = new LogPublisher(connection, inbox, { ...DEFAULT_LOG_PUBLISHER_LIMITS, ...limits });
  }

  publish(message: LogPublication): Promise<Stored> {
    return this.#publisher.publish(message);
  }

  // Never a direct get: any replica answers that, and one that lags does not know the newest.
  last(stream: string, subject: string): Promise<LogMessage | null> {
    return this.#get(stream, { last_by_subj: subject });
  }

  message(stream: string, sequence: number): Promise<LogMessage | null> {
    return this.#get(stream, { seq: sequence });
  }

  async readWindow(window: ReadLogWindow): Promise<LogWindow> {
    const create = `$JS.API.CONSUMER.CREATE.${window.stream}`;
    const { name, num_pending } = await this.#call<ConsumerCreated>(create, LogWindowRead.consumerOf(window));
    try {
      return await new LogWindowRead(this.#connection, window, name, num_pending).read();
    } finally {
      // The server forgets it by itself soon: nobody waits for the answer.
      if (this.#connection.connected())
        this.#connection.nc.publish(`$JS.API.CONSUMER.DELETE.${window.stream}.${name}`);
    }
  }

  async purge(stream: string, subject: string, before: number): Promise<number> {
    // The server takes 1, below which there is nothing, for no bound at all, and removes the whole subject.
    if (before <= 1) return 0;
    const query = { filter: subject, seq: before };
    return (await this.#call<{ purged: number }>(`$JS.API.STREAM.PURGE.${stream}`, query)).purged;
  }

  async facts(stream: string, subject?: string): Promise<StreamFacts> {
    const query = subject === undefined ? {} : { subjects_filter: subject };
    const { config, state, created } = await this.#call<StreamInfo>(`$JS.API.STREAM.INFO.${stream}`, query);
    return {
      stream,
      replicas: config.num_replicas,
      bytes: state.bytes,
      maxBytes: config.max_bytes,
      messages: state.messages,
      firstSequence: state.first_seq,
      lastSequence: state.last_seq,
      maxMessageBytes: config.max_msg_size,
      discard: config.discard === 'new' ? 'new' : 'old',
      duplicateWindowMs: Math.round(config.duplicate_window / NANOS_A_MS),
      createdAt: created,
      subjectMessages: (subject === undefined ? undefined : state.subjects?.[subject]) ?? 0,
    };
  }

  async subjects(stream: string, filter: string = '>'): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    // The server tells so many at a time as it likes.
    for (let total = 1, offset = 0; offset < total; ) {
      const query = { subjects_filter: filter, offset };
      const info = await this.#call<StreamInfo>(`$JS.API.STREAM.INFO.${stream}`, query);
      const page = Object.entries(info.state.subjects ?? {});
      for (const [subject, messages] of page) found.set(subject, messages);
      if (page.length === 0) break;
      offset += page.length;
      total = info.total ?? 0;
    }
    return found;
  }

  close(): void {
    this.#publisher.close();
  }

  async #get(stream: string, query: object): Promise<LogMessage | null> {
    try {
      const { message } = await this.#call<StoredAnswer>(`$JS.API.STREAM.MSG.GET.${stream}`, query);
      return { sequence: message.seq, data: Buffer.from(message.data ?? '', 'base64') };
    } catch (error) {
      if (error instanceof ApiError && error.errCode === MESSAGE_NOT_FOUND) return null;
      throw error;
    }
  }

  async #call<T extends object>(subject: string, query: object): Promise<T> {
    const reply = await this.#ask(subject, query);
    let answer: T & { error?: Refusal };
    try {
      answer = JSON.parse(reply.string()) as T & { error?: Refusal };
    } catch (error) {
      throw new ApiError(`${subject}: the answer is no JSON: ${messageOf(error)}`, {});
    }
    const { error } = answer;
    if (error === undefined) return answer;
    throw new ApiError(`${subject}: the nats server answered ${error.description ?? 'an error'}`, error);
  }

  async #ask(subject: string, query: object): Promise<Msg> {
    try {
      return await this.#requester.request({
        subject,
        data: JSON.stringify(query),
        timeoutMs: API_TIMEOUT_MS,
      });
    } catch (error) {
      // JetStream itself does not answer where the server has none, or it is just starting.
      if (error instanceof SalvorError && error.code === 'no-responders')
        throw new BusError('no-stream', `${subject}: JetStream does not answer`, { cause: error });
      throw error;
    }
  }
}

interface Refusal {
  code?: number;
  err_code?: number;
  description?: string;
}

interface ConsumerCreated {
  name: string;
  num_pending: number;
}

interface StoredAnswer {
  message: { seq: number; data?: string };
}

interface StreamInfo {
  /** Of the subjects that were asked for; absent in an answer that holds them all. */
  total?: number;
  created: string;
  config: {
    num_replicas: number;
    max_bytes: number;
    max_msg_size: number;
    discard: string;
    duplicate_window: number;
  };
  state: {
    bytes: number;
    messages: number;
    first_seq: number;
    last_seq: number;
    subjects?: Record<string, number>;
  };
}

class ApiError extends BusError {
  readonly errCode: number;

  constructor(message: string, { code, err_code: errCode = 0 }: Refusal) {
    super(
      errCode === STREAM_NOT_FOUND || code === 503 ? 'no-stream' : 'log-refused',
      `${message} (err_code ${errCode})`,
    );
    this.errCode = errCode;
  }
}

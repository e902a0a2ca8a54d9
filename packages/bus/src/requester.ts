import { messageOf } from '@salvor/service-kit';
import { ErrorCode, type Msg, type MsgHdrs, NatsError } from 'nats';
import { BusError } from './bus-error.ts';
import type { Connection } from './connection.ts';
import { statusCode } from './message-headers.ts';
import type { Expectation, ReplyInbox } from './reply-inbox.ts';

export interface RawRequest {
  subject: string;
  data: Uint8Array | string;
  headers?: MsgHdrs;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/**
 * Request and reply. A request sent before or during an outage is sent again after it, until its deadline: so only
 * requests that may be repeated belong here (commands carry an operation id, the server API calls used only read).
 */
export class Requester {
  readonly #connection: Connection;
  readonly #inbox: ReplyInbox;

  constructor(connection: Connection, inbox: ReplyInbox) {
    this.#connection = connection;
    this.#inbox = inbox;
  }

  /** @throws BusError `no-responders`, `request-timeout`, `not-permitted`, `payload-too-large`, `bus-closed` */
  request(request: RawRequest): Promise<Msg> {
    const { subject, timeoutMs } = request;
    const connection = this.#connection;
    return new Promise((resolve, reject) => {
      let expected: Expectation | undefined;
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(deadline);
        offStatus();
        request.signal?.removeEventListener('abort', abort);
        expected?.forget();
        act();
      };
      const fail = (error: BusError) => settle(() => reject(error));
      const send = () => {
        expected?.forget();
        expected = this.#inbox.expect({
          onReply: (reply) => {
            if (reply.data.length === 0 && statusCode(reply).code === 503) fail(noResponders(subject));
            else settle(() => resolve(reply));
          },
          onRefused: fail,
        });
        try {
          const { headers } = request;
          connection.nc.publish(subject, request.data, {
            reply: expected.subject,
            ...(headers ? { headers } : {}),
          });
        } catch (error) {
          fail(sendFailure(subject, error));
        }
      };
      const offStatus = connection.onStatus((status) => {
        if (status.state === 'connected') send();
        else if (status.state === 'closed')
          fail(new BusError('bus-closed', `the connection was closed before ${subject} answered`));
        else if (
          status.state === 'not-permitted' &&
          status.operation === 'publish' &&
          status.subject === subject
        ) {
          fail(new BusError('not-permitted', `the nats server does not let this user publish on ${subject}`));
        }
      });
      const abort = () =>
        fail(new BusError('request-aborted', `the request ${subject} was ended by its caller`));
      request.signal?.addEventListener('abort', abort);
      const deadline = setTimeout(() => {
        const why = connection.connected() ? 'no answer' : 'nats is not connected';
        fail(
          new BusError(
            'request-timeout',
            `${subject}: ${why} within ${timeoutMs} ms; it may or may not have been carried out`,
          ),
        );
      }, timeoutMs);
      if (connection.nc.isClosed())
        fail(new BusError('bus-closed', `${subject} was not sent: the bus is closed`));
      else if (request.signal?.aborted) abort();
      else if (connection.connected()) send();
    });
  }
}

function noResponders(subject: string): BusError {
  return new BusError('no-responders', `nobody answers on ${subject}: is the service running?`);
}

function sendFailure(subject: string, cause: unknown): BusError {
  return cause instanceof NatsError && cause.code === ErrorCode.MaxPayloadExceeded
    ? new BusError(
        'payload-too-large',
        `${subject} was not sent: the request is larger than the server's max_payload`,
        { cause },
      )
    : new BusError('bus-closed', `${subject} was not sent: ${messageOf(cause)}`, { cause });
}

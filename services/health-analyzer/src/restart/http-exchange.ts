import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { messageOf } from '@salvor/service-kit';
import { RestartError } from './restart-driver.ts';

/** Where an HTTP API listens: a unix socket, or the base of its URLs. */
export type HttpPlace = { readonly socketPath: string } | { readonly baseUrl: string };

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** From the first slash on, query included. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** An answer that is larger is no answer to what is asked here. */
const ANSWER_BYTES_MAX = 4 << 20;

/**
 * One request and its answer, whatever its status.
 *
 * @throws RestartError when there is none, or the signal aborts
 */
export function httpExchange(
  place: HttpPlace,
  { method, path, headers, body }: HttpRequest,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const where = 'socketPath' in place ? place.socketPath : place.baseUrl;
  const failed = (error: unknown): RestartError =>
    signal.aborted
      ? new RestartError('restart-timeout', `${where} did not answer ${method} ${path} in time`)
      : new RestartError('restart-failed', `${where} did not answer ${method} ${path}: ${messageOf(error)}`);
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const options = {
    method,
    signal,
    // A kept connection may have been closed by a server that was restarted: no order is given on one.
    agent: false,
    headers: { host: 'localhost', ...headers, ...(payload === undefined ? {} : jsonHeaders(payload)) },
  };
  return new Promise((resolve, reject) => {
    const request =
      'socketPath' in place
        ? httpRequest({ ...options, socketPath: place.socketPath, path })
        : requestTo(new URL(path, place.baseUrl), options);
    request.once('error', (error) => reject(failed(error)));
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > ANSWER_BYTES_MAX)
          response.destroy(new Error(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`));
      });
      response.once('error', (error) => reject(failed(error)));
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    request.end(payload);
  });
}

function requestTo(url: URL, options: object): ReturnType<typeof httpRequest> {
  const headers = { ...('headers' in options ? (options.headers as object) : {}), host: url.host };
  const make = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return make(url, { ...options, headers });
}

function jsonHeaders(payload: string): Record<string, string> {
  return { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) };
}

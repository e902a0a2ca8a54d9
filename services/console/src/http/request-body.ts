import type { IncomingMessage } from 'node:http';

/** What a request is answered with, as JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A recovery plan may come with it. */
const BODY_MAX_BYTES = 256 * 1024;

/** Reads JSON, bounded, and answers what `use` makes of it. What is too long is not read to its end. */
export async function readBody(
  request: IncomingMessage,
  use: (body: unknown) => Promise<Answer>,
): Promise<Answer> {
  if (request.headers['content-type']?.split(';')[0]?.trim() !== 'application/json')
    return malformed(415, 'expected content-type application/json');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > BODY_MAX_BYTES) return malformed(413, `expected at most ${BODY_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return malformed(400, 'expected JSON');
  }
  return use(body);
}

function malformed(status: number, message: string): Answer {
  return { status, body: { code: 'malformed-request', message } };
}

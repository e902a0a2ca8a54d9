import type { Msg } from 'nats';
import { BusError } from './bus-error.ts';

/** The stream has it. */
export interface Stored {
  stream: string;
  seq: number;
  /** The stream held this id already: an earlier send had arrived, or the caller repeated itself. */
  duplicate: boolean;
}

/** The stream said no. */
export interface AckRefusal {
  code: number;
  errCode: number;
  description: string;
}

/** @returns a sentence when the answer is no publish acknowledgement at all */
export function parseAck(reply: Msg): Stored | AckRefusal | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(reply.string());
  } catch {
    return 'the acknowledgement is no JSON';
  }
  if (typeof parsed !== 'object' || parsed === null) return 'the acknowledgement is no JSON object';
  const ack = parsed as {
    stream?: unknown;
    seq?: unknown;
    duplicate?: unknown;
    error?: { code?: unknown; err_code?: unknown; description?: unknown };
  };
  if (ack.error) {
    return {
      code: Number(ack.error.code ?? 500),
      errCode: Number(ack.error.err_code ?? 0),
      description: String(ack.error.description ?? 'refused without a reason'),
    };
  }
  if (typeof ack.stream !== 'string' || typeof ack.seq !== 'number')
    return 'the acknowledgement names no stream';
  return { stream: ack.stream, seq: ack.seq, duplicate: ack.duplicate === true };
}

export function refusedError(subject: string, refusal: AckRefusal): BusError {
  return new BusError(
    'publish-refused',
    `the stream refused ${subject}: ${refusal.description} (code ${refusal.code}, err_code ${refusal.errCode})`,
  );
}

import { SalvorError } from '@salvor/service-kit';
import type { WriterStreams } from '../src/index.ts';

/** What a Tier-1 may do to one publish. */
export type Fault =
  | 'none'
  /** Stored, and the acknowledgement is lost. */
  | 'lost-ack'
  /** Stored, the acknowledgement is lost, and by the next publish the ids are forgotten. */
  | 'lost-ack-and-ids'
  | 'not-sent'
  | 'full'
  | 'no-stream'
  /** Another vdisk writes in between. */
  | 'neighbour';

/** Tier-1 in memory, with the checks that nats-server makes, in its order: id, then expected sequence, then room. */
export class FaultyStreams implements WriterStreams {
  readonly messages: { sequence: number; data: Buffer }[] = [];
  /** Faults of the next publishes, and of the next looks; none when there are no more. */
  readonly faults: Fault[] = [];
  readonly lookFaults: boolean[] = [];
  #sequence = 0;
  readonly #ids = new Map<string, number>();

  async publish(message: {
    data: Uint8Array;
    id: string;
    expectedLastSequence: number;
  }): Promise<{ seq: number }> {
    await turn();
    const fault = this.faults.shift() ?? 'none';
    if (fault === 'not-sent') throw new SalvorError('disconnected', 'no server');
    if (fault === 'no-stream') throw new SalvorError('no-stream', 'no stream');
    if (fault === 'neighbour') this.#sequence++;
    const known = this.#ids.get(message.id);
    if (known !== undefined) return { seq: known };
    if ((this.messages.at(-1)?.sequence ?? 0) !== message.expectedLastSequence)
      throw new SalvorError('wrong-last-sequence', 'wrong last sequence');
    if (fault === 'full') throw new SalvorError('stream-full', 'maximum bytes exceeded');
    const sequence = ++this.#sequence;
    this.messages.push({ sequence, data: Buffer.from(message.data) });
    this.#ids.set(message.id, sequence);
    if (fault === 'lost-ack-and-ids') this.#ids.clear();
    if (fault === 'lost-ack' || fault === 'lost-ack-and-ids')
      throw new SalvorError('publish-deadline', 'not acknowledged');
    await turn();
    return { seq: sequence };
  }

  async last(): Promise<{ sequence: number; data: Buffer } | null> {
    await turn();
    if (this.lookFaults.shift() === true) throw new SalvorError('request-timeout', 'no answer');
    return this.messages.at(-1) ?? null;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

import type { LogStreamPort } from '@salvor/bus';
import { type Generation, type PeerTold, sameGeneration, type VolumeRecord } from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { decodeSegment, lastSequence, logStream, logSubject } from '@salvor/tlog';
import { decideSpent, generationToken } from './decide-spent.ts';

const LOOK_EVERY_MS = 10_000;

export interface EndedGenerationsOptions {
  readonly streams: Pick<LogStreamPort, 'last' | 'purge' | 'subjects'>;
  readonly log: Logger;
}

/** Lets go of what arrived of a volume under generations that are over, once nothing needs it. */
export class EndedGenerations {
  readonly #options: EndedGenerationsOptions;
  /** Under this one nothing is left. */
  #done: Generation | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: EndedGenerationsOptions) {
    this.#options = options;
  }

  /** Whether something may be left, and was not looked for just now. */
  isDue({ generation }: Pick<VolumeRecord, 'generation'>): boolean {
    const isDone = this.#done !== null && sameGeneration(this.#done, generation);
    return !isDone && performance.now() - this.#lookedAt >= LOOK_EVERY_MS;
  }

  /** What cannot be let go of now is looked at again. */
  async letGo(record: VolumeRecord, container: number, told: PeerTold | null): Promise<void> {
    this.#lookedAt = performance.now();
    const { log } = this.#options;
    await this.#look(record, container, told).catch((error: unknown) =>
      log.warn(
        { volume: record.volume, error: messageOf(error) },
        'what arrived under generations that are over is not let go of, trying again',
      ),
    );
  }

  async #look(record: VolumeRecord, container: number, told: PeerTold | null): Promise<void> {
    const { generation, volume, vdisk } = record;
    const { streams, log } = this.#options;
    const stream = logStream(container);
    const prefix = `${logSubject(container, vdisk)}.received.`;
    const parts: { token: string; last: number; place: number }[] = [];
    for (const subject of (await streams.subjects(stream, `${prefix}>`)).keys()) {
      const newest = await streams.last(stream, subject);
      if (newest !== null)
        parts.push({
          ...{ token: subject.slice(prefix.length), place: newest.sequence },
          last: lastSequence(decodeSegment(newest.data)),
        });
    }
    const spent = new Set(decideSpent(record, parts, told));
    for (const { token, place } of parts.filter((part) => spent.has(part))) {
      await streams.purge(stream, `${prefix}${token}`, place + 1);
      log.info({ volume, token }, 'what arrived under a generation that is over was let go of');
    }
    const left = parts.filter((part) => !spent.has(part) && part.token !== generationToken(generation));
    if (left.length === 0) this.#done = generation;
  }
}

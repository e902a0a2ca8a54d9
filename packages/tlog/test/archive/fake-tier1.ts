import type { TlogSegment } from '@salvor/contracts';
import type { ArchiveStreams } from '../../src/archive/vdisk-archiver.ts';
import { encodeSegment } from '../../src/index.ts';

/** The stream of a container with the log of one vdisk, in memory: as much of it as an archiver sees. */
export class FakeTier1 implements ArchiveStreams {
  readonly #messages: { sequence: number; data: Buffer; number: number }[] = [];
  #sequence = 0;

  publish(...segments: readonly TlogSegment[]): void {
    for (const segment of segments) {
      // Others write to the stream as well.
      this.#sequence += 1 + (segment.number % 3);
      this.#messages.push({ sequence: this.#sequence, data: encodeSegment(segment), number: segment.number });
    }
  }

  /** Numbers of the segments that it holds. */
  get numbers(): number[] {
    return this.#messages.map(({ number }) => number);
  }

  /** Loses segments, as an unclean power loss does. */
  lose(from: number, to: number): void {
    const left = this.#messages.filter(({ number }) => number < from || number > to);
    this.#messages.splice(0, this.#messages.length, ...left);
  }

  async readWindow({
    from,
    maxBytes,
  }: {
    from: number;
    maxBytes: number;
  }): ReturnType<ArchiveStreams['readWindow']> {
    const rest = this.#messages.filter(({ sequence }) => sequence >= from);
    let bytes = 0;
    const fits = rest.filter(({ data }) => {
      bytes += data.length;
      return bytes <= maxBytes;
    });
    const messages = rest.slice(0, Math.max(1, fits.length));
    const last = messages.at(-1)?.sequence;
    return { messages, next: last === undefined ? from : last + 1, end: messages.length === rest.length };
  }

  async purge(_stream: string, _subject: string, before: number): Promise<number> {
    const left = this.#messages.filter(({ sequence }) => sequence >= before);
    const purged = this.#messages.length - left.length;
    this.#messages.splice(0, this.#messages.length, ...left);
    return purged;
  }
}

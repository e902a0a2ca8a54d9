/** Where the log of a segment is in JetStream. */
import { createHash } from 'node:crypto';

const SUBJECT_PREFIX = 'salvor.segment.v1';
/** What may be in a token of a subject as it is, and stays readable. */
const PLAIN = /[^A-Za-z0-9_/#$=:,@+-]+/gu;
/** A line of the NATS protocol holds 4 KiB; longer tokens are told by a digest of the name. */
const MAX_TOKEN_LENGTH = 1_024;
const KEPT_OF_LONG = 200;

/** Content: bytes and holes, then the end. The end is written last of all parts. */
export type SegmentPart = 'content' | 'attributes' | 'entries';

export function segmentStream(container: number): string {
  return `SEGMENTS_${container}`;
}

/** `salvor.segment.v1.<container>.<name>`, with the name percent-encoded where a token cannot hold it. */
export function segmentSubject(container: number, name: string): string {
  const token = name.replace(PLAIN, (other) =>
    [...Buffer.from(other)].map((byte) => `%${byte.toString(16).padStart(2, '0').toUpperCase()}`).join(''),
  );
  const bounded =
    token.length <= MAX_TOKEN_LENGTH
      ? token
      : `${token.slice(0, KEPT_OF_LONG)}~${createHash('sha256').update(name).digest('hex')}`;
  return `${SUBJECT_PREFIX}.${container}.${bounded}`;
}

export function segmentPartSubject(subject: string, part: SegmentPart): string {
  return `${subject}.${part}`;
}

/** What a recovery found and did, as it is told while it goes on and at its end. */
import type { SegmentRecovery } from '@salvor/contracts';
import type { Finding, TreeOutline } from '@salvor/pravega';
import type { DescribedSegment } from './segment-description.ts';

/** Sentences about what is wrong that are told with the sums; the report has all. */
const MAX_TROUBLE = 100;

export type SegmentOutcome = 'already' | 'written' | 'left' | 'failed';

export class RecoverySums {
  readonly #operation: string;
  readonly #root: string;
  readonly #dryRun: boolean;
  readonly #outline: TreeOutline;
  readonly #trouble: string[] = [];
  #more = 0;
  #counts = { looked: 0, written: 0, already: 0, left: 0, failed: 0, events: 0, entries: 0, uncertain: 0 };
  #damage = 0;
  #notes = 0;
  backup: string | undefined;
  report: string | undefined;

  constructor(operation: string, root: string, dryRun: boolean, outline: TreeOutline) {
    this.#operation = operation;
    this.#root = root;
    this.#dryRun = dryRun;
    this.#outline = outline;
  }

  get looked(): number {
    return this.#counts.looked;
  }

  get failed(): number {
    return this.#counts.failed;
  }

  add(described: DescribedSegment, outcome: SegmentOutcome, entries: number, why?: string): void {
    const { segment, uncertain, events = 0, appendAt, length } = described;
    const counts = this.#counts;
    counts.looked += 1;
    counts[outcome] += 1;
    counts.events += events;
    counts.entries += entries;
    if (uncertain.length > 0) counts.uncertain += 1;
    if (outcome === 'left')
      this.tell(`segment ${segment} is left as Tier-1 has it: ${why ?? 'it is otherwise there'}`);
    if (outcome === 'failed') this.tell(`segment ${segment} could not be written: ${why ?? ''}`);
    for (const { fact, why: doubt } of uncertain)
      this.tell(`segment ${segment}: ${fact} is uncertain: ${doubt}`);
    if (appendAt < length)
      this.tell(
        `segment ${segment}: its last event is cut off: bytes ${appendAt} to ${length} are no whole event`,
      );
  }

  findings(findings: readonly Finding[]): void {
    for (const { severity, code, message, segment, path, from, to } of findings) {
      if (severity === 'note') this.#notes += 1;
      else {
        this.#damage += 1;
        const bytes = from === undefined ? undefined : `bytes ${from} to ${to ?? 'the end'}`;
        const place = [segment, path, bytes].filter((part) => part !== undefined).join(', ');
        this.tell(`${code}: ${message}${place === '' ? '' : ` (${place})`}`);
      }
    }
  }

  tell(sentence: string): void {
    if (this.#trouble.length < MAX_TROUBLE) this.#trouble.push(sentence);
    else this.#more += 1;
  }

  get sums(): SegmentRecovery {
    const { layout, containerCount, containers, segments } = this.#outline;
    const { looked, written, already, left, failed, events, entries, uncertain } = this.#counts;
    return {
      ...{ operation: this.#operation, root: this.#root, dryRun: this.#dryRun, layout, containerCount },
      containers: [...containers],
      ...{ segments, bytes: containers.reduce((sum, { bytes }) => sum + bytes, 0) },
      ...{ looked, written, already, differing: left, failed, events, entries, uncertain },
      ...{ damage: this.#damage, notes: this.#notes, trouble: [...this.#trouble], moreTrouble: this.#more },
      ...(this.backup === undefined ? {} : { backup: this.backup }),
      ...(this.report === undefined ? {} : { report: this.report }),
      at: Date.now(),
    };
  }

  /** As a sentence, for the end of the operation. */
  get sentence(): string {
    const { segments, written, already, differing, failed, damage, uncertain, dryRun } = this.sums;
    const parts = [
      `${segments} segments in ${this.#outline.containers.length} containers`,
      `${written} ${dryRun ? 'would be written' : 'written'}`,
      `${already} already there`,
      ...(differing > 0 ? [`${differing} left as Tier-1 has them`] : []),
      ...(failed > 0 ? [`${failed} could not be written`] : []),
      `${uncertain} with a fact that is uncertain`,
      `${damage} findings of damage`,
    ];
    return parts.join(', ');
  }
}

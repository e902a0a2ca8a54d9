/** A whole Tier-2 tree: which segments it has, and what is true of them. */
import { isTableSegment, readAttributes } from './attributes/segment-attributes.ts';
import { readChunkedLayout } from './chunked/chunked-layout.ts';
import { detectLayout } from './detect-layout.ts';
import { appendableAt, type EventFraming, readEventFraming } from './events/event-framing.ts';
import { boundariesIn } from './events/event-index-search.ts';
import type { Layout, LayoutName } from './layout.ts';
import { readLegacyLayout } from './legacy/legacy-layout.ts';
import { decideSegment, type SegmentDecision } from './merge/decide-segment.ts';
import { type FactOrigin, originsOf } from './merge/provenance.ts';
import { highestEpoch } from './naming/container-epochs.ts';
import { containerOfSegment } from './naming/container-mapping.ts';
import { decideContainerCount } from './naming/decide-container-count.ts';
import {
  ATTRIBUTE_SUFFIX,
  CONTAINER_FOLDER,
  compareNames,
  INDEX_SUFFIX,
  isInternal,
  isResumeState,
} from './naming/segment-name.ts';
import { coreAttribute, coreAttributeId } from './records/core-attributes.ts';
import type { SegmentInfo } from './records/segment-info.ts';
import { readTableEntries, type TableContent } from './table/table-entries.ts';
import type { Finding } from './tree/finding.ts';
import { SegmentBytes } from './tree/segment-bytes.ts';
import { TreeFiles } from './tree/tree-files.ts';
import type { TreeFile } from './tree/tree-walk.ts';
import { walkEventIndex } from './verify/event-index-walk.ts';

export interface OpenTreeOptions {
  /** Where a root has files of both. */
  readonly layout?: LayoutName;
  /** How many containers the cluster had; else it is deduced from the rows. */
  readonly containerCount?: number;
}

export interface ListedSegment {
  readonly name: string;
  readonly container: number;
  readonly length: number;
  readonly startOffset: number;
  readonly sealed: boolean;
  /** Facts that may be otherwise, and why. A fact that is not here was told by an undamaged source. */
  readonly uncertain: SegmentDecision['uncertain'];
}

export interface SegmentFacts extends ListedSegment {
  /** Id -> value. Signed 64-bit numbers in decimal. */
  readonly coreAttributes: Readonly<Record<string, string>>;
  readonly extendedAttributes: Readonly<Record<string, string>>;
  /** Of the bytes `[startOffset, length)`; null where not all of them can be read. */
  readonly sha256: string | null;
}

/** What the bytes of a segment are. */
export interface SegmentFraming {
  readonly kind: 'events' | 'bytes' | 'entries' | 'index-records';
  readonly runs: EventFraming['runs'];
  readonly skipped: EventFraming['skipped'];
  /** Where it can be appended to: before an event that is cut off. */
  readonly appendAt: number;
}

/** Of the files that are read one after the other. */
export interface FilesRead {
  readonly files: number;
  readonly bytes: number;
  readonly done: boolean;
}

/** Opens a tree read-only. Throws `no-tree`, `unknown-layout` or `both-layouts`; what is damaged is a finding. */
export async function openTree(root: string, options: OpenTreeOptions = {}): Promise<PravegaTree> {
  const files = await TreeFiles.open(root);
  const name = options.layout ?? detectLayout(files);
  const layout = name === 'chunked' ? await readChunkedLayout(files) : await readLegacyLayout(files);
  return new PravegaTree(files, layout, options.containerCount);
}

/** One for all segments about which everything is certain. */
const NONE: ListedSegment['uncertain'] = {};

export class PravegaTree {
  readonly layout: LayoutName;
  readonly containerCount: number;
  /** Without the containers' own segments and attribute indexes, by container and name. */
  readonly segments: readonly ListedSegment[];
  readonly #files: TreeFiles;
  readonly #layout: Layout;
  readonly #isCountGiven: boolean;
  #isCountGuessed = false;
  #unread: Iterator<string> | undefined;
  #lengthOf: ReadonlyMap<string, number> | undefined;

  constructor(files: TreeFiles, layout: Layout, containerCount: number | undefined) {
    this.#files = files;
    this.#layout = layout;
    this.layout = layout.name;
    this.#isCountGiven = containerCount !== undefined;
    this.containerCount = containerCount ?? this.#deduceCount();
    this.segments = this.#decideSegments();
  }

  get root(): string {
    return this.#files.root;
  }

  /** Those of which there is metadata, ascending. */
  get containers(): readonly number[] {
    return [...this.#layout.containers.keys()].sort((a, b) => a - b);
  }

  /** What is damaged, missing or uncertain. Reading facts may add to it. */
  get findings(): readonly Finding[] {
    return this.#files.findings.list();
  }

  /** The bytes of a segment, where the storage has any. */
  content(name: string): SegmentBytes {
    return new SegmentBytes(this.#files, this.#layout.segments.get(name)?.extents ?? []);
  }

  /** Everything that can be told of a listed segment. Reads its bytes once; they are not kept. */
  async facts(segment: ListedSegment): Promise<SegmentFacts> {
    const { name, startOffset, length } = segment;
    const bytes = this.content(name);
    const { core, extended, coreDoubt, extendedDoubt } = await readAttributes({
      name,
      bytes,
      index: this.#index(name),
      eventIndex: this.#eventIndex(name),
      indexRecordedLength: this.#layout.segments.get(name + ATTRIBUTE_SUFFIX)?.recordedLength ?? null,
      row: this.#row(name, segment.container),
      startOffset,
      length,
      merged: this.#layout.segments.get(name)?.merged ?? [],
      findings: this.#files.findings,
    });
    const uncertain = { ...segment.uncertain };
    const coreDoubts = [
      segment.uncertain.coreAttributes,
      coreDoubt,
      segment.uncertain.length === undefined
        ? undefined
        : 'its length, which they were counted by, is uncertain',
    ].filter((doubt) => doubt !== undefined);
    if (coreDoubts.length > 0) uncertain.coreAttributes = coreDoubts.join('; ');
    // The row tells of what length the ids are, and whether there are any.
    const extendedDoubts = segment.uncertain.coreAttributes ?? extendedDoubt;
    if (extendedDoubts !== undefined) uncertain.extendedAttributes = extendedDoubts;
    return {
      ...segment,
      coreAttributes: Object.fromEntries(
        [...core].map(([id, value]) => [coreAttributeId(id), String(value)]),
      ),
      extendedAttributes: Object.fromEntries([...extended].map(([id, value]) => [id, String(value)])),
      sha256: await bytes.sha256(startOffset, length),
      uncertain,
    };
  }

  /** Where whole events are in a segment. Reads its bytes once. */
  async framing(segment: ListedSegment): Promise<SegmentFraming> {
    const { name, container, startOffset, length } = segment;
    const plain = { runs: [], skipped: [], appendAt: length };
    if (isTableSegment(name, this.#row(name, container))) return { kind: 'entries', ...plain };
    if (name.endsWith(INDEX_SUFFIX)) return { kind: 'index-records', ...plain };
    const framing = await readEventFraming({
      bytes: this.content(name),
      from: startOffset,
      to: length,
      boundary: boundariesIn(this.#eventIndex(name)),
    });
    return { ...framing, appendAt: appendableAt(framing, length) };
  }

  /** Where each fact is from. `uncertain`: of the facts of the segment. */
  origins({ name, container, uncertain }: ListedSegment): FactOrigin[] {
    return originsOf({
      ...{ layout: this.layout, container, uncertain },
      stored: this.#layout.segments.get(name),
      row: this.#row(name, container),
      hasIndex: this.#layout.segments.has(name + ATTRIBUTE_SUFFIX),
    });
  }

  /** Of all containers, in the names and records that are left; see `highestEpoch`. */
  highestEpoch(): Promise<number> {
    return highestEpoch(this.#files);
  }

  /** The files in which containers keep what is their own, with their sizes in bytes and whether their owner may write them. */
  containerFiles(): readonly TreeFile[] {
    return [...this.#files.paths()]
      .filter((path) => path.startsWith(CONTAINER_FOLDER))
      .flatMap((path) => this.#files.file(path) ?? []);
  }

  /** Files of all kinds, those of no segment included. */
  get fileCount(): number {
    return this.#files.count;
  }

  /** Reads the next files from their first to their last byte; what cannot be read is a finding. */
  async readFiles(count: number): Promise<FilesRead> {
    this.#unread ??= this.#files.paths();
    const read = { files: 0, bytes: 0 };
    while (read.files < count) {
      const { value: path, done } = this.#unread.next();
      if (done === true) return { ...read, done: true };
      read.bytes += await this.#files.readThrough(path);
      read.files += 1;
    }
    return { ...read, done: false };
  }

  /** Walks what `facts` and `framing` do not: live entries, one by one, and records of event indexes. What is wrong is a finding. */
  async walk(segment: ListedSegment): Promise<{ readonly entries: number; readonly indexRecords: number }> {
    const walked = { entries: 0, indexRecords: 0 };
    for await (const _ of this.entries(segment) ?? []) walked.entries += 1;
    const { name } = segment;
    if (!name.endsWith(INDEX_SUFFIX)) return walked;
    const main = this.#lengths().get(name.slice(0, -INDEX_SUFFIX.length));
    const { records, problem } = await walkEventIndex(this.content(name), main ?? Number.MAX_SAFE_INTEGER);
    if (problem !== undefined)
      this.#files.findings.damage('bad-index', `the event index is damaged: ${problem.what}`, {
        segment: name,
        from: problem.at,
      });
    return { ...walked, indexRecords: records };
  }

  /** What a table holds. Null for a segment that is no table. */
  entries({ name, container, startOffset }: ListedSegment): AsyncGenerator<TableContent> | null {
    const row = this.#row(name, container);
    if (!isTableSegment(name, row)) return null;
    return readTableEntries({
      name,
      bytes: this.content(name),
      index: this.#index(name),
      startOffset,
      keyLength: row && Number(row.attributes.get(coreAttribute.idLength) ?? 0n),
      findings: this.#files.findings,
    });
  }

  close(): void {
    this.#files.close();
  }

  #lengths(): ReadonlyMap<string, number> {
    this.#lengthOf ??= new Map(this.segments.map(({ name, length }) => [name, length]));
    return this.#lengthOf;
  }

  #deduceCount(): number {
    const rows = new Map(
      [...this.#layout.containers].map(([container, { metadata }]) => [container, metadata.rows.keys()]),
    );
    const { count, doubt, remark, isGuess = false } = decideContainerCount(rows);
    this.#isCountGuessed = isGuess;
    if (remark !== null) this.#files.findings.note('container-count', remark);
    if (doubt !== null)
      this.#files.findings.damage(
        'container-count',
        `the number of containers is taken to be ${count}: ${doubt}`,
      );
    return count;
  }

  #decideSegments(): ListedSegment[] {
    const names = new Set(this.#layout.segments.keys());
    for (const { metadata } of this.#layout.containers.values())
      for (const name of metadata.rows.keys()) names.add(name);
    const listed: ListedSegment[] = [];
    for (const name of names) {
      if (isInternal(name)) continue;
      const segment = this.#decide(name);
      if (segment !== undefined) listed.push(segment);
    }
    return listed.sort((a, b) => a.container - b.container || compareNames(a.name, b.name));
  }

  #decide(name: string): ListedSegment | undefined {
    const { findings } = this.#files;
    const hashed = containerOfSegment(name, this.containerCount);
    const container = this.#containerOf(name, hashed);
    const metadata = this.#layout.containers.get(container)?.metadata;
    const verdict = decideSegment({
      stored: this.#layout.segments.get(name),
      row: metadata?.rows.get(name),
      isRowRemoved: metadata?.removed.has(name) ?? false,
      isRowRecreated: metadata?.recreated.has(name) ?? false,
      isMetadataWhole: metadata?.isWhole ?? false,
      gone: this.#layout.gone.get(name),
    });
    if (!verdict.exists) {
      findings.note('deleted-segment', `the segment is left out: ${verdict.reason}`, { segment: name });
      return undefined;
    }
    if (isResumeState(name))
      findings.note(
        'resume-state',
        'positions of readers or of commits: data like any other, and wrong to resume from',
        {
          segment: name,
        },
      );
    const { lost, ...facts } = verdict.segment;
    for (const range of lost)
      findings.damage('lost-range', 'bytes that metadata tells of are in no file', {
        segment: name,
        ...range,
      });
    const uncertain = { ...facts.uncertain };
    if (hashed !== container)
      uncertain.container = `its row is in container ${container}, its name belongs to container ${hashed} of ${this.containerCount}`;
    else if (metadata?.rows.has(name) !== true && !this.#isCountGiven)
      uncertain.container = 'deduced from the name, and from the number of containers, which is deduced too';
    else if (this.#isCountGuessed) uncertain.container = 'the number of containers is a guess';
    return { name, container, ...facts, uncertain: Object.keys(uncertain).length === 0 ? NONE : uncertain };
  }

  /** The container whose metadata has the row; else, or if several have one, the one that the name gives. */
  #containerOf(name: string, hashed: number): number {
    if (this.#layout.containers.get(hashed)?.metadata.rows.has(name)) return hashed;
    for (const [container, { metadata }] of this.#layout.containers) {
      if (!metadata.rows.has(name)) continue;
      const message = `its row is in container ${container}, its name belongs to container ${hashed} of ${this.containerCount}`;
      this.#files.findings.damage('wrong-container', message, { segment: name, container });
      return container;
    }
    return hashed;
  }

  #row(name: string, container: number): SegmentInfo | undefined {
    return this.#layout.containers.get(container)?.metadata.rows.get(name);
  }

  #index(name: string): SegmentBytes | undefined {
    return this.#bytesOf(name + ATTRIBUTE_SUFFIX);
  }

  #eventIndex(name: string): SegmentBytes | undefined {
    return this.#bytesOf(name + INDEX_SUFFIX);
  }

  #bytesOf(name: string): SegmentBytes | undefined {
    const stored = this.#layout.segments.get(name);
    return stored && new SegmentBytes(this.#files, stored.extents);
  }
}

/** The written report: one JSON object a line, so that no tree is too large for it. */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Finding, type SegmentAccount, unknowable } from '@salvor/pravega';
import type { DescribedSegment } from './segment-description.ts';

const GATHER_BYTES = 256 * 1024;

/** A report appears under its name when it is whole. */
export class ReportFile {
  readonly path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  #waiting: string[] = [];
  #bytes = 0;

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  static async begin(folder: string, operation: string): Promise<ReportFile> {
    const reports = join(folder, 'reports');
    await mkdir(reports, { recursive: true });
    const path = join(reports, `${encodeURIComponent(operation)}.ndjson`);
    const temporary = `${path}.tmp`;
    // Of an earlier process, which did not come to its end.
    await rm(temporary, { force: true });
    return new ReportFile(path, temporary, await open(temporary, 'wx'));
  }

  /** What no source can tell, once; then a line for each segment, finding, and the sums. */
  async head(facts: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#line({ kind: 'recovery', ...facts, unknowable });
  }

  async segment(
    described: DescribedSegment,
    { facts, framing, origins }: SegmentAccount,
    outcome: { readonly action: string; readonly why?: string | undefined },
  ): Promise<void> {
    const { segment, uncertain: _, ...values } = described;
    await this.#line({
      ...{ kind: 'segment', segment, ...outcome, ...values },
      extended: facts.extendedAttributes,
      facts: origins,
      skipped: framing.skipped,
    });
  }

  async finding(finding: Finding): Promise<void> {
    const { severity, code, message, ...where } = finding;
    await this.#line({ kind: 'finding', severity, code, message, ...where });
  }

  async finish(sums: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#line({ kind: 'end', ...sums });
    await this.#send();
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#temporary, this.path);
  }

  async abandon(): Promise<void> {
    await this.#file.close();
    await rm(this.#temporary, { force: true });
  }

  /** Anything that is a line of its own. */
  async line(value: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#line(value);
  }

  async #line(value: unknown): Promise<void> {
    const text = `${JSON.stringify(value)}\n`;
    this.#waiting.push(text);
    this.#bytes += text.length;
    if (this.#bytes >= GATHER_BYTES) await this.#send();
  }

  async #send(): Promise<void> {
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#bytes = 0;
    await this.#file.appendFile(text);
  }
}

/** Writes what a segment holds to a file. */
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { codeOf, SalvorError } from '@salvor/service-kit';
import { avroFileBlock, avroFileHeader, syncMarker } from '@salvor/tlog';
import { itemAsJson, type SegmentItem } from './segment-items.ts';
import type { KnownSegment } from './segment-source.ts';

export type ExportFormat = 'avro' | 'ndjson';

const GATHER_BYTES: number = 1024 * 1024;
const RECORDS = { events: 'ExportedEvent', entries: 'ExportedEntry' } as const;

/** The file appears when it is whole. Returns how many items it has. Throws `file-exists`. */
export async function exportSegment(
  path: string,
  format: ExportFormat,
  segment: KnownSegment,
  items: AsyncIterable<SegmentItem>,
): Promise<number> {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'wx').catch((error: unknown) => {
    throw new SalvorError(
      'cannot-write',
      `${path} cannot be written: expected a folder that is there, and may be written to, found ${codeOf(error)}`,
      [],
      { cause: error },
    );
  });
  try {
    const count = await writeItems(file, format, segment, items);
    await file.sync();
    await file.close();
    await refuseExisting(path);
    await rename(temporary, path);
    return count;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}

export async function refuseExisting(path: string): Promise<void> {
  const present = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (present === null) return;
  throw new SalvorError('file-exists', `${path} is there already, and is not replaced; name another file`);
}

async function writeItems(
  file: FileHandle,
  format: ExportFormat,
  segment: KnownSegment,
  items: AsyncIterable<SegmentItem>,
): Promise<number> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  let count = 0;
  const send = async () => {
    await file.appendFile(Buffer.concat(waiting));
    waiting = [];
    bytes = 0;
  };
  const take = async (parts: readonly Buffer[]) => {
    waiting.push(...parts);
    bytes += parts.reduce((sum, part) => sum + part.length, 0);
    if (bytes >= GATHER_BYTES) await send();
  };
  const sync = syncMarker(
    `${segment.segment} ${segment.startOffset} ${segment.length} ${segment.sha256 ?? ''}`,
  );
  if (format === 'avro') await take([headerOf(segment, sync)]);
  for await (const item of items) {
    await take(
      format === 'avro' ? blockOf(segment.segment, item, sync) : [Buffer.from(`${itemAsJson(item)}\n`)],
    );
    count += 1;
  }
  await send();
  return count;
}

function headerOf({ segment, framing, startOffset, length }: KnownSegment, sync: Buffer): Buffer {
  const record =
    framing === 'events' || framing === 'entries' ? RECORDS[framing] : ('ExportedBytes' as const);
  const range = { 'salvor.start-offset': String(startOffset), 'salvor.length': String(length) };
  return avroFileHeader(record, { 'salvor.segment': segment, ...range }, sync);
}

function blockOf(segment: string, item: SegmentItem, sync: Buffer): Buffer[] {
  if (item.kind === 'event')
    return avroFileBlock('ExportedEvent', { segment, offset: item.offset, payload: item.payload }, sync);
  if (item.kind === 'bytes')
    return avroFileBlock('ExportedBytes', { segment, offset: item.offset, data: item.data }, sync);
  const { key, version, value } = item;
  return avroFileBlock('ExportedEntry', { segment, key, version, value }, sync);
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogMessage, ReadLogWindow } from '@salvor/bus';
import { tlogConfigKey, volumeKey } from '@salvor/config-store';
import {
  fromPlainJson,
  toPlainJson,
  type VolumeCompareReply,
  type VolumeLogReply,
  type VolumeLogRequestInit,
} from '@salvor/contracts';
import { tempDir } from '@salvor/testkit';
import { openStoreAt, TailSource } from '@salvor/tlog';
import { LinkMeter } from '../src/link-meter.ts';
import { comparedOver } from '../src/linked-compare.ts';
import { type AskLog, linkedArchive, linkedReads } from '../src/linked-log.ts';
import { packed, unpacked } from '../src/packed-data.ts';
import { servedLog } from '../src/served-log.ts';
import { SourceLog } from '../src/source-log.ts';
import { type LogReads, logSegmentOf } from '../src/zone-log.ts';
import { segmentOf } from './segments.ts';

const CONTAINER = 2;
const signal = new AbortController().signal;
const segments = Array.from({ length: 200 }, (_, i) =>
  segmentOf(
    i + 1,
    4 * i + 1,
    [0, 1, 2, 3].map((block) => ({ block, fill: (i + block) % 250 })),
  ),
);

/** Every segment at an even place; what is between belongs to others. */
function streamOf(): { readonly reads: LogReads; readonly windows: ReadLogWindow[] } {
  const messages: LogMessage[] = segments.map(({ bytes: data }, i) => ({ sequence: 2 * (i + 1), data }));
  const windows: ReadLogWindow[] = [];
  const reads: LogReads = {
    facts: async (stream) => ({
      ...{ stream, replicas: 1, bytes: 0, maxBytes: 0, messages: messages.length, firstSequence: 1 },
      ...{ lastSequence: 2 * messages.length, maxMessageBytes: 0, discard: 'new', duplicateWindowMs: 0 },
      ...{ createdAt: '', subjectMessages: messages.length },
    }),
    last: async () => messages.at(-1) ?? null,
    message: async (_, sequence) => messages.find((each) => each.sequence === sequence) ?? null,
    readWindow: async (window) => {
      windows.push(window);
      const { from, upTo = Number.POSITIVE_INFINITY, maxBytes, atMost } = window;
      const behind = messages.filter(({ sequence }) => sequence >= from && sequence <= upTo);
      const found: LogMessage[] = [];
      let bytes = 0;
      for (const message of behind.slice(0, atMost?.(behind.length))) {
        bytes += message.data.length;
        if (found.length > 0 && bytes > maxBytes) break;
        found.push(message);
      }
      const next = (found.at(-1)?.sequence ?? Math.min(upTo, 2 * messages.length)) + 1;
      return { messages: found, next, end: found.length === behind.length };
    },
  };
  return { reads, windows };
}

/** etcd of the primary, as far as its manager needs it. */
const store = {
  get: async (key: string) => {
    const value = {
      [volumeKey('vol1')]: {
        ...{
          volume: 'vol1',
          vdisk: 'v1',
          role: 'primary',
          phase: 'serving',
          lineage: [],
          begins: 0,
          sequence: null,
        },
        ...{
          generation: { number: 1, zone: 'north' },
          known: 1,
          peer: 'south',
          mode: 'instant',
          promotion: null,
        },
        ...{ divergence: null, rival: null, trouble: null, point: null, changedAt: 1, reason: '' },
      },
      [tlogConfigKey('v1')]: {
        ...{ container: CONTAINER, containers: 8, policy: 'block', begins: { number: 0, sequence: 0 } },
        ...{ enabledBy: 'op-1', at: 1 },
      },
    }[key];
    if (value === undefined) return null;
    return { key, value: JSON.stringify(value), revision: '1', createRevision: '1', lease: null };
  },
};

/** The manager of the primary, through the wire format. */
function asking(reads: LogReads): AskLog {
  return async (request) => {
    const whole: VolumeLogRequestInit = { volume: 'vol1', container: CONTAINER, ...request };
    const sent = fromPlainJson('VolumeLogRequest', toPlainJson('VolumeLogRequest', whole));
    const reply = await servedLog({ store, streams: reads, zone: 'north' }, sent);
    return fromPlainJson('VolumeLogReply', toPlainJson('VolumeLogReply', reply));
  };
}

async function read(streams: LogReads): Promise<number[]> {
  const [first] = segments;
  assert.ok(first);
  const after = logSegmentOf(first.segment);
  const log = new SourceLog({ streams, container: CONTAINER, vdisk: 'v1', begins: 0, archive: null }, after);
  const numbers: number[] = [];
  for (;;) {
    const window = await log.next();
    numbers.push(...window.segments.map(({ segment }) => segment.number));
    if (window.isLevel) return numbers;
  }
}

const wanted = segments.slice(1).map(({ segment }) => segment.number);

test('a log reads the same compressed and not, and fewer bytes come over', async () => {
  const carried: number[] = [];
  for (const compression of ['none', 'brotli'] as const) {
    const { reads } = streamOf();
    const meter = new LinkMeter();
    meter.set({ bandwidthMib: 0, compression });
    assert.deepEqual(await read(linkedReads(reads, meter, asking(reads), signal)), wanted);
    carried.push(meter.carried);
  }
  const [plain = 0, compressed = plain] = carried;
  const bytes = segments.slice(1).reduce((sum, each) => sum + each.bytes.length, 0);
  assert.ok(plain >= bytes, `${plain} of ${bytes}`);
  assert.ok(compressed < plain / 4, `${compressed} of ${plain}`);
});

test('with compression also what is read backwards, and single segments, come by way of the managers', async () => {
  const { reads, windows } = streamOf();
  const meter = new LinkMeter();
  meter.set({ bandwidthMib: 0, compression: 'brotli' });
  const streams = linkedReads(
    {
      ...reads,
      readWindow: () => assert.fail('read past the managers'),
      message: () => assert.fail('likewise'),
    },
    meter,
    asking(reads),
    signal,
  );
  const tail = new TailSource({ streams, container: CONTAINER, vdisk: 'v1', windowBytes: 20_000 });
  const numbers: number[] = [];
  const indexes = [];
  for await (const index of tail.newestFirst()) {
    numbers.push(index.number);
    indexes.push(index);
  }
  assert.deepEqual(numbers, segments.map(({ segment }) => segment.number).reverse());
  const oldest = indexes.at(0);
  assert.ok(oldest);
  const [data] = await tail.read(oldest, oldest.records.slice(0, 1));
  assert.deepEqual(data, segments.at(-1)?.segment.data.subarray(0, 512));
  assert.ok(windows.length > 1);
});

test('a limited link asks for less at once', async () => {
  const { reads, windows } = streamOf();
  const meter = new LinkMeter({ now: () => 0, sleep: async () => undefined });
  meter.set({ bandwidthMib: 1, compression: 'none' });
  assert.deepEqual(await read(linkedReads(reads, meter, asking(reads), signal)), wanted);
  assert.ok(windows.every(({ maxBytes }) => maxBytes <= 256 * 1024));
});

test('an answer that is not what it says is an error, not data', async () => {
  const { reads } = streamOf();
  const honest = await asking(reads)({ from: 1, maxBytes: 16_384, compression: 'brotli' });
  const wrong: Partial<VolumeLogReply>[] = [
    { places: [] },
    { places: [...honest.places].reverse() },
    { lengths: honest.lengths.map((length) => length + 1) },
    { lengths: honest.lengths.map(() => -1) },
    { lengths: honest.lengths.map(() => 2 ** 30) },
    { next: 0 },
    { compression: 'none' },
    { compression: 'zip' },
    { data: Buffer.from('no brotli') },
    { data: honest.data.subarray(0, honest.data.length - 5) },
  ];
  for (const members of wrong) {
    const meter = new LinkMeter();
    meter.set({ bandwidthMib: 0, compression: 'brotli' });
    const streams = linkedReads(reads, meter, async () => ({ ...honest, ...members }), signal);
    const reading = streams.readWindow({ stream: 's', subject: 'v1', from: 1, maxBytes: 4_096 });
    await assert.rejects(
      reading,
      { code: /^(bad-answer|invalid-link)$/ },
      JSON.stringify(Object.keys(members)),
    );
  }
});

test('managers answer for the log of the volume alone', async () => {
  const { reads } = streamOf();
  const ask = (request: Partial<VolumeLogRequestInit>) =>
    servedLog(
      { store, streams: reads, zone: 'north' },
      fromPlainJson(
        'VolumeLogRequest',
        toPlainJson('VolumeLogRequest', { volume: 'vol1', container: CONTAINER, ...request }),
      ),
    );
  await assert.rejects(ask({ volume: 'vol2' }), { code: 'unknown-volume' });
  await assert.rejects(ask({ volume: '' }), { code: 'unknown-volume' });
  await assert.rejects(ask({ container: 3 }), { code: 'source-changed' });
  await assert.rejects(ask({ from: 0 }), { code: 'invalid-range' });
  await assert.rejects(ask({ maxBytes: -1 }), { code: 'invalid-range' });
  await assert.rejects(ask({ compression: 'zip' }), { code: 'invalid-link' });
  const { places = [], end } = await ask({ from: 1, atMost: 3 });
  assert.deepEqual([places, end], [[2, 4, 6], false]);
});

test('bytes are packed and come back the same, or are an error', async () => {
  const data = Buffer.alloc(100_000, 'salvor');
  const small = await packed(data, 'brotli');
  assert.ok(small.data.length < 1_000);
  assert.deepEqual(await unpacked(small, data.length), data);
  await assert.rejects(unpacked(small, data.length - 1), { code: 'bad-answer' });
  await assert.rejects(unpacked(small, data.length + 1), { code: 'bad-answer' });
  const [first] = segments;
  assert.ok(first);
  // What does not become smaller is left as it is.
  const twice = await packed(small.data, 'brotli');
  assert.deepEqual(twice, { compression: 'none', data: small.data });
});

test('blocks that are compared come compressed, and what they are not is an error', async () => {
  const content = Buffer.alloc(4 * 4096, 7);
  const answer = async (compression: string | undefined): Promise<VolumeCompareReply> => ({
    ...{ volume: 'vol1', image: 'i', blockSize: 4096, bulkBlocks: 64, hashes: Buffer.alloc(32), answered: 1 },
    ...{ zeros: [], blocks: [0, 1, 2, 3], positions: [], isOwned: false, isLogWhole: true },
    ...(await packed(content, compression === 'brotli' ? 'brotli' : 'none')),
  });
  const meter = new LinkMeter();
  meter.set({ bandwidthMib: 0, compression: 'brotli' });
  const request = { volume: 'vol1' };
  const { data } = await comparedOver(meter, request, signal, ({ compression }) => answer(compression));
  assert.deepEqual(data, content);
  assert.ok(meter.carried < 1_000, `${meter.carried}`);
  const wrong: Partial<VolumeCompareReply>[] = [
    { blockSize: 2 ** 30 },
    { blockSize: -1 },
    { blocks: [0] },
    { data: Buffer.from('no brotli') },
  ];
  for (const members of wrong)
    await assert.rejects(
      comparedOver(meter, request, signal, async () => ({ ...(await answer('brotli')), ...members })),
      { code: 'bad-answer' },
    );
});

test('what is read of an archive counts as well', async () => {
  const dir = tempDir('linked-archive');
  try {
    const plain = await openStoreAt({ location: dir.join('store') });
    await plain.put('tlog/1/v1/a.bin', [Buffer.alloc(3_000, 1)]);
    const meter = new LinkMeter();
    const store = linkedArchive(plain, meter, signal);
    assert.equal((await store.read('tlog/1/v1/a.bin', 0, 1_000)).length, 1_000);
    assert.deepEqual(
      (
        await store.readRanges('tlog/1/v1/a.bin', [
          { offset: 0, length: 500 },
          { offset: 600, length: 10 },
        ])
      ).length,
      2,
    );
    assert.equal(meter.carried, 1_510);
    await store.close();
  } finally {
    await dir.remove();
  }
});

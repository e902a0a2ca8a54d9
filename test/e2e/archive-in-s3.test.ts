import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { NbdClient, until } from '@salvor/testkit';
import { type S3Server, startS3 } from '../../packages/tlog/test/store/s3-server.ts';
import { DisasterStack } from './disaster-stack.ts';
import { type HeldWhere, HttpGate } from './http-gate.ts';

const BLOCK = 4096;
/** Blocks that are written before each kill. */
const ROUND_BLOCKS = 60;
const LOST = 1;
const HELD_TIMEOUT_MS = 120_000;

let s3: S3Server;
let gate: HttpGate;
let stack: DisasterStack;

before(async () => {
  s3 = await startS3();
  gate = await HttpGate.before(s3.options.endpoint);
  const { accessKeyId, secretAccessKey } = s3.options.credentials;
  const env = {
    ...{ SALVOR_TLOG_STORE: 's3://salvor/here', SALVOR_TLOG_STORE_ENDPOINT: gate.endpoint },
    ...{ SALVOR_TLOG_STORE_ACCESS_KEY: accessKeyId, SALVOR_TLOG_STORE_SECRET_KEY: secretAccessKey },
    SALVOR_ARCHIVE_MAX_AGE_MS: '500',
  };
  stack = await DisasterStack.start({ readyTimeoutMs: 120_000, services: { 'tlog-replayer': { env } } });
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
  await gate?.close();
  await s3?.remove();
});

const isIndex = (url: string): boolean => url.includes('/v1/') && url.includes('.idx.avro');
const isChunk = (url: string): boolean => url.includes('/v1/') && url.includes('.avro') && !isIndex(url);

/** Segments of the log in Tier-1. */
async function hotSegments(): Promise<number> {
  const { logs } = await stack.healing.bus.request('tlog.status', { vdisk: 'v1' });
  const container = logs[0]?.container ?? -1;
  const subject = `salvor.tlog.v1.${container}.v1`;
  return (await stack.healing.bus.logStreams.facts(`TLOG_${container}`, subject)).subjectMessages;
}

interface Kill {
  readonly what: string;
  readonly where: HeldWhere;
  readonly matches: (method: string, url: string) => boolean;
  /** The request is answered, and the archiver cannot go on to tell anybody. */
  readonly isAnswered?: boolean;
}

const kills: readonly Kill[] = [
  {
    what: 'before the index of a chunk is there',
    where: 'before',
    matches: (m, url) => m === 'PUT' && isIndex(url),
  },
  {
    what: 'between the write of a chunk and its visibility',
    where: 'before',
    matches: (m, url) => m === 'PUT' && isChunk(url),
  },
  {
    what: 'once a chunk is visible, before it is read back',
    where: 'behind',
    matches: (m, url) => m === 'PUT' && isChunk(url),
  },
  { what: 'while a chunk is read back', where: 'before', matches: (m, url) => m === 'GET' && isChunk(url) },
  {
    what: 'between the reading back of a chunk and the trim of Tier-1',
    ...{ where: 'behind', matches: (m, url) => m === 'GET' && isChunk(url), isAnswered: true },
  },
];

async function killAt(
  { where, matches, isAnswered = false }: Kill,
  writes: () => Promise<void>,
): Promise<void> {
  const { stack: parts } = stack.healing;
  const held = gate.hold(where, matches, HELD_TIMEOUT_MS);
  await writes();
  const request = await held;
  const replayer = parts.service('tlog-replayer');
  if (isAnswered) {
    // What was read back is put on record before Tier-1 lets go: that waits.
    parts.etcd.process.pause();
    await request.release();
    await replayer.kill('SIGKILL');
    parts.etcd.process.resume();
  } else {
    await replayer.kill('SIGKILL');
    await request.release();
  }
  await replayer.start();
}

test('an archiver that is killed around every step of a chunk in S3 loses nothing, and a disaster replay from there brings all back', async () => {
  const uri = await stack.createLogged('v1');
  const client = await NbdClient.connect(uri);
  await stack.untilLogged('v1');
  let written = 0;
  const contentOf = (block: number): Buffer => Buffer.alloc(BLOCK, `block ${block};`);
  const writes = async (): Promise<void> => {
    for (const end = written + ROUND_BLOCKS; written < end; written++)
      await client.write(written * BLOCK, contentOf(written));
    await client.flush();
  };
  for (const kill of kills) {
    await killAt(kill, writes);
    await stack.untilArchived('v1', written);
  }
  await client.disconnect();

  const operationId = randomUUID();
  await stack.healing.bus.request('tlog.verify', { operationId });
  const verified = await stack.untilEnded(operationId);
  assert.equal(verified.status, 'completed', verified.message);
  assert.match(verified.message, /, 0 places lost/);

  // All but the newest segment is in S3 alone.
  await until(async () => (await hotSegments()) === 1, { what: 'a trimmed Tier-1', timeoutMs: 60_000 });
  await stack.destroyPair(LOST);
  await stack.judgePermanent(LOST);
  const [planned] = (await stack.untilPlanned()).vdisks;
  assert.equal(planned?.recoverable, 'all', planned?.why);
  const { status, message } = await stack.untilEnded(await stack.replay());
  assert.equal(status, 'completed', message);
  const again = await NbdClient.connect(uri);
  for (let block = 0; block < written; block++)
    assert.ok((await again.read(block * BLOCK, BLOCK)).equals(contentOf(block)), `block ${block}`);
  await again.disconnect();
});

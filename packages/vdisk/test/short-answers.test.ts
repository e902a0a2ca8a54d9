import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, test } from 'node:test';
import { type EpochQuestion, GatheredReads } from '../src/gathered-reads.ts';
import { NondedupedLayout } from '../src/layout/nondeduped.ts';
import { ReadPart } from '../src/read-part.ts';
import { Frame } from '../src/resp.ts';
import { RespLink } from '../src/resp-link.ts';

const BLOCK_BYTES = 512;
const servers: Server[] = [];

after(() => {
  for (const server of servers) server.close();
});

/** What answers the connection of a link as an engine does, and a read of two blocks and the epoch with `answer`. */
async function readFrom(answer: string): Promise<{ error: unknown; into: Buffer }> {
  const server = createServer((socket) => {
    let isGreeted = false;
    socket.on('data', () => {
      socket.write(isGreeted ? answer : '+OK\r\n+OK\r\n');
      isGreeted = true;
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const timeouts = { connectTimeoutMs: 10_000, commandTimeoutMs: 10_000 };
  const link = await RespLink.connect({ address, db: 0, clientName: 'test', ...timeouts });
  const epoch: EpochQuestion = {
    address,
    command: Buffer.concat([...new Frame().command('GET', 'epoch').end()]),
    expected: Buffer.from('7'),
    check: (found) => assert.fail(`another epoch: ${String(found)}`),
  };
  const into = Buffer.alloc(2 * BLOCK_BYTES, 0xee);
  const part = new ReadPart([4, 9], into, BLOCK_BYTES);
  const reads = new GatheredReads(link, new NondedupedLayout('v', BLOCK_BYTES), epoch);
  const error = await new Promise((resolve) => reads.read(part, resolve));
  link.close();
  return { error, into };
}

const block = `$${BLOCK_BYTES}\r\n${'a'.repeat(BLOCK_BYTES)}\r\n`;

test('an engine that answers for every block is believed', async () => {
  const { error, into } = await readFrom(`*2\r\n${block}$-1\r\n$1\r\n7\r\n`);
  assert.equal(error, null);
  assert.equal(into.toString('latin1', 0, BLOCK_BYTES), 'a'.repeat(BLOCK_BYTES));
  assert.ok(into.subarray(BLOCK_BYTES).every((byte) => byte === 0));
});

for (const [what, answer] of [
  ['fewer values than blocks', `*1\r\n${block}$1\r\n7\r\n`],
  ['no values at all', '*0\r\n$1\r\n7\r\n'],
  ['more values than blocks', `*3\r\n${block}${block}${block}$1\r\n7\r\n`],
] as const) {
  test(`an answer with ${what} is an error, and never data`, async () => {
    const { error } = await readFrom(answer);
    assert.ok(error instanceof Error);
    assert.equal((error as { fault?: unknown }).fault, 'protocol');
  });
}

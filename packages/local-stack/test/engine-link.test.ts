import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { EngineLink, type EngineReply } from '../src/engine-link.ts';

type Sent = string | number | null | readonly Sent[];

function encoded(reply: Sent): Buffer {
  if (reply === null) return Buffer.from('$-1\r\n');
  if (typeof reply === 'number') return Buffer.from(`:${reply}\r\n`);
  if (typeof reply === 'string') {
    const bytes = Buffer.from(reply);
    return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
  }
  return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encoded)]);
}

describe('a link to an engine', () => {
  let server: Server;
  let peer: Promise<Socket>;
  let link: EngineLink;
  before(async () => {
    server = createServer();
    peer = new Promise((resolve) => server.once('connection', resolve));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    link = await EngineLink.open(address.port);
  });
  after(async () => {
    link.close();
    (await peer).destroy();
    server.close();
  });

  const { reply } = fc.letrec<{ reply: Sent }>((tie) => ({
    reply: fc.oneof(
      { maxDepth: 4 },
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.array(tie('reply'), { maxLength: 4 }),
    ),
  }));

  it('gets each reply whole, wherever packets end', async () => {
    const socket = await peer;
    await fc.assert(
      fc.asyncProperty(
        fc.array(reply, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 40 }),
        async (replies, step) => {
          const answers = replies.map(() => link.send('PING'));
          const bytes = Buffer.concat(replies.map(encoded));
          for (let at = 0; at < bytes.length; at += step)
            await new Promise((resolve) => socket.write(bytes.subarray(at, at + step), resolve));
          assert.deepEqual(await Promise.all(answers), replies as EngineReply[]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reads a reply of very many parts once', async () => {
    const socket = await peer;
    const parts = Array.from({ length: 40_000 }, (_, i) => `${i}:${'x'.repeat(1_000)}`);
    const answer = link.send('HGETALL', 'all');
    socket.write(encoded(parts));
    assert.deepEqual(await answer, parts);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockExchange } from '../src/copy/block-exchange.ts';
import { RelayFrame } from '../src/copy/relay-frame.ts';
import { EngineError } from '../src/errors.ts';
import { Frame, type RespValue } from '../src/resp.ts';
import { RespReader, ValueSink } from '../src/resp-reader.ts';

/** Has the frame take the reply of an engine, and the epoch behind it, cut into parts; resolves with the epoch. */
function receive(frame: RelayFrame, bytes: Buffer, sizes: readonly number[]): Promise<RespValue> {
  return new Promise((resolve, reject) => {
    const exchange = new BlockExchange(frame, 'engine', resolve, reject);
    exchange.left = 2;
    const reader = new RespReader({
      sink: () => exchange,
      complete: () => {
        if (--exchange.left === 0) exchange.done();
      },
    });
    let at = 0;
    for (let i = 0; at < bytes.length; i++) {
      const size = sizes[i % Math.max(1, sizes.length)] ?? bytes.length;
      reader.feed(bytes.subarray(at, at + size));
      at += size;
    }
  });
}

/** The commands in a frame, as an engine sees them. */
function commandsIn(frame: Frame): string[][] {
  const sink = new ValueSink();
  new RespReader({ sink: () => sink, complete: () => {} }).feed(Buffer.concat([...frame.end()]));
  assert.equal(sink.values.length, frame.replies);
  return sink.values.map((command) =>
    Array.isArray(command)
      ? command.map((part) => (Buffer.isBuffer(part) ? part.toString('latin1') : String(part)))
      : [],
  );
}

test('however the reply is cut, a relay frame stores what the source holds and removes what it does not', async () => {
  const value = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null });
  const block = fc.tuple(fc.nat(2 ** 31 - 1), value, fc.boolean());
  const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 5 });
  const frame = new RelayFrame('nondedup:v1', 2, 8);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(block, { minLength: 1, selector: ([n]) => n }),
      sizes,
      async (blocks, parts) => {
        const names = blocks.map(([number]) => String(number));
        assert.deepEqual(commandsIn(frame.begin(blocks.map(([number]) => number))), [
          ['HMGET', 'nondedup:v1', ...names],
        ]);
        const reply = [Buffer.from(`*${blocks.length}\r\n`)];
        for (const [, data] of blocks) {
          if (data === null) reply.push(Buffer.from('$-1\r\n'));
          else reply.push(Buffer.from(`$${data.length}\r\n`), Buffer.from(data), Buffer.from('\r\n'));
        }
        const epoch = await receive(frame, Buffer.concat([...reply, Buffer.from('$1\r\n7\r\n')]), parts);
        assert.equal(String(epoch), '7');
        const skip = (i: number): boolean => blocks[i]?.[2] === true;
        const kept = blocks.filter(([, , isSkipped]) => !isSkipped);
        const stored = kept.filter(([, data]) => data !== null);
        const holes = kept.filter(([, data]) => data === null);
        const out = new Frame();
        assert.equal(frame.addStore(out, skip), stored.length);
        assert.equal(frame.addRemove(out, skip), holes.length);
        const pairs = stored.flatMap(([number, data]) => [
          String(number),
          Buffer.from(data ?? []).toString('latin1'),
        ]);
        assert.deepEqual(commandsIn(out), [
          ...(stored.length > 0 ? [['HSET', 'nondedup:v1', ...pairs]] : []),
          ...(holes.length > 0 ? [['HDEL', 'nondedup:v1', ...holes.map(([number]) => String(number))]] : []),
        ]);
      },
    ),
  );
});

test('a reply with an error or with too few values fails the read', async () => {
  for (const reply of ['-LOADING Redis is loading\r\n$1\r\n7\r\n', '*1\r\n$1\r\na\r\n$1\r\n7\r\n']) {
    const frame = new RelayFrame('nondedup:v1', 2, 8);
    frame.begin([1, 2]);
    await assert.rejects(receive(frame, Buffer.from(reply), []), EngineError);
  }
});

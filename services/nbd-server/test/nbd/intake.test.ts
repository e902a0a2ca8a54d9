import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { directIntakeWorks, takeIn } from '../../src/nbd/socket-intake.ts';

test('this Node lets the kernel write into our memory', async () => {
  assert.equal(await directIntakeWorks(), true);
});

for (const isDirect of [true, false]) {
  test(`bytes arrive in order through pauses, ${isDirect ? 'directly' : 'by copy'}, and the server can close`, async () => {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
    const received: Buffer[] = [];
    const client = net.connect(address.port, '127.0.0.1', () => client.end(sent));
    const [accepted] = (await once(server, 'connection')) as [net.Socket];
    const memory = Buffer.alloc(7000);
    const sink = {
      room: () => memory,
      filled: (bytes: number) => {
        received.push(Buffer.from(memory.subarray(0, bytes)));
        setImmediate(() => socket.resume());
        return false;
      },
    };
    const socket = takeIn(accepted, sink, isDirect);
    await once(socket, 'end');
    socket.end();
    client.resume();
    await once(client, 'close');
    await new Promise((resolve) => server.close(resolve));
    assert.ok(Buffer.concat(received).equals(sent));
  });
}

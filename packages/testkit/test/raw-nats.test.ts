import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RawNats, startNats, tempDir } from '@salvor/testkit';

describe('the raw NATS client', () => {
  it('asks with headers and gets headers and body', async () => {
    await using dir = tempDir('nats');
    const nats = await startNats({ dir: dir.path });
    await using _process = nats.process;
    using server = await RawNats.connect(nats.url);
    server.subscribe('echo', (message) => {
      const operation = message.headers['Operation-Id']?.[0] ?? '';
      server.publish(replyTo(message.body), 'päng', { 'Operation-Id': operation, 'X-Empty': '' });
    });
    await server.ping();
    using client = await RawNats.connect(nats.url);
    const inbox = 'answers.1';
    const answered = new Promise<{ headers: Record<string, string[]>; body: Buffer }>((resolve) => {
      client.subscribe(inbox, resolve);
    });
    await client.ping();
    client.publish('echo', JSON.stringify({ inbox }), { 'Operation-Id': 'op-1' });
    const answer = await answered;
    assert.equal(answer.body.toString(), 'päng');
    assert.deepEqual(answer.headers, { 'Operation-Id': ['op-1'], 'X-Empty': [''] });
  });

  it('gets the answer of JetStream to a request', async () => {
    await using dir = tempDir('nats');
    const nats = await startNats({ dir: dir.path });
    await using _process = nats.process;
    using client = await RawNats.connect(nats.url);
    const answer = await client.request('$JS.API.INFO');
    assert.match(answer.body.toString(), /account_info_response/);
    assert.equal(answer.status, null);
  });

  it('hears at once that nobody answers', async () => {
    await using dir = tempDir('nats');
    const nats = await startNats({ dir: dir.path });
    await using _process = nats.process;
    using client = await RawNats.connect(nats.url);
    assert.equal((await client.request('nobody.home', '{}')).status?.code, 503);
  });

  it('rejects what waits when the server is killed', async () => {
    await using dir = tempDir('nats');
    const nats = await startNats({ dir: dir.path });
    await using process = nats.process;
    using client = await RawNats.connect(nats.url);
    client.subscribe('silence', () => undefined);
    await client.ping();
    const refused = assert.rejects(client.request('silence'), { code: 'nats-connection' });
    await process.kill();
    await refused;
  });
});

function replyTo(body: Buffer): string {
  const { inbox } = JSON.parse(body.toString()) as { inbox: string };
  return inbox;
}

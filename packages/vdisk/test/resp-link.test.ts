import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Frame } from '../src/resp.ts';
import { RespLink } from '../src/resp-link.ts';

const COMMAND_TIMEOUT_MS = 300;

/** An engine that answers the greeting at once, and further commands as `answer` says. */
async function withEngine(
  answer: (commands: number, socket: Socket) => void,
  use: (link: RespLink) => Promise<void>,
): Promise<void> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    let hasGreeted = false;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const commands = bytes.toString('latin1').split('*').length - 1;
      if (hasGreeted) return answer(commands, socket);
      hasGreeted = true;
      socket.write('+OK\r\n'.repeat(commands));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = server.address();
  assert.ok(at !== null && typeof at === 'object');
  const link = await RespLink.connect({
    address: `127.0.0.1:${at.port}`,
    db: 0,
    connectTimeoutMs: 2_000,
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    clientName: 'test',
  });
  try {
    await use(link);
  } finally {
    link.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

describe('a link to an engine', () => {
  it('does not blame it for replies that wait behind others, as long as they come', async () => {
    const COMMANDS = 8;
    const answerSlowly = (commands: number, socket: Socket): void => {
      let left = commands;
      const timer = setInterval(() => {
        socket.write(':1\r\n');
        if (--left === 0) clearInterval(timer);
      }, COMMAND_TIMEOUT_MS / 2);
    };
    await withEngine(answerSlowly, async (link) => {
      const asked = Array.from({ length: COMMANDS }, () => link.request(new Frame().command('PING')));
      assert.deepEqual(await Promise.all(asked), Array(COMMANDS).fill([1]));
    });
  });

  it('ends when nothing comes any more', async () => {
    const answerOnce = (_commands: number, socket: Socket): void => {
      socket.write(':1\r\n');
    };
    await withEngine(answerOnce, async (link) => {
      const [first, second] = [
        link.request(new Frame().command('PING')),
        link.request(new Frame().command('PING')),
      ];
      assert.deepEqual(await first, [1]);
      await assert.rejects(second, { code: 'engine-timeout' });
      assert.equal(link.broken?.fault, 'timeout');
    });
  });
});

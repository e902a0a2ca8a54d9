/** A real nats-server with services that answer every command with the example of the catalogue, or as told. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, type CommandHandlers, connectBus } from '@salvor/bus';
import { type CommandName, commandNames, commands, fromPlainJson } from '@salvor/contracts';
import { startNats } from '@salvor/local-stack';
import { silentLogger } from '@salvor/service-kit';

export interface FakeServices {
  readonly url: string;
  readonly dir: string;
  readonly bus: Bus;
  /** What was asked, in order. */
  readonly asked: { command: CommandName; request: unknown; operationId: string }[];
  stop(): Promise<void>;
}

/** `instead` answers some commands in another way. */
export async function startFakeServices(instead: CommandHandlers = {}): Promise<FakeServices> {
  const dir = await mkdtemp(join(tmpdir(), 'salvor-cli-'));
  const nats = await startNats({ dir: join(dir, 'nats') });
  const bus = await connectBus({ servers: [nats.url], name: 'fake-services', log: silentLogger });
  const asked: FakeServices['asked'] = [];
  const examples = commandNames().map((command) => [
    command,
    async (request: unknown, { operationId }: { operationId: string }) => {
      asked.push({ command, request, operationId });
      return fromPlainJson(commands[command].reply, commands[command].replyExample);
    },
  ]);
  await bus.serve({
    name: 'fake-services',
    version: '0.1.0',
    description: 'Answers with examples',
    handlers: { ...(Object.fromEntries(examples) as CommandHandlers), ...instead },
    instance: 'nbd-1',
  });
  return {
    url: nats.url,
    dir,
    bus,
    asked,
    stop: async () => {
      await bus.close({ deadlineMs: 2_000 });
      await nats.process.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

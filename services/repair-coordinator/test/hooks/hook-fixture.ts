import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AUDIT_PREFIX,
  type ConfigStore,
  type HookRunRecord,
  hookRunSchema,
  parseRecord,
} from '@salvor/config-store';
import { createMetrics, type Logger } from '@salvor/service-kit';
import { type TempDir, until } from '@salvor/testkit';
import { HookBook } from '../../src/hooks/hook-book.ts';
import { type Hooks, startHooks } from '../../src/hooks/hooks.ts';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A receiver of webhooks that answers as it is told: a status, or never. */
export class Receiver implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** The last answer repeats. */
  static async start(...answers: (number | 'never')[]): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server);
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        const answer = answers[Math.min(receiver.received.length, answers.length - 1)] ?? 200;
        receiver.received.push({ headers: request.headers, body });
        if (answer !== 'never') response.writeHead(answer).end(`answer ${answer}`);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  async untilReceived(count: number): Promise<void> {
    const what = `${count} requests`;
    await until(() => this.received.length >= count, { what, timeoutMs: 15_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export const hooksText = (...hooks: object[]): string => JSON.stringify({ hooks });

/** A program that does what the shell text says. */
export function program(dir: TempDir, name: string, text: string): string {
  const path = dir.join(name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Lines that programs have written so far. */
export function linesOf(path: string): string[] {
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
}

export async function coordinatorHooks(
  { store, log }: { store: ConfigStore; log: Logger },
  dir: TempDir,
  by: string,
  text: string,
): Promise<Hooks & AsyncDisposable> {
  const file = dir.join('hooks.yaml');
  writeFileSync(file, text);
  const book = HookBook.read(store, log, file);
  const hooks = await startHooks({ store, log, metrics: createMetrics(), by, book });
  return { ...hooks, [Symbol.asyncDispose]: hooks.stop };
}

/** The audit trail, oldest first. */
export async function runsOf(store: ConfigStore, hook?: string): Promise<HookRunRecord[]> {
  const { entries } = await store.list(AUDIT_PREFIX);
  const runs = entries.map(({ key, value }) => parseRecord(hookRunSchema, key, value));
  return runs.filter((run) => hook === undefined || run.hook === hook);
}

/** Waits until so many runs of the hook have ended. */
export async function ended(store: ConfigStore, hook: string, count = 1): Promise<HookRunRecord[]> {
  let runs: HookRunRecord[] = [];
  const areOver = async (): Promise<boolean> => {
    runs = (await runsOf(store, hook)).filter(({ status }) => status !== 'pending');
    return runs.length >= count;
  };
  await until(areOver, { what: `${count} ended runs of ${hook}`, timeoutMs: 20_000 }).catch(
    async (error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(await runsOf(store))}`),
  );
  return runs;
}

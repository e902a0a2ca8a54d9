import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { EngineLink, type StackEngine, until } from '@salvor/testkit';
import { command } from './odd-engine.ts';

/** What makes an engine answer and take no writes: the error reply it gives, and how it comes and goes. */
export interface Refusal {
  /** The engine that it befalls: no engine fails so often here that it would be held for flapping. */
  readonly at: readonly [role: 'primary' | 'slave', shard: number];
  readonly reply: RegExp;
  readonly begin: (engine: StackEngine) => Promise<unknown>;
  readonly end: (engine: StackEngine) => Promise<unknown>;
}

const set = (engine: StackEngine, name: string, value: string): Promise<string> =>
  command(engine, 'CONFIG', 'SET', name, value);

async function save(engine: StackEngine, outcome: 'ok' | 'err'): Promise<void> {
  await command(engine, 'BGSAVE');
  const ended = new RegExp(`rdb_bgsave_in_progress:0[^]*rdb_last_bgsave_status:${outcome}`);
  await until(async () => ended.test(await command(engine, 'INFO', 'persistence')), {
    what: `the save of ${engine.name} to end: ${outcome}`,
    timeoutMs: 30_000,
  });
}

export const refusals = {
  'cannot save its data (MISCONF)': {
    at: ['slave', 0],
    reply: /MISCONF/,
    begin: async (engine) => {
      // A folder in the place of the snapshot: it can no more be replaced than on a full disk.
      mkdirSync(join(engine.dataDir, 'dump.rdb'));
      await set(engine, 'save', '3600 1');
      await save(engine, 'err');
    },
    end: async (engine) => {
      rmdirSync(join(engine.dataDir, 'dump.rdb'));
      await save(engine, 'ok');
      await set(engine, 'save', '');
    },
  },
  'is out of memory (OOM)': {
    at: ['slave', 1],
    reply: /OOM/,
    begin: (engine) => set(engine, 'maxmemory', '1'),
    end: (engine) => set(engine, 'maxmemory', '0'),
  },
  'lacks the replicas it was told to need (NOREPLICAS)': {
    at: ['primary', 1],
    reply: /NOREPLICAS/,
    begin: (engine) => set(engine, 'min-replicas-to-write', '1'),
    end: (engine) => set(engine, 'min-replicas-to-write', '0'),
  },
  'was made a read-only replica (READONLY)': {
    at: ['slave', 1],
    reply: /READONLY|read-only/,
    begin: (engine) => command(engine, 'REPLICAOF', '127.0.0.1', '1'),
    end: (engine) => command(engine, 'REPLICAOF', 'NO', 'ONE'),
  },
  'wants a password that nobody knows (NOAUTH)': {
    at: ['slave', 0],
    reply: /NOAUTH/,
    begin: async (engine) => {
      using link = await EngineLink.open(engine.port);
      await link.send('CONFIG', 'SET', 'requirepass', 'changed');
      // Who is connected stays so; the next one is asked.
      await link.send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
    end: async (engine) => {
      using link = await EngineLink.open(engine.port);
      await link.send('AUTH', 'changed');
      await link.send('CONFIG', 'SET', 'requirepass', '');
    },
  },
} satisfies Record<string, Refusal>;

export type RefusalName = keyof typeof refusals;

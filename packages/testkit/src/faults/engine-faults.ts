import type { RedisHandle } from '@salvor/local-stack';
import { type AofCut, type AofTail, cutAofTail, restoreAof, snapshotAof, wipeData } from './aof.ts';

/** What can befall a storage engine. The engine keeps its address throughout. */
export type Engine = Pick<RedisHandle, 'process' | 'dataDir' | 'address'>;

/** SIGKILL: connections break; what was answered is in its log (with `appendfsync everysec`: nearly so). */
export async function killEngine(engine: Engine): Promise<void> {
  await engine.process.kill('SIGKILL');
}

/** Kills it if it runs, and brings it back with all its data (nothing, without appendonly). */
export async function restartWithData(engine: Engine): Promise<void> {
  await down(engine);
  await engine.process.start();
}

/** Kills it if it runs, and brings it back empty: answering, and without anything it had. */
export async function restartEmpty(engine: Engine): Promise<void> {
  await down(engine);
  wipeData(engine.dataDir);
  await engine.process.start();
}

/** Kills it if it runs, and brings it back without its most recent writes. */
export async function restartWithoutTail(engine: Engine, tail: AofTail): Promise<AofCut> {
  await down(engine);
  const cut = cutAofTail(engine.dataDir, tail);
  await engine.process.start();
  return cut;
}

/** Notes the state of a running engine, to come back to it with `restartFromSnapshot`. */
export function snapshotEngine(engine: Engine, to: string): void {
  snapshotAof(engine.dataDir, to);
}

/** Kills it if it runs, and brings it back as it was at the snapshot. */
export async function restartFromSnapshot(engine: Engine, snapshot: string): Promise<void> {
  await down(engine);
  restoreAof(engine.dataDir, snapshot);
  await engine.process.start();
}

async function down(engine: Engine): Promise<void> {
  if (engine.process.running) await killEngine(engine);
}

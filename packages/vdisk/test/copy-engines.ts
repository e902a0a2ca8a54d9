import { after } from 'node:test';
import type { CopyJobSpec } from '../src/copy/copy-messages.ts';
import { copyGuardKey, epochKey } from '../src/engine-keys.ts';
import { TestEngine } from './pair-harness.ts';

export const EPOCH = '7';
export const GUARD = 'i1/1/7/1';

/** Two real engines between which blocks of vdisk v1 are copied, ready for the copies of one preparation. */
export async function startCopyEngines(): Promise<{
  source: TestEngine;
  target: TestEngine;
  spec: CopyJobSpec;
}> {
  const [source, target] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  after(() => Promise.all([source.stop(), target.stop()]));
  for (const engine of [source, target]) await engine.cli('SET', epochKey('v1'), EPOCH);
  await target.cli('SET', copyGuardKey('v1'), GUARD);
  const end = ({ address }: TestEngine) => ({ address, db: 0 });
  const spec: CopyJobSpec = {
    layout: { kind: 'nondeduped', vdisk: 'v1', blockSizeBytes: 4096, shards: 1 },
    epoch: EPOCH,
    guard: GUARD,
    source: end(source),
    target: end(target),
    connectTimeoutMs: 1_000,
    commandTimeoutMs: 1_000,
  };
  return { source, target, spec };
}

/** Stores blocks, each as long text of one letter. */
export async function put(engine: TestEngine, blocks: Readonly<Record<number, string>>): Promise<void> {
  const args = Object.entries(blocks).flatMap(([block, letter]) => [block, letter.repeat(4096)]);
  await engine.cli('HSET', 'nondedup:v1', ...args);
}

/** Carries rollbacks and clones out on real engines with a real log, and knows what they are to bring back. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  type Executor,
  type OperationRecord,
  OperationWorkers,
  type RequestedPoint,
  rollbackVdisk,
} from '@salvor/config-store';
import { createLogger } from '@salvor/service-kit';
import { ReplayWindow } from '@salvor/tlog';
import fc from 'fast-check';
import { Logs } from '../src/logs.ts';
import { cloneExecutor, isMadeFromLog } from '../src/point-in-time/clone-executor.ts';
import { rollbackExecutor } from '../src/point-in-time/rollback-executor.ts';
import { BLOCK, type LostPair } from './lost-pair.ts';

export const BLOCKS = 48;
export const every: readonly number[] = Array.from({ length: BLOCKS }, (_, block) => block);
const log = createLogger({ service: 'point-in-time', level: 'error' });

export type State = (Buffer | null)[];

export interface Step {
  readonly block: number;
  readonly fill: number;
}

/** Carries rollbacks and clones out, as the service does. */
export async function startStates(
  pair: LostPair,
  around: (executor: Executor) => Executor = (executor) => executor,
): Promise<OperationWorkers> {
  const streams = pair.bus.logStreams;
  const options = {
    ...{ store: pair.store, streams, log, window: new ReplayWindow(), instance: randomUUID() },
    logs: new Logs({ store: pair.store, streams, tier2: pair.tier2, noticed: () => {} }),
    access: { timeoutMs: 2_000 },
  };
  const workers = new OperationWorkers({
    ...{ store: pair.store, log, worker: randomUUID(), retryDelayMs: 100, leaseTtlSeconds: 2 },
    atOnceMax: 8,
    executors: { 'vdisk.rollback': around(rollbackExecutor(options)), 'vdisk.clone': cloneExecutor(options) },
    mayTake: async (record) => record.kind !== 'vdisk.clone' || isMadeFromLog(record),
  });
  await workers.start();
  return workers;
}

/** Writes the steps one by one; what the vdisk held after each, by the record of the log. */
export async function written(
  pair: LostPair,
  vdisk: string,
  steps: readonly Step[],
): Promise<Map<number, State>> {
  const mounted = await pair.mount(vdisk);
  try {
    await mounted.device.flush();
    let state: State = every.map(() => null);
    const states = new Map([[mounted.log?.state.sequence ?? -1, state]]);
    for (const { block, fill } of steps) {
      const data = fill === 0 ? null : Buffer.alloc(BLOCK, fill);
      if (data === null) await mounted.device.zero(block * BLOCK, BLOCK);
      else await mounted.device.write(block * BLOCK, data);
      await mounted.device.flush();
      state = state.map((held, i) => (i === block ? data : held));
      states.set(mounted.log?.state.sequence ?? -1, state);
    }
    return states;
  } finally {
    await mounted.unmount();
  }
}

export async function rollBack(
  pair: LostPair,
  vdisk: string,
  point: RequestedPoint,
): Promise<OperationRecord> {
  const operation = `roll-${randomUUID()}`;
  const begun = await rollbackVdisk(pair.store, { vdisk, point }, { operation, by: 'test' });
  assert.equal(begun.outcome, 'applied', begun.reason);
  return pair.ended(operation);
}

export const step: fc.Arbitrary<Step> = fc.record({
  block: fc.nat(BLOCKS - 1),
  fill: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 255 }) }, fc.constant(0)),
});

export function assertSame(found: State, expected: State | undefined): void {
  for (const block of every) assert.deepEqual(found[block], expected?.[block], `block ${block}`);
}

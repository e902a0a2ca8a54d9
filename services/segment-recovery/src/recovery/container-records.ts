import {
  type Compare,
  type ConfigStore,
  formatRecord,
  parseRecord,
  segmentContainerKey,
  segmentContainerSchema,
} from '@salvor/config-store';
import type { TreeOutline } from '@salvor/pravega';
import { segmentStream } from '@salvor/segments';
import { SalvorError } from '@salvor/service-kit';

/** Says in etcd which containers there are. A container that is recorded as it should be stays as it is. */
export async function recordContainers(
  store: ConfigStore,
  { containers, containerCount, epoch }: TreeOutline,
  { operation, proof }: { readonly operation: string; readonly proof: Compare },
): Promise<void> {
  for (const { container, segments } of containers) {
    const key = segmentContainerKey(container);
    const entry = await store.get(key);
    const before = entry === null ? null : parseRecord(segmentContainerSchema, key, entry.value);
    // Above all that left a trace, and never lower than it was.
    const facts = { containers: containerCount, epoch: Math.max(before?.epoch ?? 0, epoch + 1), segments };
    if (
      before !== null &&
      before.containers === facts.containers &&
      before.epoch === facts.epoch &&
      before.segments === facts.segments
    )
      continue;
    const record = {
      ...before,
      container,
      ...facts,
      stream: segmentStream(container),
      operation,
      at: Date.now(),
    };
    const stored = await store.transact({
      compare: [{ key, revision: entry?.revision ?? 'absent' }, proof],
      puts: [{ key, value: formatRecord(segmentContainerSchema, key, record) }],
    });
    if (!stored.ok) throw new SalvorError('conflict', `${key} was changed by others`);
  }
}

import assert from 'node:assert/strict';
import { type ChangeBatch, openStore, type Watch } from '@salvor/config-store';
import type { EtcdServer } from './etcd-server.ts';
import { TcpRelay } from './tcp-relay.ts';
import { PATIENCE_MS } from './until.ts';

export const AUDIT_INTERVAL_MS = 300;

/** Keeps every delivered change, and checks that each follows from the one before. */
export class Recorder {
  readonly batches: ChangeBatch[] = [];
  readonly values = new Map<string, string>();
  readonly faults: string[] = [];

  readonly listener = (batch: ChangeBatch): void => {
    this.batches.push(batch);
    for (const { key, entry, previous } of batch.changes) {
      if (previous?.value !== this.values.get(key)) this.faults.push(`${key}: a change does not follow`);
      if (entry === null && previous === null) this.faults.push(`${key}: deleted twice`);
      if (entry !== null && entry.revision === previous?.revision) this.faults.push(`${key}: repeated`);
      if (entry === null) this.values.delete(key);
      else this.values.set(key, entry.value);
    }
  };

  seen(key: string): (string | null)[] {
    const changes = this.batches.flatMap((batch) => batch.changes);
    return changes.filter((change) => change.key === key).map(({ entry }) => entry?.value ?? null);
  }
}

/** Runs `body` with a watch over `prefix` that reaches etcd through a relay. */
export async function watching(
  server: EtcdServer,
  prefix: string,
  body: (watched: { recorder: Recorder; relay: TcpRelay; watch: Watch }) => Promise<void>,
): Promise<void> {
  const relay = await TcpRelay.to(server.endpoint);
  const store = openStore({
    endpoints: [relay.endpoint],
    callTimeoutMs: PATIENCE_MS,
    watchAuditIntervalMs: AUDIT_INTERVAL_MS,
  });
  const recorder = new Recorder();
  try {
    const watch = await store.watch({ prefixes: [prefix] }, recorder.listener);
    await body({ recorder, relay, watch });
    assert.deepEqual(recorder.faults, []);
  } finally {
    store.close();
    relay.close();
  }
}

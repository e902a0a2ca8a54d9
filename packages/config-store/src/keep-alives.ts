/** Keep-alives of the same moment go on one stream: a process may hold a lease for each of a thousand vdisks. */
import { messageOf } from '@salvor/service-kit';
import type { EtcdCalls } from './etcd-calls.ts';

interface Asker {
  readonly resolve: (ttlMs: number) => void;
  readonly reject: (error: Error) => void;
}

type Asked = Map<string, Asker>;

/** How long keep-alives are gathered for one stream. */
const GATHER_MS = 10;

const gathering = new WeakMap<EtcdCalls, Map<number, Asked>>();

/**
 * Sends one keep-alive. Every stream carries at most one of each lease and is used once, so that no late answer is taken
 * for a newer one.
 *
 * @returns the time to live that etcd answers, in milliseconds; 0 or less: the lease is gone
 */
export function keepAlive(etcd: EtcdCalls, lease: string, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let byTimeout = gathering.get(etcd);
    if (byTimeout === undefined) {
      byTimeout = new Map();
      gathering.set(etcd, byTimeout);
    }
    let asked = byTimeout.get(timeoutMs);
    if (asked === undefined) {
      asked = new Map();
      byTimeout.set(timeoutMs, asked);
      setTimeout(() => sendGathered(etcd, timeoutMs), GATHER_MS);
    }
    asked.set(lease, { resolve, reject });
  });
}

function sendGathered(etcd: EtcdCalls, timeoutMs: number): void {
  const byTimeout = gathering.get(etcd);
  const asked: Asked = byTimeout?.get(timeoutMs) ?? new Map();
  byTimeout?.delete(timeoutMs);
  const fail = (error: unknown): void => {
    const reason = error instanceof Error ? error : new Error(messageOf(error));
    for (const { reject } of asked.values()) reject(reason);
    asked.clear();
  };
  etcd.openKeepAliveStream(timeoutMs).then((stream) => {
    stream.on('error', fail);
    stream.on('end', () => fail(new Error('the keep-alive stream ended without an answer')));
    stream.on('data', ({ ID, TTL }) => {
      asked.get(ID)?.resolve(Number(TTL) * 1_000);
      asked.delete(ID);
      if (asked.size === 0) stream.end();
    });
    for (const ID of asked.keys()) stream.write({ ID });
  }, fail);
}

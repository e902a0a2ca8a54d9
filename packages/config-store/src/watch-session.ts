/** One watch stream, from its creation until there is any doubt that it delivers everything. */
import { messageOf } from '@salvor/service-kit';
import type { IEvent, IWatchResponse } from 'etcd3';
import { askForNews } from './audit-reads.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import type { RangeEvent, RangeView } from './range-view.ts';
import { entryOf } from './ranges.ts';
import { sharedWatchStream } from './watch-streams.ts';

export interface SessionSink {
  onEvents(view: RangeView, events: readonly RangeEvent[], revision: string): void;
  /** Nothing older than this monotonic time was missed. */
  onConfirmed(atMs: number): void;
}

const CREATE_TIMEOUT_MS = 3_000;
/** How long an event may still be under way when an audit already sees its effect. */
const AUDIT_GRACE_MS = 250;

/**
 * Follows all views from the revision they were listed at. Resolves to the reason why it stopped: the stream broke, etcd
 * cancelled it (compaction), it was not created in time, or an audit found a change that the stream did not bring.
 */
export async function followChanges(
  etcd: EtcdCalls,
  views: readonly RangeView[],
  sink: SessionSink,
  { auditIntervalMs, signal }: { auditIntervalMs: number; signal: AbortSignal },
): Promise<string> {
  const stream = await sharedWatchStream(etcd);
  return await new Promise<string>((resolve) => {
    const ids: number[] = [];
    let over = false;
    let created = 0;
    const heard = stream.heard;
    let timer = setTimeout(() => {
      const reason = `not created within ${CREATE_TIMEOUT_MS} ms`;
      // A stream that brought nothing at all will bring nothing to the others either.
      if (stream.heard === heard) stream.end(reason);
      finish(reason);
    }, CREATE_TIMEOUT_MS);
    const onAbort = () => finish('closed');

    const finish = (reason: string) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const id of ids) stream.remove(id);
      resolve(reason);
    };

    const scheduleAudit = () => {
      timer = setTimeout(() => {
        const askedAtMs = performance.now();
        const heardBefore = stream.heard;
        auditViews(etcd, views, signal)
          .then((missed) => {
            if (over) return;
            if (missed !== null) {
              // Where others still hear something it is slow, or this watcher is gone; else it is dead for all of them.
              if (stream.heard === heardBefore) stream.end(missed);
              return finish(missed);
            }
            sink.onConfirmed(askedAtMs);
            scheduleAudit();
          })
          .catch((error: unknown) => finish(`audit failed: ${messageOf(error)}`));
      }, auditIntervalMs);
    };

    const onResponse = (view: RangeView, response: IWatchResponse) => {
      if (response.canceled) return finish(cancelReason(response));
      if (response.created) {
        created += 1;
        if (created === views.length) {
          clearTimeout(timer);
          scheduleAudit();
        }
        return;
      }
      sink.onEvents(view, response.events.map(eventOf), response.header.revision);
    };

    signal.addEventListener('abort', onAbort);
    if (signal.aborted) return finish('closed');
    for (const view of views) {
      if (over) break;
      const { start, end } = view.range;
      const request = {
        key: start,
        ...(end === null ? {} : { range_end: end }),
        start_revision: String(view.seen + 1n),
      };
      ids.push(stream.add(request, { onResponse: (response) => onResponse(view, response), onEnd: finish }));
    }
  });
}

/** Asks etcd, without values, for changes that the stream has not brought; resolves to what was missed, or null. */
async function auditViews(
  etcd: EtcdCalls,
  views: readonly RangeView[],
  signal: AbortSignal,
): Promise<string | null> {
  const missed = await Promise.all(
    views.map(async (view) => {
      const seen = view.seen;
      const known = view.entries.size;
      const { revision, count, isChanged } = await askForNews(etcd, view.range, seen);
      if ((!isChanged && count === known) || view.seen !== seen) return null;
      await new Promise((resolve) => setTimeout(resolve, AUDIT_GRACE_MS));
      if (view.seen !== seen || signal.aborted) return null;
      return `audit at revision ${revision} found changes that the stream did not bring`;
    }),
  );
  return missed.find((reason) => reason !== null) ?? null;
}

function eventOf({ type, kv }: IEvent): RangeEvent {
  // The typings spell it Delete, the wire DELETE.
  const entry = type.toUpperCase() === 'DELETE' ? null : entryOf(kv);
  return { key: kv.key.toString(), revision: kv.mod_revision, entry };
}

function cancelReason({ compact_revision, cancel_reason }: IWatchResponse): string {
  return compact_revision === '0'
    ? `cancelled by etcd: ${cancel_reason}`
    : `compacted at revision ${compact_revision}`;
}

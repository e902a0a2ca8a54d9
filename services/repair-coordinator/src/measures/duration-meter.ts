import type { Metrics } from '@salvor/service-kit';
import type { Announcement } from '../announcements.ts';

const BUCKETS_SECONDS = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400];

/** Measures what has ended: how long outages lasted, and operations, such as replays and moves to another zone, took. */
export function durationMeter(metrics: Metrics): (announcement: Announcement) => void {
  const outages = metrics.histogram(
    'salvor_incident_duration_seconds',
    'From the first report of an outage to its end',
    BUCKETS_SECONDS,
    ['outcome'],
  );
  const operations = metrics.histogram(
    'salvor_operation_duration_seconds',
    'From an operation begun to its completion',
    BUCKETS_SECONDS,
    ['kind'],
  );
  const failed = metrics.counter(
    'salvor_operations_failed_total',
    'Operations that failed or were cancelled',
    ['kind', 'code'],
  );
  return (announcement) => {
    switch (announcement.type) {
      case 'incident.closed':
        outages.observe(announcement.payload.durationMs / 1_000, { outcome: announcement.payload.outcome });
        break;
      case 'operation.completed':
        operations.observe((announcement.payload.durationMs ?? 0) / 1_000, {
          kind: announcement.payload.kind,
        });
        break;
      case 'operation.failed':
        failed.add({ kind: announcement.payload.kind, code: announcement.payload.code });
        break;
    }
  };
}

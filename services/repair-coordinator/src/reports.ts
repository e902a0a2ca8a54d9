import { type Bus, type BusEvent, type Consumption, RetryLater } from '@salvor/bus';
import {
  applyInBurst,
  type BurstInput,
  type ConfigStore,
  type EngineStatusResult,
  type FlappingPolicy,
  StoreError,
} from '@salvor/config-store';
import { type CounterMetric, type Logger, messageOf, SalvorError } from '@salvor/service-kit';
import { busOnlyTypes } from './hooks/hook-points.ts';

/** The events that may change an engine's status. */
export const reportTypes = ['engine.failure-reported', 'engine.verdict-given', 'repair.completed'] as const;
type Report = BusEvent<(typeof reportTypes)[number]>;
type Heard = BusEvent<(typeof reportTypes)[number] | (typeof busOnlyTypes)[number]>;

export interface ReportsOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly taken: CounterMetric;
  /** When an engine that comes back is held offline all the same. */
  readonly flapping?: FlappingPolicy;
  /** Called when repairs may have completed. */
  readonly onRepair: () => void;
  /** Called with what only the bus tells and hooks may be hung up at; the event comes again when it rejects. */
  readonly onTold: (event: BusEvent<(typeof busOnlyTypes)[number]>) => Promise<void>;
}

/** When many engines fail at once, their reports are stored together. */
const REPORTS_AT_ONCE = 16;

/** Takes reports from the bus and applies them. Throws where the event should be tried again. */
export async function takeReport(
  report: Report,
  { store, log, taken, flapping, onRepair }: ReportsOptions,
): Promise<void> {
  if (report.type === 'repair.completed') return onRepair();
  const cluster = report.payload.cluster;
  const hint = cluster === undefined ? {} : { cluster };
  const input = inputOf(report);
  const result = await applyInBurst(store, input, { ...hint, flapping }).catch((error: unknown) => {
    // Not the report's fault: it is kept until etcd is back, has a leader, or room again.
    if (isEtcdTrouble(error)) throw new RetryLater(messageOf(error));
    throw error;
  });
  logResult(log, report.type, report.payload.address, result);
  taken.add({ type: report.type, outcome: result.outcome });
  if (result.outcome === 'conflict') throw new SalvorError('conflict', result.reason);
}

function inputOf({ type, payload, id }: Exclude<Report, { type: 'repair.completed' }>): BurstInput {
  if (type === 'engine.failure-reported') {
    const { address, reporter, reason, detectedAt } = payload;
    return { kind: 'failure-reported', address, reporter, reason, detectedAt, operation: id };
  }
  const { incident, attempt, verdict, reason, evidence, by, missedWrites, oddReporter } = payload;
  return {
    kind: 'verdict',
    incident,
    attempt,
    verdict,
    reason,
    evidence: evidence.map((found) => ({ ...found })),
    by,
    operation: id,
    ...(missedWrites === undefined ? {} : { missedWrites }),
    ...(oddReporter === undefined ? {} : { oddReporter }),
  };
}

export function logResult(log: Logger, what: string, engine: string, result: EngineStatusResult): void {
  const { outcome, code, reason, incident } = result;
  const fields = { engine, outcome, code, reason, incident: incident?.id };
  // What is refused may be what somebody waits for.
  if (outcome === 'applied' || outcome === 'refused') log.info(fields, what);
  else log.debug(fields, what);
}

/** Consumes the reports as one of the coordinators. */
export function consumeReports(bus: Bus, options: ReportsOptions): Consumption {
  return bus.consume({
    durable: 'repair-coordinator',
    concurrency: REPORTS_AT_ONCE,
    types: [...reportTypes, ...busOnlyTypes],
    handler: (event) => (isReport(event) ? takeReport(event, options) : tell(event, options)),
  });
}

function isReport(event: Heard): event is Report {
  return reportTypes.some((type) => type === event.type);
}

async function tell(event: Exclude<Heard, Report>, { onTold }: ReportsOptions): Promise<void> {
  await onTold(event).catch((error: unknown) => {
    if (isEtcdTrouble(error)) throw new RetryLater(messageOf(error));
    throw error;
  });
}

function isEtcdTrouble(error: unknown): boolean {
  return error instanceof StoreError && ['store-unavailable', 'store-refused'].includes(error.code);
}

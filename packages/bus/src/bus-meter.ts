import type { Metrics } from '@salvor/service-kit';

/** How the handling of an event ended. */
export type EventOutcome = 'handled' | 'retried' | 'held' | 'dead-letter';

/** Counts what a process does on the bus: rate, errors and duration of commands, and what becomes of events. */
export interface BusMeter {
  /** A command that is served here, before anybody asked it. */
  served(command: string): void;
  /** @param outcome `ok`, or the code of the error that was answered */
  answered(command: string, outcome: string, seconds: number): void;
  /** @param outcome `ok`, or the code of the error that the caller got */
  asked(command: string, outcome: string): void;
  published(type: string): void;
  took(type: string, outcome: EventOutcome): void;
  buried(code: string): void;
}

/** What is read when somebody asks for the metrics. */
export interface BusReadings {
  readonly connected: () => boolean;
  readonly outbox: () => { readonly messages: number; readonly bytes: number };
  readonly inFlight: () => number;
}

const DURATION_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const unmetered: BusMeter = {
  served: () => {},
  answered: () => {},
  asked: () => {},
  published: () => {},
  took: () => {},
  buried: () => {},
};

/** Once a process: a second connection of it is not metered. */
export function busMeter(metrics: Metrics, { connected, outbox, inFlight }: BusReadings): BusMeter {
  metrics.gaugeFrom('salvor_bus_connected', 'Whether NATS is connected: 1, else 0', () =>
    connected() ? 1 : 0,
  );
  metrics.gaugeFrom(
    'salvor_bus_outbox_messages',
    'Messages that no stream has acknowledged yet',
    () => outbox().messages,
  );
  metrics.gaugeFrom(
    'salvor_bus_outbox_bytes',
    'Bytes of messages that no stream has acknowledged yet',
    () => outbox().bytes,
  );
  metrics.gaugeFrom('salvor_commands_in_flight', 'Commands being answered now', inFlight);
  const answered = metrics.counter('salvor_commands_total', 'Commands answered here', ['command', 'outcome']);
  const seconds = metrics.histogram(
    'salvor_command_duration_seconds',
    'From a command taken to its answer',
    DURATION_BUCKETS_SECONDS,
    ['command'],
  );
  const asked = metrics.counter('salvor_commands_asked_total', 'Commands asked of other services', [
    'command',
    'outcome',
  ]);
  const published = metrics.counter('salvor_events_published_total', 'Events that a stream has stored', [
    'type',
  ]);
  const took = metrics.counter('salvor_events_consumed_total', 'Deliveries of events that ended here', [
    'type',
    'outcome',
  ]);
  const buried = metrics.counter('salvor_dead_letters_total', 'Messages that nobody could handle', ['code']);
  return {
    served: (command) => answered.add({ command, outcome: 'ok' }, 0),
    answered: (command, outcome, tookSeconds) => {
      answered.add({ command, outcome });
      seconds.observe(tookSeconds, { command });
    },
    asked: (command, outcome) => asked.add({ command, outcome }),
    published: (type) => published.add({ type }),
    took: (type, outcome) => took.add({ type, outcome }),
    buried: (code) => buried.add({ code }),
  };
}

import { type EventType, events, eventTypes, isEventType, toPlainJson } from '@salvor/contracts';
import { eventSentence, isAlarming } from '@salvor/story';
import type { Call, Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { clockText } from '../rendering/time.ts';

const MAX_COUNT = 1_000_000_000;

export const eventsCommand: Command = {
  name: 'events',
  description: 'Shows events as they happen, in sentences, until Ctrl-C.',
  options: {
    type: {
      type: 'string',
      value: 'type',
      multiple: true,
      help: 'only this type, such as engine.status-changed',
    },
    count: { type: 'string', value: 'n', help: 'end after so many events' },
  },
  examples: ['salvor events', 'salvor events --type incident.opened --type incident.closed --json'],
  async run(call) {
    const types = typesOf(call.args.list('type'));
    const count = call.args.integer('count', 1, MAX_COUNT) ?? Number.POSITIVE_INFINITY;
    await call.withBus(async ({ bus }) => {
      const interrupted = call.terminal.interrupted();
      const enough = new AbortController();
      let seen = 0;
      const watch = bus.watchEvents({
        types,
        handler: (event) => {
          if (enough.signal.aborted) return;
          call.terminal.out(lineOf(event, call));
          seen += 1;
          if (seen >= count) enough.abort();
        },
        onGap: (reason) => call.terminal.err(`salvor: some events may be missing here: ${reason}\n`),
      });
      if (call.terminal.isInteractive) call.terminal.err('salvor: watching events, Ctrl-C ends\n');
      await aborted(AbortSignal.any([interrupted, enough.signal]));
      await watch.stop();
    });
  },
};

type Shown = {
  [T in EventType]: { type: T; id: string; subject: string; source: string; payload: unknown };
}[EventType];

function lineOf(event: Shown, { args, paint }: Call): string {
  const { type, id, subject, source } = event;
  const payload = event.payload as never;
  if (args.flag('json')) {
    const json = toPlainJson(events[type].record, payload);
    return `${JSON.stringify({ type, id, subject, source, payload: json })}\n`;
  }
  const { at } = payload as { at: number };
  const text = eventSentence(type, payload);
  return `${paint('dim', `${clockText(at)}Z`)}  ${isAlarming(type) ? paint('red', text) : text}\n`;
}

function typesOf(given: readonly string[]): EventType[] | 'all' {
  if (given.length === 0) return 'all';
  return given.map((type) => {
    if (isEventType(type)) return type;
    throw usageError(`events: expected --type to be one of ${eventTypes().join(', ')}, found '${type}'`);
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

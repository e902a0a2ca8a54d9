/** Segments that were brought back, and what they hold. */
import { resolve } from 'node:path';
import type { Call, Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { counted, printable, properties, table } from '../rendering/text.ts';
import { itemAsJson, itemsOf, type SegmentItem } from '../segments/segment-items.ts';
import { type ListedSegment, tellDoubts } from '../segments/segment-source.ts';
import { rangeOf, rangeOptions, sourceOptions, withSource } from '../segments/with-source.ts';

const MAX_CONTAINER = 2 ** 31 - 1;
const TELL_INTERVAL_MS = 2_000;
const name = { name: 'segment', help: 'the name of the segment' };

export const segmentCommands: readonly Command[] = [
  {
    name: 'segment list',
    sends: 'segment.list',
    options: {
      container: { type: 'string', value: 'n', help: 'only this container' },
      prefix: { type: 'string', value: 'text', help: 'only names that begin so' },
      ...sourceOptions,
    },
    examples: ['salvor segment list', 'salvor segment list --prefix farm/orders/ --json'],
    async run(call) {
      const { args, paint, print } = call;
      const filter = {
        container: args.integer('container', 0, MAX_CONTAINER),
        prefix: args.text('prefix') ?? '',
      };
      const segments = await withSource(call, async (source) => {
        const found: ListedSegment[] = [];
        for await (const { segment, container, length, startOffset, sealed, uncertain } of source.list(
          filter,
        ))
          found.push({ segment, container, length, startOffset, sealed, uncertain });
        return found;
      });
      const headers = ['container', 'sealed', 'length', 'start offset', 'name', 'uncertain'];
      print({ segments }, () => {
        const rows = segments.map(({ container, sealed, length, startOffset, segment, uncertain }) => [
          ...[String(container), String(sealed), String(length), String(startOffset), printable(segment)],
          uncertain.map(({ fact }) => fact).join(', '),
        ]);
        return table(paint, headers, rows, 'no segments');
      });
    },
  },
  {
    name: 'segment get',
    sends: 'segment.get',
    positionals: [name],
    options: sourceOptions,
    examples: ['salvor segment get farm/orders/1.#epoch.0'],
    async run(call) {
      const segment = await withSource(call, (source) => source.get(call.args.positional('segment')));
      call.print({ segment }, () =>
        properties(call.paint, [
          ['segment', printable(segment.segment)],
          ['container', String(segment.container)],
          ['length', String(segment.length)],
          ['start offset', String(segment.startOffset)],
          ['sealed', String(segment.sealed)],
          ['holds', segment.events === undefined ? segment.framing : counted(segment.events, 'whole event')],
          [
            'cut off',
            segment.appendAt < segment.length ? `bytes ${segment.appendAt} to ${segment.length}` : undefined,
          ],
          ['lost', ranges(segment.lost)],
          ['sha256', segment.sha256],
          ...segment.uncertain.map(({ fact, why }) => ['uncertain', `${fact}: ${printable(why)}`] as const),
        ]),
      );
    },
  },
  {
    name: 'segment read',
    description:
      'Prints what a segment holds: its whole events, one a line; the entries of a table; or its bytes as they are. An event that is cut off is never printed.',
    positionals: [name],
    options: {
      ...rangeOptions,
      raw: { type: 'boolean', help: 'the bytes as they are, with the headers of events' },
      ...sourceOptions,
    },
    examples: [
      'salvor segment read farm/orders/1.#epoch.0',
      'salvor segment read farm/orders/1.#epoch.0 --from 3000 --json',
      'salvor segment read farm/orders/1.#epoch.0 --raw --root /mnt/tier2',
    ],
    async run(call) {
      const { args, terminal } = call;
      await withSource(call, async (source) => {
        const segment = await source.get(args.positional('segment'));
        tellDoubts(call, segment);
        const range = rangeOf(call, segment);
        if (args.flag('raw')) {
          for await (const { data } of source.content(segment, range)) terminal.out(data);
          return;
        }
        for await (const item of itemsOf(source, segment, range))
          terminal.out(args.flag('json') ? `${itemAsJson(item)}\n` : itemText(item));
      });
    },
  },
  {
    name: 'segment export',
    description:
      'Writes what a segment holds to a file: an Avro object container file, which any Avro tool reads, or one JSON object a line.',
    positionals: [name, { name: 'file', help: 'the file; one that is there is not replaced' }],
    options: {
      format: { type: 'string', value: 'format', help: 'avro (default) or ndjson' },
      ...rangeOptions,
      ...sourceOptions,
    },
    examples: [
      'salvor segment export farm/orders/1.#epoch.0 orders-1.avro',
      'salvor segment export farm/orders/1.#epoch.0 orders-1.ndjson --format ndjson',
    ],
    async run(call) {
      const { args, terminal, print } = call;
      const format = args.text('format') ?? 'avro';
      if (format !== 'avro' && format !== 'ndjson')
        throw usageError(`segment export: expected --format to be avro or ndjson, found '${format}'`);
      const path = resolve(terminal.cwd, args.positional('file'));
      const { exportSegment, refuseExisting } = await import('../segments/segment-export.ts');
      await refuseExisting(path);
      const { count, segment } = await withSource(call, async (source) => {
        const segment = await source.get(args.positional('segment'));
        tellDoubts(call, segment);
        const items = watched(call, itemsOf(source, segment, rangeOf(call, segment)));
        return { segment, count: await exportSegment(path, format, segment, items) };
      });
      print({ file: path, items: count }, () => {
        const noun = { events: 'event', entries: 'key' }[segment.framing] ?? 'piece';
        return `${counted(count, noun)} in ${printable(path)}\n`;
      });
    },
  },
  {
    name: 'segment publish',
    description:
      'Publishes the whole events of a segment into a subject of JetStream, in order. The same event again is stored once, as long as the duplicate window of the stream.',
    positionals: [name, { name: 'subject', help: 'a subject that a stream takes' }],
    options: rangeOptions,
    examples: ['salvor segment publish farm/orders/1.#epoch.0 orders.recovered'],
    async run(call) {
      const { args, print } = call;
      const subject = args.positional('subject');
      const { checkSubject, publishEvents } = await import('../segments/segment-publish.ts');
      const { useTier1 } = await import('../segments/with-source.ts');
      checkSubject(subject);
      const published = await call.withBus((session) =>
        useTier1(session, async (source) => {
          const segment = await source.get(args.positional('segment'));
          if (segment.framing !== 'events')
            throw usageError(
              `segment publish: expected a segment with events, found one with ${segment.framing}`,
            );
          tellDoubts(call, segment);
          const items = watched(call, itemsOf(source, segment, rangeOf(call, segment)));
          return publishEvents(session.bus.logStreams, segment, subject, items);
        }),
      );
      print(
        published,
        () =>
          `${counted(published.events, 'event')} published, ${published.duplicates} of them were there already\n`,
      );
    },
  },
];

/** Tells from time to time how far it is. */
async function* watched({ terminal }: Call, items: AsyncIterable<SegmentItem>): AsyncGenerator<SegmentItem> {
  let told = performance.now();
  let count = 0;
  for await (const item of items) {
    if (performance.now() - told >= TELL_INTERVAL_MS) {
      told = performance.now();
      const at = item.kind === 'entry' ? '' : `, at offset ${item.offset}`;
      terminal.err(`salvor: ${counted(count, 'item')}${at}\n`);
    }
    yield item;
    count += 1;
  }
}

function itemText(item: SegmentItem): string | Buffer {
  if (item.kind === 'event') return `${item.offset}\t${printable(item.payload.toString('utf8'))}\n`;
  if (item.kind === 'bytes') return item.data;
  return `${printable(item.key.toString('utf8'))}\t${printable(item.value.toString('utf8'))}\n`;
}

function ranges(list: readonly { readonly from: number; readonly to: number }[]): string | undefined {
  return list.length === 0 ? undefined : list.map(({ from, to }) => `bytes ${from} to ${to}`).join(', ');
}

/** Tables among the segments that were brought back. */
import { SalvorError } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { printable } from '../rendering/text.ts';
import { itemAsJson } from '../segments/segment-items.ts';
import { type KnownSegment, tellDoubts } from '../segments/segment-source.ts';
import { sourceOptions, withSource } from '../segments/with-source.ts';

const name = { name: 'segment', help: 'the name of the segment of the table' };

export const segmentTableCommands: readonly Command[] = [
  {
    name: 'segment table list',
    description: 'Lists the keys of a table that are alive, with their versions and values.',
    positionals: [name],
    options: sourceOptions,
    examples: ['salvor segment table list _system/_tables/scopes'],
    async run(call) {
      const { args, terminal } = call;
      await withSource(call, async (source) => {
        const segment = tableOnly(await source.get(args.positional('segment')));
        tellDoubts(call, segment);
        for await (const { key, version, value } of source.values(segment))
          terminal.out(
            args.flag('json')
              ? `${itemAsJson({ kind: 'entry', key, version, value })}\n`
              : `${printable(key.toString('utf8'))}\t${version}\t${printable(value.toString('utf8'))}\n`,
          );
      });
    },
  },
  {
    name: 'segment table get',
    description: 'Prints the value of a key of a table, as it is.',
    positionals: [
      name,
      { name: 'key', help: 'the key; bytes that are no text as 0x and hexadecimal, with --hex' },
    ],
    options: {
      hex: { type: 'boolean', help: 'the key is given in hexadecimal' },
      ...sourceOptions,
    },
    examples: ['salvor segment table get _system/_tables/scopes farm'],
    async run(call) {
      const { args, terminal } = call;
      const text = args.positional('key');
      const wanted = args.flag('hex') ? hexKey(text) : Buffer.from(text, 'utf8');
      await withSource(call, async (source) => {
        const segment = tableOnly(await source.get(args.positional('segment')));
        tellDoubts(call, segment);
        for await (const { key, version, value } of source.values(segment)) {
          if (!key.equals(wanted)) continue;
          terminal.out(args.flag('json') ? `${itemAsJson({ kind: 'entry', key, version, value })}\n` : value);
          return;
        }
        throw new SalvorError('unknown-key', `table ${segment.segment} has no key ${JSON.stringify(text)}`);
      });
    },
  },
];

function tableOnly(segment: KnownSegment): KnownSegment {
  if (segment.framing === 'entries') return segment;
  throw usageError(
    `expected a table, found a segment with ${segment.framing}: ${printable(segment.segment)}`,
  );
}

function hexKey(text: string): Buffer {
  const digits = text.replace(/^0x/, '');
  if (/^([0-9a-f]{2})+$/i.test(digits)) return Buffer.from(digits, 'hex');
  throw usageError(`segment table get: expected <key> to be hexadecimal, found '${printable(text)}'`);
}

/** What is in a Tier-2 of others: read from the directory alone, without a bus. */
import { resolve } from 'node:path';
import type { LayoutName, ListedSegment, TreeReader } from '@salvor/pravega';
import type { Arguments } from '../arguments.ts';
import type { Call, Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { findingLine } from '../rendering/finding-line.ts';
import { counted, printable } from '../rendering/text.ts';

const MAX_CONTAINERS = 2 ** 31 - 1;
const HEADERS = ['CONTAINER', 'SEALED', 'LENGTH', 'START OFFSET', 'NAME'] as const;
const LINES_AT_ONCE = 1_000;
const MIN_MEMORY_MIB = 64;
const MAX_MEMORY_MIB = 65_536;
/** Of the damage, the text shows so much; JSON has all of it. */
const MAX_SHOWN_FINDINGS = 100;

export const storageCommands: readonly Command[] = [
  {
    name: 'storage list-segments',
    description:
      'Lists the segments in a Tier-2 directory of Pravega, of either layout. Nothing but the directory is needed, and nothing in it is changed. What is damaged is told on stderr, and with --json in findings; everything else is listed.',
    positionals: [{ name: 'root', help: 'the directory' }],
    options: {
      full: { type: 'boolean', help: 'with --json: attributes, and the SHA-256 of the content' },
      csv: { type: 'string', value: 'folder', help: 'write Container_<n>.csv for each container there' },
      layout: {
        type: 'string',
        value: 'name',
        help: 'chunked or legacy, where the directory has files of both',
      },
      containers: {
        type: 'string',
        value: 'n',
        help: 'how many containers the cluster had (else deduced from the metadata)',
      },
      'memory-mib': {
        type: 'string',
        value: 'n',
        help: 'memory for what is known of the tree (default 320); a tree that needs more is refused',
      },
    },
    examples: [
      'salvor storage list-segments /mnt/tier2',
      'salvor storage list-segments /mnt/tier2 --json --full',
      'salvor storage list-segments /mnt/tier2 --csv ./lists',
    ],
    async run(call) {
      const { args, terminal } = call;
      const root = resolve(terminal.cwd, args.positional('root'));
      if (args.flag('full') && !args.flag('json'))
        throw usageError('storage list-segments: --full needs --json');
      const layout = layoutOf(args);
      const containerCount = args.integer('containers', 1, MAX_CONTAINERS);
      const maxHeapMib = args.integer('memory-mib', MIN_MEMORY_MIB, MAX_MEMORY_MIB);
      const { TreeReader } = await import('@salvor/pravega');
      const tree = await TreeReader.open(root, {
        ...(layout === undefined ? {} : { layout }),
        ...(containerCount === undefined ? {} : { containerCount }),
        ...(maxHeapMib === undefined ? {} : { maxHeapMib }),
      });
      try {
        await show(call, tree);
      } finally {
        await tree.close();
      }
    },
  },
];

async function show(call: Call, tree: TreeReader): Promise<void> {
  const { args, terminal } = call;
  const { segmentsAsJson, writeContainerCsv } = await import('@salvor/pravega');
  const folder = args.text('csv');
  if (folder !== undefined) {
    const paths = await writeContainerCsv(tree, resolve(terminal.cwd, folder));
    terminal.err(`salvor: wrote ${counted(paths.length, 'list')} to ${printable(folder)}\n`);
  }
  if (args.flag('json'))
    for await (const piece of segmentsAsJson(tree, args.flag('full'))) terminal.out(piece);
  else await showTable(call, tree);
}

/** Gone through twice: once for the widths of columns, then line by line. */
async function showTable({ paint, terminal }: Call, tree: TreeReader): Promise<void> {
  const { everySegment } = await import('@salvor/pravega');
  const widths = HEADERS.map((header) => header.length);
  const doubts: string[] = [];
  let doubtCount = 0;
  for await (const segment of everySegment(tree)) {
    for (const [column, cell] of cellsOf(segment).entries())
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    for (const [fact, why] of Object.entries(segment.uncertain)) {
      doubtCount += 1;
      if (doubts.length < MAX_SHOWN_FINDINGS) doubts.push(`uncertain: ${fact} of ${segment.name}: ${why}`);
    }
  }
  if (tree.outline.segments === 0) terminal.out(`${paint('dim', 'no segments')}\n`);
  else {
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd();
    let lines = [paint('dim', line(HEADERS))];
    for await (const segment of everySegment(tree)) {
      lines.push(line(cellsOf(segment)));
      if (lines.length < LINES_AT_ONCE) continue;
      terminal.out(`${lines.join('\n')}\n`);
      lines = [];
    }
    if (lines.length > 0) terminal.out(`${lines.join('\n')}\n`);
  }
  const damage = (await tree.findings()).filter(({ severity }) => severity === 'damage');
  const shown = [...damage.slice(0, MAX_SHOWN_FINDINGS).map(findingLine), ...doubts].slice(
    0,
    MAX_SHOWN_FINDINGS,
  );
  for (const each of shown) terminal.err(`salvor: ${printable(each)}\n`);
  const more = damage.length + doubtCount - shown.length;
  if (more > 0) terminal.err(`salvor: and ${more} more; --json shows all\n`);
}

function cellsOf({ container, sealed, length, startOffset, name }: ListedSegment): string[] {
  return [String(container), String(sealed), String(length), String(startOffset), printable(name)];
}

function layoutOf(args: Arguments): LayoutName | undefined {
  const text = args.text('layout');
  if (text === undefined || text === 'chunked' || text === 'legacy') return text;
  throw usageError(`storage list-segments: expected --layout to be chunked or legacy, found '${text}'`);
}

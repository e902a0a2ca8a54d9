/** What is in a Tier-2 of others: read from the directory alone, without a bus. */
import { resolve } from 'node:path';
import type { Finding, LayoutName, PravegaTree } from '@salvor/pravega';
import type { Arguments } from '../arguments.ts';
import type { Call, Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { counted, printable, table } from '../rendering/text.ts';

const MAX_CONTAINERS = 2 ** 31 - 1;
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
      const { openTree } = await import('@salvor/pravega');
      const tree = await openTree(root, {
        ...(layout === undefined ? {} : { layout }),
        ...(containerCount === undefined ? {} : { containerCount }),
      });
      try {
        await show(call, tree);
      } finally {
        tree.close();
      }
    },
  },
];

async function show(call: Call, tree: PravegaTree): Promise<void> {
  const { args, terminal } = call;
  const { segmentsAsJson, writeContainerCsv } = await import('@salvor/pravega');
  const folder = args.text('csv');
  if (folder !== undefined) {
    const paths = await writeContainerCsv(tree, resolve(terminal.cwd, folder));
    terminal.err(`salvor: wrote ${counted(paths.length, 'list')} to ${printable(folder)}\n`);
  }
  if (args.flag('json')) {
    for await (const piece of segmentsAsJson(tree, args.flag('full'))) terminal.out(piece);
    return;
  }
  const rows = tree.segments.map(({ container, sealed, length, startOffset, name }) => [
    ...[String(container), String(sealed), String(length), String(startOffset), printable(name)],
  ]);
  const headers = ['container', 'sealed', 'length', 'start offset', 'name'];
  terminal.out(table(call.paint, headers, rows, 'no segments'));
  tellTrouble(call, tree);
}

/** Doubts about what was listed, and damage. */
function tellTrouble({ terminal }: Call, tree: PravegaTree): void {
  const lines = tree.segments.flatMap(({ name, uncertain }) =>
    Object.entries(uncertain).map(([fact, why]) => `uncertain: ${fact} of ${name}: ${why}`),
  );
  const damage = tree.findings.filter(({ severity }) => severity === 'damage');
  lines.unshift(...damage.map(damageLine));
  for (const line of lines.slice(0, MAX_SHOWN_FINDINGS)) terminal.err(`salvor: ${printable(line)}\n`);
  const more = lines.length - MAX_SHOWN_FINDINGS;
  if (more > 0) terminal.err(`salvor: and ${more} more; --json shows all\n`);
}

function damageLine({ code, message, container, segment, path, from, to }: Finding): string {
  const place = [
    container === undefined ? undefined : `container ${container}`,
    segment,
    path,
    from === undefined ? undefined : `bytes ${from} to ${to ?? 'the end'}`,
  ].filter((part) => part !== undefined);
  return `${code}: ${message}${place.length === 0 ? '' : ` (${place.join(', ')})`}`;
}

function layoutOf(args: Arguments): LayoutName | undefined {
  const text = args.text('layout');
  if (text === undefined || text === 'chunked' || text === 'legacy') return text;
  throw usageError(`storage list-segments: expected --layout to be chunked or legacy, found '${text}'`);
}

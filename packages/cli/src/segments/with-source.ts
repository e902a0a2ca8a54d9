/** The options by which a command about segments finds them. */
import { resolve } from 'node:path';
import type { Call, OptionSpecs } from '../command.ts';
import type { Session } from '../connection.ts';
import { usageError } from '../failure.ts';
import { BoundedLines } from '../rendering/bounded-lines.ts';
import { findingLine } from '../rendering/finding-line.ts';
import { printable } from '../rendering/text.ts';
import type { SegmentSource } from './segment-source.ts';

export const sourceOptions: OptionSpecs = {
  root: {
    type: 'string',
    value: 'dir',
    help: 'read a Tier-2 directory of Pravega instead of Tier-1; needs no bus',
  },
  layout: {
    type: 'string',
    value: 'name',
    help: 'with --root: chunked or legacy, where the directory has files of both',
  },
};

const LAST_OFFSET = Number.MAX_SAFE_INTEGER;

export async function withSource<T>(call: Call, use: (source: SegmentSource) => Promise<T>): Promise<T> {
  const root = call.args.text('root');
  const layout = layoutOf(call);
  if (root === undefined) return call.withBus((session) => useTier1(session, use));
  const [{ TreeReader }, { treeSource }] = await Promise.all([
    import('@salvor/pravega'),
    import('./tree-source.ts'),
  ]);
  const tree = await TreeReader.open(
    resolve(call.terminal.cwd, root),
    layout === undefined ? {} : { layout },
  );
  try {
    const used = await use(treeSource(tree));
    const shown = new BoundedLines(call.terminal.err);
    for (const finding of await tree.findings())
      if (finding.severity === 'damage') shown.tell(findingLine(finding));
    shown.end("'salvor dr verify' shows all");
    return used;
  } finally {
    await tree.close();
  }
}

function layoutOf({ args }: Call): 'chunked' | 'legacy' | undefined {
  const layout = args.text('layout');
  if (layout === undefined) return undefined;
  if (args.text('root') === undefined) throw usageError('expected --layout with --root alone');
  if (layout === 'chunked' || layout === 'legacy') return layout;
  throw usageError(`expected --layout to be chunked or legacy, found '${printable(layout)}'`);
}

export async function useTier1<T>(session: Session, use: (source: SegmentSource) => Promise<T>): Promise<T> {
  const { tier1Source } = await import('./tier1-source.ts');
  return use(tier1Source(session));
}

export const rangeOptions: OptionSpecs = {
  from: { type: 'string', value: 'offset', help: 'only what begins at this offset or later' },
  to: { type: 'string', value: 'offset', help: 'only what begins before this offset' },
};

export function rangeOf({ args }: Call, { startOffset, length }: { startOffset: number; length: number }) {
  return {
    from: Math.max(startOffset, args.integer('from', 0, LAST_OFFSET) ?? 0),
    to: Math.min(length, args.integer('to', 0, LAST_OFFSET) ?? length),
  };
}

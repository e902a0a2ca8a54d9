/** The options by which a command about segments finds them. */
import { resolve } from 'node:path';
import type { Call, OptionSpecs } from '../command.ts';
import type { Session } from '../connection.ts';
import type { SegmentSource } from './segment-source.ts';

export const sourceOptions: OptionSpecs = {
  root: {
    type: 'string',
    value: 'dir',
    help: 'read a Tier-2 directory of Pravega instead of Tier-1; needs no bus',
  },
};

const LAST_OFFSET = Number.MAX_SAFE_INTEGER;

export async function withSource<T>(call: Call, use: (source: SegmentSource) => Promise<T>): Promise<T> {
  const root = call.args.text('root');
  if (root === undefined) return call.withBus((session) => useTier1(session, use));
  const [{ openTree }, { treeSource }] = await Promise.all([
    import('@salvor/pravega'),
    import('./tree-source.ts'),
  ]);
  const tree = await openTree(resolve(call.terminal.cwd, root));
  try {
    return await use(treeSource(tree));
  } finally {
    tree.close();
  }
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

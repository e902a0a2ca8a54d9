import { dirtyKey } from './engine-keys.ts';
import type { Pair } from './pair.ts';

/** Blocks of a pair that the member which serves marks as missing on the other one; 0 where nothing is marked. */
export async function countDirty(pair: Pick<Pair, 'mode' | 'query' | 'context'>): Promise<number> {
  const { kind } = pair.mode;
  if (kind !== 'alone' && kind !== 'repairing') return 0;
  const [marked] = await pair.query((frame) => frame.command('BITCOUNT', dirtyKey(pair.context.vdisk)));
  return typeof marked === 'number' ? marked : 0;
}

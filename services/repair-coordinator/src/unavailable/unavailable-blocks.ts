/** How many blocks of a vdisk have no live copy on a shard, and how that is known. */
import type { UnavailableVdisk } from '@salvor/config-store';

export interface VdiskSize {
  readonly vdisk: string;
  readonly type: string;
  /** Blocks of the whole vdisk. */
  readonly blocks: number;
  readonly shard: number;
  /** Servers in the cluster, and which of them are `rip`. */
  readonly shards: number;
  readonly rip: readonly number[];
}

/** What an engine of the shard says, though it may not serve. */
export interface EngineAnswer {
  readonly address: string;
  readonly servedLast: boolean;
  /** Since when it lacks writes, Unix milliseconds. */
  readonly staleSince: number | null;
  /** Null: no usable answer, and why. */
  readonly found:
    | { readonly blocks: number; readonly exact: boolean; readonly dirtyBlocks: number }
    | { readonly problem: string };
}

export function decideUnavailableBlocks(size: VdiskSize, answers: readonly EngineAnswer[]): UnavailableVdisk {
  const { vdisk, shard } = size;
  const bound = boundOf(size);
  const atMost = `at most ${bound} blocks of shard ${shard}`;
  if (size.type === 'boot') {
    const detail = `${atMost}: any content of a vdisk of type boot may be there`;
    return { vdisk, blocks: bound, counted: false, detail };
  }
  const last = answers.find((answer) => answer.servedLast);
  if (last !== undefined && !('problem' in last.found)) {
    const { blocks, exact, dirtyBlocks } = last.found;
    const alone = dirtyBlocks === 0 ? '' : `; ${dirtyBlocks} were written while it served alone`;
    const how = exact ? 'holds' : 'holds about';
    const detail = `${last.address} served last, answers and ${how} ${blocks} blocks${alone}`;
    return exact
      ? { vdisk, blocks, counted: true, detail }
      : { vdisk, blocks: bound, counted: false, detail: `${atMost}: ${detail}` };
  }
  const silent = answers.flatMap(({ address, found }) =>
    'problem' in found ? [`${address}: ${found.problem}`] : [],
  );
  const older = answers.find(({ found }) => !('problem' in found));
  if (older !== undefined && !('problem' in older.found)) {
    const { blocks, exact } = older.found;
    const when = older.staleSince === null ? '' : ` as of ${new Date(older.staleSince).toISOString()}`;
    const known = `${older.address} answers and holds ${exact ? '' : 'about '}${blocks} blocks${when}; what was written later is not there`;
    return { vdisk, blocks: bound, counted: false, detail: `${atMost}: ${known}` };
  }
  const why = silent.length === 0 ? '' : `: no engine answers (${silent.join('; ')})`;
  return { vdisk, blocks: bound, counted: false, detail: `${atMost}${why}` };
}

/** Blocks of shard i are those whose index modulo the number of shards is i; those of `rip` shards may be on any other. */
function boundOf({ type, blocks, shard, shards, rip }: VdiskSize): number {
  if (type === 'boot') return blocks;
  const share = (of: number): number => Math.max(0, Math.ceil((blocks - of) / shards));
  return share(shard) + rip.reduce((sum, gone) => sum + (gone === shard ? 0 : share(gone)), 0);
}

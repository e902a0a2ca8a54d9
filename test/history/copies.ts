import type { Bus } from '@salvor/bus';
import { EngineLink, type EngineReply, type HistoryRecorder, type Stack } from '@salvor/testkit';

/** What is asked of an engine at once. */
const FIELDS_AT_ONCE = 256;

/**
 * Compares every block that was touched on both members of its pair, as the engines hold them, with nothing of Salvor in
 * between. Only while nobody writes, and everything is healthy. Answers with the number of blocks.
 */
export async function compareCopies(
  stack: Stack,
  bus: Bus,
  recorder: HistoryRecorder,
  devices: readonly string[],
): Promise<number> {
  const members = async (cluster: string) =>
    (await bus.request('cluster.get', { cluster })).cluster.engines.map(({ address }) =>
      stack.engineAt(address),
    );
  const [primaries, slaves] = [await members(stack.clusters.primary), await members(stack.clusters.slave)];
  let compared = 0;
  for (const [shard, primary] of primaries.entries()) {
    const slave = slaves[shard];
    if (slave === undefined) throw new Error(`shard ${shard} has no second copy`);
    using first = await EngineLink.open(primary.port);
    using second = await EngineLink.open(slave.port);
    for (const [index, device] of devices.entries()) {
      const blocks = recorder.touchedBlocks(index).filter((block) => block % primaries.length === shard);
      for (let from = 0; from < blocks.length; from += FIELDS_AT_ONCE) {
        const some = blocks.slice(from, from + FIELDS_AT_ONCE);
        const [ours, theirs] = await Promise.all([fields(first, device, some), fields(second, device, some)]);
        for (const [i, block] of some.entries()) {
          compared++;
          if (isSame(ours[i] ?? null, theirs[i] ?? null)) continue;
          const reason = `${primary.address} and ${slave.address} hold different bytes`;
          recorder.reportCopies(device, block, reason);
        }
      }
    }
  }
  return compared;
}

async function fields(link: EngineLink, device: string, blocks: readonly number[]): Promise<EngineReply[]> {
  const reply = await link.sendRaw('HMGET', `nondedup:${device}`, ...blocks);
  if (!Array.isArray(reply)) throw new Error(`expected an array from HMGET, found ${typeof reply}`);
  return reply;
}

function isSame(a: EngineReply, b: EngineReply): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : a === null && b === null;
}

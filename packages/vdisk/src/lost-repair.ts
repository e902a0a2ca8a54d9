import { copyGuardKey } from './engine-keys.ts';
import { EngineError } from './errors.ts';
import { attemptOfGuard, decideLeftGuard } from './left-guard.ts';
import type { Pair } from './pair.ts';
import type { PairMember } from './pair-member.ts';
import { Frame } from './resp.ts';

/** What `member`, whose session is open, lost of a repair, when nobody but itself tells what it must have; null when nothing. */
export async function lostRepair(pair: Pair, member: PairMember): Promise<EngineError | null> {
  const { vdisk } = pair.context;
  const session = await member.open();
  const [found] = await session.request(new Frame().command('GET', copyGuardKey(vdisk)));
  if (!Buffer.isBuffer(found)) return null;
  const { record } = member;
  const guard = found.toString('latin1');
  const attempt = attemptOfGuard(guard);
  const means = decideLeftGuard({
    attempt: attempt?.attempt ?? null,
    recorded: attempt === null ? [] : await pair.context.recordedAttempts(attempt.incident),
    isLossAccepted: record.isLossAccepted === true,
  });
  // Repaired once more it would be a sign again.
  if (means === 'forgiven')
    await member.transact(new Frame().command('DEL', copyGuardKey(vdisk)), session.head);
  if (means !== 'lost') return null;
  const message = `engine ${record.address} has the copy guard of a repair of vdisk ${vdisk} that is on record as complete (${guard}): it lost the end of that repair`;
  return new EngineError('tail-lost', message);
}

import { EngineControl } from './engine-control.ts';
import { unixSocketOf } from './engine-socket.ts';
import { EngineError } from './errors.ts';
import { decideTailMissing } from './member-history.ts';
import type { Pair } from './pair.ts';
import type { PairMember } from './pair-member.ts';
import { isRequired } from './pair-mode.ts';

/**
 * Batch that the partner of `member` is at, when etcd records that partner as stale; null when it is not stale, does not
 * answer, or is not who it should be. Nothing is ever served from it: it only tells what `member` must have.
 */
export async function batchOfStalePartner(pair: Pair, member: PairMember): Promise<number | null> {
  const partner = pair.members.find((other) => other !== member);
  if (partner === undefined || isRequired(partner.view)) return null;
  const { vdisk, settings } = pair.context;
  const { login, connectTimeoutMs: timeoutMs, engineSockets } = settings;
  const { address, db, identity } = partner.record;
  const unixSocket = unixSocketOf(engineSockets, address);
  try {
    return await EngineControl.with({ address, db, login, timeoutMs, unixSocket }, async (control) => {
      await control.assertIdentity(identity);
      return (await control.writesAlone(vdisk)).batch;
    });
  } catch (error) {
    if (error instanceof EngineError) return null;
    throw error;
  }
}

/** Fails `member`, found at batch `seq`, when its stale partner tells that it lost its last writes. */
export function blameMissingTail(
  pair: Pair,
  member: PairMember,
  seq: number,
  stalePartner: number | null,
): boolean {
  const missing = missingTail(pair, member, seq, stalePartner);
  if (missing !== null) member.fail(missing);
  return missing !== null;
}

/** What `member`, found at batch `seq`, lacks by what its stale partner tells; null when nothing. */
export function missingTail(
  pair: Pair,
  member: PairMember,
  seq: number,
  stalePartner: number | null,
): EngineError | null {
  if (!decideTailMissing(seq, stalePartner)) return null;
  const message = `engine ${member.record.address} is at batch ${seq} of vdisk ${pair.context.vdisk}, and its partner, which is stale, at ${stalePartner}: it lost its last writes`;
  return new EngineError('tail-lost', message);
}

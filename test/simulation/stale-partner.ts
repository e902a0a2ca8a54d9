import { EngineError } from '../../packages/vdisk/src/errors.ts';
import { type Flow, wait } from './flow.ts';
import type { Member } from './member.ts';
import type { Pair } from './pair.ts';
import { ask, assertIdentity, assertServes, CONNECT_TIMEOUT_MS } from './session.ts';

/** Batch that the stale partner of a member is at, null when it does not tell: what the product's function of this name does. */
export function* batchOfStalePartner(pair: Pair, member: Member): Flow<number | null> {
  const { world, owner } = pair;
  const partner = pair.members.find((other) => other !== member);
  if (partner === undefined || world.cores.isRequired(partner.view)) return null;
  const { engine, record } = partner;
  const look = (): number => {
    assertServes(world, engine);
    assertIdentity(engine, record.identity);
    return engine.shard(owner.vdisk).seq;
  };
  try {
    return yield* wait(ask(world, owner.process, engine, look, { timeoutMs: CONNECT_TIMEOUT_MS }));
  } catch (error) {
    if (error instanceof EngineError) return null;
    throw error;
  }
}

export function blameMissingTail(
  pair: Pair,
  member: Member,
  seq: number,
  stalePartner: number | null,
): boolean {
  if (!pair.world.cores.decideTailMissing(seq, stalePartner)) return false;
  member.fail(new EngineError('tail-lost', `${member.record.address} is behind its stale partner`));
  return true;
}

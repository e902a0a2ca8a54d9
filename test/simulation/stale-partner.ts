import { EngineError } from '../../packages/vdisk/src/errors.ts';
import { attemptOfGuard } from '../../packages/vdisk/src/left-guard.ts';
import type { Etcd } from './etcd.ts';
import { type Flow, wait } from './flow.ts';
import { repairsPrefix } from './keys.ts';
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

/** Fails `member`, found at batch `seq`, when its stale partner tells that it lost its last writes. */
export function blameMissingTail(
  pair: Pair,
  member: Member,
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
  member: Member,
  seq: number,
  stalePartner: number | null,
): EngineError | null {
  if (!pair.world.cores.decideTailMissing(seq, stalePartner)) return null;
  return new EngineError('tail-lost', `${member.record.address} is behind its stale partner`);
}

/** What `member` lost of a repair, when nobody but itself tells what it must have: what the product's function of this name does. */
export function* lostRepair(pair: Pair, member: Member): Flow<EngineError | null> {
  const { world, owner } = pair;
  const session = yield* member.open();
  const guard = yield* wait(session.read((shard) => shard.guard));
  if (guard === null) return null;
  const attempt = attemptOfGuard(guard);
  const { etcd } = world;
  const recorded =
    attempt === null
      ? []
      : yield* wait(etcd.call(owner.process, () => repairedAttempts(etcd, attempt.incident, owner.vdisk)));
  const isLossAccepted = member.record.isLossAccepted === true;
  const means = world.cores.decideLeftGuard({ attempt: attempt?.attempt ?? null, recorded, isLossAccepted });
  if (means === 'forgiven') yield* session.transact(() => ({ guard: null }), session.head);
  if (means !== 'lost') return null;
  return new EngineError('tail-lost', `${member.record.address} lost the end of ${guard}`);
}

function repairedAttempts(etcd: Etcd, incident: string, vdisk: number): number[] {
  const prefix = repairsPrefix(incident);
  return etcd
    .withPrefix(prefix)
    .map(({ key }) => key.slice(prefix.length).split('/'))
    .filter(([, repaired]) => Number(repaired) === vdisk)
    .map(([attempt]) => Number(attempt));
}

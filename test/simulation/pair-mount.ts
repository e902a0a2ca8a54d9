import { EngineError } from '../../packages/vdisk/src/errors.ts';
import type { FoundHistory } from '../../packages/vdisk/src/member-history.ts';
import { readRing, withRingEntry } from './engine.ts';
import { raiseEpoch } from './engine-control.ts';
import { type Flow, settled, wait } from './flow.ts';
import type { Member } from './member.ts';
import { bitsOf, HOLD_MAX_MS, type Pair } from './pair.ts';
import type { Session } from './session.ts';
import { batchOfStalePartner, blameMissingTail, lostRepair } from './stale-partner.ts';

/** Fences every earlier owner of a shard and finds out where its write history stands: what the product's `mountPair` does. */
export function* mountPair(pair: Pair): Flow<void> {
  const required = pair.required();
  const [only, other] = required;
  const isAlone = only !== undefined && other === undefined;
  const ended = yield* wait(
    settled<number | null>([
      ...required.map((member) => fence(pair, member)),
      ...(isAlone ? [batchOfStalePartner(pair, only)] : []),
    ]),
  );
  for (const { error } of ended) if (error !== null) throw error;
  const stalePartner = ended.at(required.length)?.value ?? null;
  if (isAlone) yield* judgeAlone(pair, only, stalePartner);
  const live = required.filter(({ fault }) => fault === null);
  const [first, second] = live;
  if (first !== undefined && second !== undefined) yield* levelOrBlame(pair, first, second);
  const left = live.filter(({ fault }) => fault === null);
  if (left.length === 1) for (const member of left) yield* blameLostRepair(pair, member);
  for (const { session, fault } of live)
    if (session !== null && fault === null) pair.adoptSeq(session.head.seq);
  for (const member of live) {
    const { session, fault, record } = member;
    if (session === null || fault !== null || session.head.seq >= pair.seq) continue;
    member.fail(new EngineError('tail-lost', `${record.address} is at batch ${session.head.seq}`));
  }
  pair.world.checker.tookUp(
    pair,
    live.filter(({ fault }) => fault === null),
    stalePartner,
  );
  pair.mounted();
  const giveUpAt = pair.world.scheduler.now + HOLD_MAX_MS;
  while (pair.mode.kind === 'holding' && pair.world.scheduler.now < giveUpAt && pair.closed === null)
    yield* pair.nextChange(giveUpAt - pair.world.scheduler.now);
}

function* fence(pair: Pair, member: Member): Flow<null> {
  const { world, owner } = pair;
  try {
    yield* raiseEpoch(world, owner.process, member.engine, member.record.identity, owner.vdisk, owner.epoch);
    yield* member.openUnjudged();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    member.fail(error);
  }
  return null;
}

function* judgeAlone(pair: Pair, only: Member, stalePartner: number | null): Flow<void> {
  try {
    const { head } = yield* only.open();
    blameMissingTail(pair, only, head.seq, stalePartner);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

function* blameLostRepair(pair: Pair, member: Member): Flow<void> {
  try {
    const lost = yield* lostRepair(pair, member);
    if (lost !== null) member.fail(lost);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    member.fail(error);
  }
}

function* levelOrBlame(pair: Pair, a: Member, b: Member): Flow<void> {
  try {
    yield* level(pair, a, b);
  } catch (error) {
    if (!(error instanceof EngineError) || (a.fault === null && b.fault === null)) throw error;
  }
}

function* asking<T>(member: Member, question: (session: Session) => Flow<T>): Flow<T> {
  try {
    return yield* question(yield* member.open());
  } catch (error) {
    if (error instanceof EngineError) member.fail(error);
    throw error;
  }
}

function* level(pair: Pair, a: Member, b: Member): Flow<void> {
  const members = [a, b] as const;
  const found = [yield* historyOf(a), yield* historyOf(b)] as const;
  const levelling = pair.world.cores.decideLevelling(...found);
  switch (levelling.kind) {
    case 'level':
      return;
    case 'left-alone': {
      const partner = members[levelling.survivor] === a ? b : a;
      return partner.fail(new EngineError('tail-lost', `${partner.record.address} misses writes`));
    }
    case 'tail-lost':
      return members[levelling.behind].fail(new EngineError('tail-lost', 'it lost its last writes'));
    case 'copy-last-batch': {
      const ahead = members[levelling.from];
      yield* copyLastBatch(ahead, ahead === a ? b : a);
    }
  }
}

function historyOf(member: Member): Flow<FoundHistory> {
  return asking(member, function* (session) {
    const { dirty, guard } = yield* wait(session.read((shard) => shard));
    return { head: session.head, isMarked: dirty !== 0, isUnderCopy: guard !== null };
  });
}

function* copyLastBatch(ahead: Member, behind: Member): Flow<void> {
  const { seq, mask, values } = yield* asking(ahead, function* (session) {
    const upTo = session.head.seq;
    const found = yield* wait(
      session.read((shard) => ({ mask: readRing(shard, upTo - 1, upTo), values: shard.blocks })),
    );
    return { seq: upTo, ...found };
  });
  if (mask === null) return behind.fail(new EngineError('tail-lost', 'it lost its last writes'));
  yield* asking(behind, function* (session) {
    const change = (shard: Parameters<typeof withRingEntry>[0]) => {
      const blocks = [...shard.blocks];
      for (const bit of bitsOf(mask)) blocks[bit] = values[bit] ?? 0;
      return { seq, blocks, ...withRingEntry(shard, seq, mask) };
    };
    yield* session.transact(change, { ...session.head, seq });
  });
}

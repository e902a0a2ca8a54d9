import { readSound } from './corrupt-blocks.ts';
import { addLastObjects } from './deduped/content-objects.ts';
import { EngineControl } from './engine-control.ts';
import { copyGuardKey, dirtyKey } from './engine-keys.ts';
import type { EngineSession } from './engine-session.ts';
import { EngineError } from './errors.ts';
import { UNREADABLE } from './layout/block-layout.ts';
import { lostRepair } from './lost-repair.ts';
import { decideLevelling, type FoundHistory } from './member-history.ts';
import type { Pair } from './pair.ts';
import type { PairMember } from './pair-member.ts';
import { isRequired } from './pair-mode.ts';
import { Frame } from './resp.ts';
import { batchOfStalePartner, blameMissingTail } from './stale-partner.ts';
import { addAdvance, addReadRing, parseRing } from './write-history.ts';

/**
 * Fences every earlier owner of a shard and finds out where its write history stands. Resolves when the pair can tell
 * which members hold every acknowledged write: with a failed member, that is when etcd has recorded it as stale.
 *
 * @throws FencedError when another process owns the vdisk
 */
export async function mountPair(pair: Pair): Promise<void> {
  const required = pair.members.filter(({ view }) => isRequired(view));
  const [only, other] = required;
  const [stalePartner] = await Promise.all([
    only !== undefined && other === undefined ? batchOfStalePartner(pair, only) : null,
    ...required.map((member) => fence(pair, member)),
  ]);
  if (only !== undefined && other === undefined) await judgeAlone(pair, only, stalePartner);
  const live = required.filter(({ fault }) => fault === null);
  const [first, second] = live;
  if (first !== undefined && second !== undefined) await levelOrBlame(pair, first, second);
  const left = live.filter(({ fault }) => fault === null);
  if (left.length === 1) for (const member of left) await blameLostRepair(pair, member);
  for (const { session, fault } of live)
    if (session !== null && fault === null) pair.adoptSeq(session.head.seq);
  for (const member of live) blameIfBehind(pair, member);
  pair.mounted();
  const giveUpAt = performance.now() + pair.context.settings.holdMaxMs;
  while (pair.mode.kind === 'holding' && performance.now() < giveUpAt && !pair.closed) {
    await pair.nextChange(giveUpAt - performance.now());
  }
}

/** A member whose link was opened anew while the two were compared may have lost its tail in between. */
function blameIfBehind(pair: Pair, member: PairMember): void {
  const { session, fault, record } = member;
  if (session === null || fault !== null || session.head.seq >= pair.seq) return;
  const message = `engine ${record.address} is at batch ${session.head.seq} of vdisk ${pair.context.vdisk}, expected ${pair.seq}: it lost its last writes`;
  member.fail(new EngineError('tail-lost', message));
}

async function fence(pair: Pair, member: PairMember): Promise<void> {
  const { vdisk, epoch, settings } = pair.context;
  const { address, db, identity } = member.record;
  try {
    const options = { address, db, login: settings.login, timeoutMs: settings.connectTimeoutMs };
    await EngineControl.with(options, async (control) => {
      await control.raiseEpoch(identity, vdisk, epoch);
      await control.endOlderOwners(vdisk, epoch);
    });
    await member.openUnjudged();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    await member.failToOpen(error);
  }
}

/** A member whose partner is stale has nothing to be levelled with; what the stale one holds still tells of a lost tail. */
async function judgeAlone(pair: Pair, only: PairMember, stalePartner: number | null): Promise<void> {
  try {
    // A link that broke meanwhile is opened anew.
    const { head } = await only.open();
    blameMissingTail(pair, only, head.seq, stalePartner);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

/** Where nobody is there to compare it with. */
async function blameLostRepair(pair: Pair, member: PairMember): Promise<void> {
  try {
    const lost = await lostRepair(pair, member);
    if (lost !== null) member.fail(lost);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    member.fail(error);
  }
}

/** A member that is lost on the way has failed as if it had been away from the start: the other one goes on. */
async function levelOrBlame(pair: Pair, a: PairMember, b: PairMember): Promise<void> {
  try {
    await level(pair, a, b);
  } catch (error) {
    if (!(error instanceof EngineError) || (a.fault === null && b.fault === null)) throw error;
  }
}

/** Asks a member something; it has failed when it cannot answer. */
async function asking<T>(member: PairMember, ask: (session: EngineSession) => Promise<T>): Promise<T> {
  try {
    // A link that broke meanwhile is opened anew: where it is in the write history is seen from its head below.
    return await ask(await member.open());
  } catch (error) {
    if (error instanceof EngineError) member.fail(error);
    throw error;
  }
}

/**
 * Brings two members that etcd records as current to the same batch. An owner that died in the middle of a batch leaves
 * one of them a single batch ahead; more than that means that the other lost its tail.
 */
async function level(pair: Pair, a: PairMember, b: PairMember): Promise<void> {
  const members = [a, b] as const;
  const found = [await historyOf(pair, a), await historyOf(pair, b)] as const;
  const levelling = decideLevelling(...found);
  switch (levelling.kind) {
    case 'level':
      return;
    case 'left-alone': {
      const survivor = members[levelling.survivor];
      const partner = survivor === a ? b : a;
      const message = `engine ${partner.record.address} misses writes of vdisk ${pair.context.vdisk} that ${survivor.record.address} took alone`;
      return partner.fail(new EngineError('tail-lost', message));
    }
    case 'tail-lost':
      return blameTail(pair, members[levelling.behind], levelling.lead);
    case 'copy-last-batch': {
      const ahead = members[levelling.from];
      const behind = ahead === a ? b : a;
      const blocks = await lastBatch(pair, ahead);
      if (blocks === null) return blameTail(pair, behind, 1);
      await copyBatch(pair, ahead, behind, [...blocks]);
    }
  }
}

function blameTail(pair: Pair, behind: PairMember, lead: number): void {
  const message = `engine ${behind.record.address} is ${lead} batches of vdisk ${pair.context.vdisk} behind its partner: it lost its last writes`;
  behind.fail(new EngineError('tail-lost', message));
}

async function historyOf(pair: Pair, member: PairMember): Promise<FoundHistory> {
  return asking(member, async (session) => {
    const { vdisk } = pair.context;
    const question = new Frame().command('BITCOUNT', dirtyKey(vdisk)).command('EXISTS', copyGuardKey(vdisk));
    const [marked, prepared] = await session.request(question);
    const isMarked = typeof marked === 'number' && marked > 0;
    return { head: session.head, isMarked, isUnderCopy: prepared === 1 };
  });
}

async function lastBatch(pair: Pair, member: PairMember): Promise<Set<number> | null> {
  return asking(member, async (session) => {
    const upTo = session.head.seq;
    const [reply] = await session.request(addReadRing(new Frame(), pair.context.vdisk, upTo - 1, upTo));
    return parseRing(reply, upTo - 1, upTo);
  });
}

async function copyBatch(pair: Pair, ahead: PairMember, behind: PairMember, blocks: number[]): Promise<void> {
  const { seq, found, corrupt } = await asking(ahead, async (session) => ({
    seq: session.head.seq,
    ...(await readSound(session, blocks)),
  }));
  for (const block of corrupt) found.set(block, UNREADABLE);
  const frame = new Frame();
  addAdvance(frame, pair.context.vdisk, seq, blocks);
  if (blocks.length > 0) pair.context.layout.addStore(frame, found, true);
  await asking(ahead, (session) => addLastObjects(frame, session, pair.context.vdisk));
  await asking(behind, ({ head }) => behind.transact(frame, { ...head, seq }));
}

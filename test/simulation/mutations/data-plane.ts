/** Faults in what the owner of a vdisk decides. */
import { isSameState } from '../../../packages/vdisk/src/member-record.ts';
import type { MemberView } from '../../../packages/vdisk/src/pair-mode.ts';
import type { Mutation } from './mutation.ts';

export const dataPlaneMutations: readonly Mutation[] = [
  {
    name: 'no-epoch-fence',
    fault: 'an engine takes writes and answers reads of an owner that was deposed',
    mutate: ({ decideEpoch }) => ({
      decideEpoch: (ours, found) => (decideEpoch(ours, found) === 'lost' ? 'lost' : 'ours'),
    }),
  },
  {
    name: 'lost-epoch-accepted',
    fault: 'an engine that forgot the epoch is used as if it had it',
    mutate: ({ decideEpoch }) => ({
      decideEpoch: (ours, found) => (decideEpoch(ours, found) === 'higher' ? 'higher' : 'ours'),
    }),
  },
  {
    name: 'older-links-not-barred',
    fault: 'what an abandoned link still has on its way is applied after a new link was opened',
    mutate: () => ({ barsOlderLinks: () => false }),
  },
  {
    name: 'lost-dirty-bit',
    fault: 'a block that the survivor takes alone is not marked',
    mutate: ({ decideBatchParts }) => ({
      decideBatchParts: (mode, content, head) =>
        decideBatchParts(mode, content, head).map((part) => ({ ...part, marksBlocks: false })),
    }),
  },
  {
    name: 'fork-not-kept',
    fault: 'a survivor that serves alone says that its batches were meant for both',
    mutate: ({ decideBatchParts }) => ({
      decideBatchParts: (mode, content, head) => decideBatchParts(mode, content, { ...head, fork: null }),
    }),
  },
  {
    name: 'writes-pass-by-the-target',
    fault: 'writes during a repair go to the survivor only',
    mutate: ({ decideBatchParts }) => ({
      decideBatchParts: (mode, content, head) => {
        const parts = decideBatchParts(mode, content, head);
        return mode.kind === 'repairing' ? parts.slice(0, 1) : parts;
      },
    }),
  },
  {
    name: 'copies-not-in-the-ring',
    fault: 'the ring does not name the blocks that a repair copied',
    mutate: ({ decideBatchParts }) => ({
      decideBatchParts: (mode, content, head) =>
        decideBatchParts(mode, content, head).map((part) => ({
          ...part,
          ring: part.ring === null ? null : content.blocks,
        })),
    }),
  },
  {
    name: 'bits-not-cleared',
    fault: 'blocks that were copied stay marked',
    mutate: ({ decideBatchParts }) => ({
      decideBatchParts: (mode, content, head) =>
        decideBatchParts(mode, content, head).map((part) => ({ ...part, clears: [] })),
    }),
  },
  {
    name: 'ack-before-offline',
    fault: 'writes are acknowledged before etcd records that the other member is stale',
    mutate: ({ decidePairMode, isRequired }) => ({
      isRequired: (view) => isRequired(view) && !view.failed,
      decidePairMode: (primary, slave) => {
        const mode = decidePairMode(primary, slave);
        return mode.kind === 'holding' ? { kind: 'alone', on: mode.on, reason: mode.reason } : mode;
      },
    }),
  },
  {
    name: 'unrecorded-repair-trusted',
    fault: 'a repaired member takes writes alone before its repair is on record',
    mutate: ({ decidePairMode }) => ({
      decidePairMode: (primary, slave) => {
        const known = (view: MemberView): MemberView => ({ ...view, unrecorded: false });
        return decidePairMode(known(primary), slave === null ? null : known(slave));
      },
    }),
  },
  {
    name: 'stale-member-used',
    fault: 'a member that is back counts as current before it is repaired',
    mutate: ({ decidePairMode }) => ({
      decidePairMode: (primary, slave) => {
        const current = (view: MemberView): MemberView =>
          view.status === 'repair-tmp-outage' ? { ...view, repaired: true } : view;
        return decidePairMode(current(primary), slave === null ? null : current(slave));
      },
    }),
  },
  {
    name: 'lease-beyond-expiry',
    fault: 'an owner answers by a lease that ran out',
    mutate: () => ({ leaseCounts: () => true }),
  },
  {
    name: 'served-unconfirmed',
    fault: 'beyond the lease requests are answered without asking the engines',
    mutate: () => ({ decideServing: () => ({ kind: 'serve', reason: 'nobody was asked' }) }),
  },
  {
    name: 'owner-key-stolen',
    fault: 'a server takes a vdisk that another one owns',
    mutate: ({ decideOwnerStep }) => ({
      decideOwnerStep: (view, server) => {
        const step = decideOwnerStep(view, server);
        return step === 'owned-elsewhere' ? 'replace-own' : step;
      },
    }),
  },
  {
    name: 'ownership-kept',
    fault: 'an owner does not notice that another one has the vdisk',
    mutate: () => ({ decideOwnershipEnd: () => null }),
  },
  {
    name: 'half-seen-end-believed',
    fault: 'a repair whose end is seen half is taken for one that nobody made',
    mutate: () => ({ decideWholeRecords: (_before, told) => told }),
  },
  {
    name: 'faults-kept',
    fault: 'a failure outlives the outage that it was about',
    mutate: ({ decideMemberRecord }) => ({
      decideMemberRecord: (before, told) => ({ ...decideMemberRecord(before, told), clearsFault: false }),
    }),
  },
  {
    name: 'faults-end-with-the-repair',
    fault: 'a member that failed under repair counts as well when that repair brings it online',
    mutate: ({ decideMemberRecord }) => ({
      decideMemberRecord: (before, told) => ({
        ...decideMemberRecord(before, told),
        clearsFault: !isSameState(before, told),
      }),
    }),
  },
  {
    name: 'sequence-not-checked',
    fault: 'a member that lost its last writes is used after a reconnect',
    mutate: () => ({ decideHistoryFit: () => 'fits' }),
  },
  {
    name: 'members-not-levelled',
    fault: 'a mount does not compare how far its members are',
    mutate: () => ({ decideLevelling: () => ({ kind: 'level' }) }),
  },
  {
    name: 'last-batch-from-behind',
    fault: 'a mount copies the last batch from the member that lacks it',
    mutate: ({ decideLevelling }) => ({
      decideLevelling: (a, b) => {
        const levelling = decideLevelling(a, b);
        return levelling.kind === 'tail-lost'
          ? { kind: 'copy-last-batch', from: levelling.behind === 0 ? 1 : 0 }
          : levelling;
      },
    }),
  },
  {
    name: 'anyone-vouches',
    fault: 'without a survivor the first member that is back counts as whole',
    mutate: ({ decideRepairDue }) => ({
      decideRepairDue: (members) => {
        const plan = decideRepairDue(members);
        if (plan !== null || members.some(({ view }) => view.status === 'online')) return plan;
        const target = members.find(({ record, view }) => record.repair !== null && !view.repaired);
        return target === undefined ? null : { target, source: null };
      },
    }),
  },
  {
    name: 'no-catch-up',
    fault: 'a repair copies what the dirty map marks, and nothing else',
    mutate: () => ({
      decideCatchUp: () => ({ kind: 'maps', survivorRing: null, returningRing: null, reason: 'nothing' }),
    }),
  },
  {
    name: 'any-spare-vouches',
    fault: 'a spare that came back vouches for vdisks that it never had',
    mutate: ({ memberRecords }) => ({
      memberRecords: (view) =>
        memberRecords(view).map((record) =>
          record.repair?.kind === 'repair-final-outage' && record.repair.attempt > 1
            ? { ...record, repair: { ...record.repair, wasRebuilt: true } }
            : record,
        ),
    }),
  },
  {
    name: 'lost-repair-trusted',
    fault: 'the copy guard of a repair whose end was lost says nothing',
    mutate: () => ({ decideLeftGuard: () => 'nothing' }),
  },
  {
    name: 'gap-floor-ignored',
    fault: 'the ring is trusted to reach back further than it does',
    mutate: ({ decideCatchUp }) => ({
      decideCatchUp: (survivor, returning, isSpare) =>
        decideCatchUp({ ...survivor, gapFloor: 0 }, returning, isSpare),
    }),
  },
  {
    name: 'spare-like-a-member',
    fault: 'an empty spare is caught up by the ring',
    mutate: ({ decideCatchUp }) => ({
      decideCatchUp: (survivor, returning) => decideCatchUp(survivor, returning, false),
    }),
  },
  {
    name: 'own-batches-kept',
    fault: 'a batch that only the returning member applied is not taken back',
    mutate: ({ decideCatchUp }) => ({
      decideCatchUp: (survivor, returning, isSpare) => {
        const plan = decideCatchUp(survivor, returning, isSpare);
        return plan.kind === 'maps' ? { ...plan, returningRing: null } : plan;
      },
    }),
  },
  {
    name: 'nothing-marked',
    fault: 'a repair that has to compare everything marks nothing',
    mutate: ({ decidePreparation }) => ({
      decidePreparation: (survivor, target, about) => ({
        ...decidePreparation(survivor, target, about),
        marksAll: false,
      }),
    }),
  },
  {
    name: 'copy-guard-ignored',
    fault: 'a copy of an attempt that ended still lands',
    mutate: () => ({ copyMayLand: () => true }),
  },
];

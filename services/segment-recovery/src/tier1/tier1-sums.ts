/** What a recovery found and did, as the report of the command tells it. */
import type { Tier1Recovery, Tier1RecoveryInit } from '@salvor/contracts';
import type { KeyAction } from './decide-key.ts';
import type { Tier1Plan } from './decide-recovery.ts';
import type { Tier1Sources } from './tier1-sources.ts';

/** The report has all of them. */
const VDISKS_TOLD = 200;
const TROUBLE_TOLD = 100;

export interface SumsAsked {
  readonly operation: string;
  readonly root: string;
  readonly dryRun: boolean;
  readonly sources: Tier1Sources;
  readonly plan: Tier1Plan;
  readonly damage: readonly string[];
  readonly streamsMade: number;
  readonly backup: string | null;
  readonly report: string | null;
  readonly at: number;
}

export function sumsOf(asked: SumsAsked): Tier1RecoveryInit {
  const { plan, sources, damage, backup, report, ...rest } = asked;
  const { operation, root, dryRun, streamsMade, at } = rest;
  const actions = plan.groups.flatMap(({ keys }) => keys.map(({ action }) => action));
  const count = (...wanted: KeyAction[]): number =>
    actions.filter((action) => wanted.includes(action)).length;
  const trouble = troubleOf(plan, damage);
  const { configuration, etcd } = sources;
  return {
    ...{ operation, root, dryRun, loss: plan.loss, streamsMade, at },
    ...(configuration === null
      ? {}
      : { configuration: configuration.path, configurationAt: configuration.at }),
    revision: Number(etcd.revision),
    raisedTo: Number(plan.revision.raiseTo ?? etcd.revision),
    clusters: plan.groups.filter(({ kind }) => kind === 'cluster').length,
    keysWritten: count('put', 'replaced'),
    keysThere: count('there'),
    keysKept: count('kept'),
    keysWithheld: count('withheld'),
    vdisks: plan.vdisks.slice(0, VDISKS_TOLD),
    moreVdisks: Math.max(0, plan.vdisks.length - VDISKS_TOLD),
    lostSegments: plan.vdisks
      .flatMap(({ lost }) => lost)
      .reduce((sum, { from, to }) => sum + to - from + 1, 0),
    trouble: trouble.slice(0, TROUBLE_TOLD),
    moreTrouble: Math.max(0, trouble.length - TROUBLE_TOLD),
    ...(backup === null ? {} : { backup }),
    ...(report === null ? {} : { report }),
  };
}

/** What is lost first, then what is damaged, then what is in doubt, that of single vdisks last. */
export function troubleOf({ vdisks, doubts }: Tier1Plan, damage: readonly string[]): string[] {
  return [
    ...vdisks.flatMap(({ vdisk, lost }) =>
      lost.map(
        ({ from, to, after, before, why }) =>
          `vdisk ${vdisk}: segments ${from} to ${to}, records behind ${after}${before == null ? '' : ` and before ${before}`}, are lost: ${why}`,
      ),
    ),
    ...vdisks
      .filter(({ outcome }) => outcome === 'unknown')
      .map(({ vdisk, reason }) => `vdisk ${vdisk} is not brought back: ${reason}`),
    ...damage,
    ...doubts,
    ...vdisks.flatMap(({ vdisk, doubts: of }) => of.map((doubt) => `vdisk ${vdisk}: ${doubt}`)),
  ];
}

export function sentenceOf({
  dryRun,
  vdisks,
  moreVdisks,
  clusters,
  keysWritten,
  lostSegments,
}: Tier1Recovery | Tier1RecoveryInit): string {
  const total = vdisks.length + moreVdisks;
  const lost =
    lostSegments === 0 ? 'no segment is known to be lost' : `${lostSegments} segments of logs are lost`;
  const what = dryRun ? 'would be written' : 'were written';
  return `${clusters} clusters and ${total} vdisks: ${keysWritten} keys ${what}; ${lost}`;
}

/** The written report: every key and every fact of every log, with where it is from. */
import { ReportFile } from '../recovery/report-file.ts';
import type { Tier1Plan } from './decide-recovery.ts';
import type { Tier1Sources } from './tier1-sources.ts';
import { troubleOf } from './tier1-sums.ts';
import { unknowableOfTier1 } from './unknowable.ts';

export interface ReportAsked {
  readonly operation: string;
  readonly root: string;
  readonly dryRun: boolean;
  readonly plan: Tier1Plan;
  readonly sources: Tier1Sources;
  readonly damage: readonly string[];
}

/** @returns its path */
export async function writeTier1Report(folder: string, asked: ReportAsked): Promise<string> {
  const { operation, root, dryRun, plan, sources, damage } = asked;
  const file = await ReportFile.begin(folder, operation);
  try {
    const { configuration, etcd, lostStreams } = sources;
    const { raiseTo, highest, reason } = plan.revision;
    await file.line({
      ...{ kind: 'recovery', operation, root, dryRun, layout: 'salvor', loss: plan.loss },
      configuration: configuration && {
        path: configuration.path,
        revision: String(configuration.revision),
        at: configuration.at,
      },
      ...{ etcdRevision: String(etcd.revision), lostStreams },
      epochs: {
        raiseTo: raiseTo === null ? null : String(raiseTo),
        highest: highest && { what: highest.what, epoch: String(highest.revision) },
        reason,
      },
      unknowable: unknowableOfTier1,
    });
    for (const { kind, name, keys, facts } of plan.groups) {
      for (const { key, action, fact } of keys) {
        const { fact: _, ...known } = fact;
        await file.line({ kind: 'key', group: `${kind} ${name}`, key, action, ...known });
      }
      for (const fact of facts) await file.line({ group: `${kind} ${name}`, ...fact, kind: 'fact' });
    }
    for (const vdisk of plan.vdisks) await file.line({ kind: 'vdisk', ...vdisk });
    for (const { epochs, ...engine } of sources.engines)
      await file.line({
        kind: 'engine',
        ...engine,
        epochs: Object.fromEntries(
          [...epochs].map(([vdisk, epoch]) => [vdisk, epoch === null ? null : String(epoch)]),
        ),
      });
    for (const message of troubleOf(plan, damage)) await file.line({ kind: 'trouble', message });
    await file.finish({ vdisks: plan.vdisks.length });
  } catch (error) {
    await file.abandon().catch(() => undefined);
    throw error;
  }
  return file.path;
}

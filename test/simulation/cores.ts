/** The decisions of the product that a run makes. A mutation replaces one of them, and must be found out. */
import { decideSparesAdd } from '../../packages/config-store/src/healing/cluster-admission.ts';
import { decideEngineStatus } from '../../packages/config-store/src/healing/engine-status.ts';
import { decideHealingControl } from '../../packages/config-store/src/healing/healing-control.ts';
import { repeatOf } from '../../packages/config-store/src/healing/operation-mark.ts';
import { decideRepairRecord } from '../../packages/config-store/src/healing/repair-record-decision.ts';
import {
  decideVdiskCreate,
  decideVdiskDelete,
} from '../../packages/config-store/src/healing/vdisk-admission.ts';
import { decideBatchParts } from '../../packages/vdisk/src/batch-plan.ts';
import { decideBrokenLink } from '../../packages/vdisk/src/broken-link.ts';
import { decideCatchUp } from '../../packages/vdisk/src/catch-up.ts';
import { decideEpoch } from '../../packages/vdisk/src/epoch-check.ts';
import { decideLeftGuard } from '../../packages/vdisk/src/left-guard.ts';
import {
  decideHistoryFit,
  decideLeftBehind,
  decideLevelling,
  decideTailMissing,
} from '../../packages/vdisk/src/member-history.ts';
import { decideMemberRecord } from '../../packages/vdisk/src/member-record.ts';
import { memberRecords } from '../../packages/vdisk/src/member-records.ts';
import { decideMemberView } from '../../packages/vdisk/src/member-view.ts';
import { decideOwnerStep } from '../../packages/vdisk/src/owner-step.ts';
import { decideOwnershipEnd } from '../../packages/vdisk/src/ownership-end.ts';
import { decidePairMode, isRequired } from '../../packages/vdisk/src/pair-mode.ts';
import { decideRecordingStep } from '../../packages/vdisk/src/recording-step.ts';
import { decideRepairDue } from '../../packages/vdisk/src/repair-due.ts';
import { decidePreparation } from '../../packages/vdisk/src/repair-preparation.ts';
import { decideServing } from '../../packages/vdisk/src/serving.ts';
import { decideWholeRecords } from '../../packages/vdisk/src/whole-records.ts';
import { decideSweep } from '../../services/health-analyzer/src/sweep-decision.ts';
import { decideVerdict } from '../../services/health-analyzer/src/verdict.ts';

export const productCores = {
  decideEngineStatus,
  decideHealingControl,
  decideVdiskCreate,
  decideVdiskDelete,
  decideSparesAdd,
  decideRepairRecord,
  repeatOf,
  decideVerdict,
  decideSweep,
  decideOwnerStep,
  decideOwnershipEnd,
  decideServing,
  decidePairMode,
  isRequired,
  decideMemberRecord,
  decideMemberView,
  decideBrokenLink,
  memberRecords,
  decideWholeRecords,
  decideHistoryFit,
  decideLevelling,
  decideLeftBehind,
  decideTailMissing,
  decideLeftGuard,
  decideBatchParts,
  decideCatchUp,
  decideRepairDue,
  decideRecordingStep,
  decidePreparation,
  decideEpoch,
  leaseCounts,
  copyMayLand,
  barsOlderLinks,
};

export type Cores = typeof productCores;

/** As `LeaseGuard.isOwner`: how long before its possible expiry a lease no longer counts. */
const LEASE_MARGIN_MS = 250;

function leaseCounts(nowMs: number, validUntilMs: number): boolean {
  return nowMs + LEASE_MARGIN_MS < validUntilMs;
}

/** As `CopyLane`: a copy lands only under the preparation that it belongs to. */
function copyMayLand(foundGuard: string | null, guard: string): boolean {
  return foundGuard === guard;
}

/** As `EngineSession.open`: whether what an earlier link still has on its way is refused from then on. */
function barsOlderLinks(): boolean {
  return true;
}

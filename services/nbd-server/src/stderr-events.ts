import type { VdiskEvents } from '@salvor/vdisk';
import type { HealingMeter } from './healing-meter.ts';
import { engineFailureLine, repairCompleteLine } from './stderr-contract.ts';

export interface StderrEventsOptions {
  readonly server: string;
  readonly write: (line: string) => void;
  readonly unavailable: VdiskEvents['dataUnavailable'];
  readonly available: VdiskEvents['dataAvailable'];
  readonly corrupt: VdiskEvents['blocksCorrupt'];
  readonly lost: VdiskEvents['ownershipLost'];
  readonly takeoverAsked: VdiskEvents['takeoverAsked'];
  readonly repaired: (vdisk: string) => void;
  readonly meter: Pick<HealingMeter, 'engineFailed' | 'repairCompleted' | 'writesHeld'>;
}

/** Says on stderr what a supervisor must know, and passes on the rest. */
export function stderrEvents({
  server,
  write,
  unavailable,
  available,
  corrupt,
  lost,
  takeoverAsked,
  repaired,
  meter,
}: StderrEventsOptions): VdiskEvents {
  return {
    engineFailed: (failure) => {
      const { address, vdisk, cluster, reason } = failure;
      write(engineFailureLine({ address, server, vdisk, cluster, reason, at: Date.now() }));
      meter.engineFailed(failure);
    },
    writesHeld: meter.writesHeld,
    repairCompleted: (outcome) => {
      const { kind, address, vdisk, incident, attempt, dirtyBlocks, copiedBlocks, storedBlocks, repairMs } =
        outcome;
      write(
        repairCompleteLine({
          kind,
          address,
          vdisk,
          server,
          incident,
          attempt,
          dirtyBlocks,
          copiedBlocks,
          storedBlocks,
          repairMs: Math.round(repairMs),
          at: Date.now(),
        }),
      );
      meter.repairCompleted(outcome);
      repaired(vdisk);
    },
    dataUnavailable: unavailable,
    dataAvailable: available,
    blocksCorrupt: corrupt,
    ownershipLost: lost,
    takeoverAsked,
  };
}

import type { VdiskEvents } from '@salvor/vdisk';
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
}: StderrEventsOptions): VdiskEvents {
  return {
    engineFailed: ({ address, vdisk, cluster, reason }) =>
      write(engineFailureLine({ address, server, vdisk, cluster, reason, at: Date.now() })),
    repairCompleted: ({
      kind,
      address,
      vdisk,
      incident,
      attempt,
      dirtyBlocks,
      copiedBlocks,
      storedBlocks,
      repairMs,
    }) => {
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
      repaired(vdisk);
    },
    dataUnavailable: unavailable,
    dataAvailable: available,
    blocksCorrupt: corrupt,
    ownershipLost: lost,
    takeoverAsked,
  };
}

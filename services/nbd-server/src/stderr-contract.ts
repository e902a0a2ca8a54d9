/**
 * The lines that an NBD server writes to stderr, one JSON object each: what its supervisor acts on. The `type` and the shape
 * of `data` are fixed; further members may follow.
 */

export interface EngineFailure {
  readonly address: string;
  readonly server: string;
  readonly vdisk: string;
  readonly cluster: string;
  readonly reason: string;
  readonly at: number;
}

export function engineFailureLine({ address, ...more }: EngineFailure): string {
  return line({ type: 'storageengine-failure', data: address, ...more });
}

export interface RepairComplete {
  readonly kind: 'repair-tmp-outage' | 'repair-final-outage';
  readonly address: string;
  readonly vdisk: string;
  readonly server: string;
  readonly incident: string;
  readonly attempt: number;
  readonly dirtyBlocks: number;
  readonly copiedBlocks: number;
  readonly storedBlocks: number;
  readonly repairMs: number;
  readonly at: number;
}

export function repairCompleteLine({ kind, address, vdisk, ...more }: RepairComplete): string {
  return line({ type: `${kind}-complete`, data: { address, vdiskid: vdisk, ...more } });
}

function line(content: object): string {
  return `${JSON.stringify(content)}\n`;
}

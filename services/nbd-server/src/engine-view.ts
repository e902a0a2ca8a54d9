import type { NbdserverProbeReplyInit, NbdserverProbeRequest } from '@salvor/contracts';
import { type ProbeOptions, probeEngine } from '@salvor/vdisk';
import type { VdiskExports } from './vdisk-exports.ts';

export interface EngineViewOptions extends Omit<ProbeOptions, 'observer' | 'now'> {
  readonly server: string;
  readonly exports: Pick<VdiskExports, 'onEngine'>;
}

/** Answers how this server sees an engine: what it finds now, and what its vdisks did without it. */
export async function viewEngine(
  { address, db, identity }: NbdserverProbeRequest,
  { server, exports, ...probe }: EngineViewOptions,
): Promise<NbdserverProbeReplyInit> {
  const target = { address, db, identity: identity === '' ? null : identity };
  const found = await probeEngine(target, { ...probe, observer: server, now: Date.now });
  const { kind: status, detail: reason, at } = found;
  const vdisks = exports
    .onEngine(address)
    .map(({ vdisk, missedWrites }) => ({ vdisk, ...(missedWrites === null ? {} : { missedWrites }) }));
  return { server, address, status, reason, vdisks, at };
}

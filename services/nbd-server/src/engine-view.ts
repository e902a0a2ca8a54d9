import { engineToken, type NbdserverProbeReplyInit, type NbdserverProbeRequest } from '@salvor/contracts';
import type { EngineProbes } from '@salvor/vdisk';
import type { VdiskExports } from './vdisk-exports.ts';

export interface EngineViewOptions {
  readonly server: string;
  readonly probes: EngineProbes;
  readonly exports: Pick<VdiskExports, 'onEngine'>;
}

/**
 * Answers how this server sees an engine: what it finds now, and what its vdisks did without it.
 * @throws InvalidIdError for what is no address
 */
export async function viewEngine(
  { address, db, identity }: NbdserverProbeRequest,
  { server, exports, probes }: EngineViewOptions,
): Promise<NbdserverProbeReplyInit> {
  engineToken(address);
  const target = { address, db, identity: identity === '' ? null : identity };
  const { kind: status, detail: reason, at } = await probes.probe(target);
  const vdisks = exports
    .onEngine(address)
    .map(({ vdisk, missedWrites }) => ({ vdisk, ...(missedWrites === null ? {} : { missedWrites }) }));
  return { server, address, status, reason, vdisks, at };
}

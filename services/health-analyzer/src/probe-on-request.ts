import { type EngineProbeReplyInit, type EngineProbeRequest, engineToken } from '@salvor/contracts';
import type { EngineProbes } from '@salvor/vdisk';
import { KNOWN_AGE_MAX_MS, type KnownEngines } from './known-engines.ts';

/**
 * Probes an engine now. One that is in a cluster must also have the identity that etcd expects there.
 * @throws InvalidIdError for what is no address
 */
export async function probeOnRequest(
  { address, db }: EngineProbeRequest,
  engines: KnownEngines,
  probes: EngineProbes,
): Promise<EngineProbeReplyInit> {
  engineToken(address);
  const known = await engines.all(KNOWN_AGE_MAX_MS);
  const identity = known.find((engine) => engine.address === address && engine.db === db)?.identity ?? null;
  const { kind, detail, at } = await probes.probe({ address, db, identity });
  return { address, status: kind, reason: detail, evidence: [{ kind, detail, at }], at };
}

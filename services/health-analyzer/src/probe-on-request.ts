import type { ConfigStore } from '@salvor/config-store';
import type { EngineProbeReplyInit, EngineProbeRequest } from '@salvor/contracts';
import type { Logger } from '@salvor/service-kit';
import { type ProbeOptions, probeEngine } from '@salvor/vdisk';
import { knownEngines } from './known-engines.ts';

/** Probes an engine now. One that is in a cluster must also have the identity that etcd expects there. */
export async function probeOnRequest(
  store: ConfigStore,
  { address, db }: EngineProbeRequest,
  options: ProbeOptions & { readonly log: Logger },
): Promise<EngineProbeReplyInit> {
  const known = await knownEngines(store, options.log);
  const identity = known.find((engine) => engine.address === address && engine.db === db)?.identity ?? null;
  const finding = await probeEngine({ address, db, identity }, options);
  const { kind, detail, at } = finding;
  return { address, status: kind, reason: detail, evidence: [{ kind, detail, at }], at };
}

/** What an open incident waits for just now, as those say who could end the wait. */
import type { EngineProbeReply, IncidentDescription, VdiskListReply } from '@salvor/contracts';
import type { Session } from '../connection.ts';
import { failureOf } from '../failure.ts';
import { counted, printable } from '../rendering/text.ts';

const NAMED_VDISKS_MAX = 8;

/** Sentences, none for what is over. An answer that does not come is a sentence as well. */
export async function askWhatItWaitsFor(
  { ask }: Pick<Session, 'ask'>,
  incident: IncidentDescription,
): Promise<string[]> {
  const { address, db, status, verdict, closedAt, hold } = incident;
  // What is held back is said by the incident itself.
  if (closedAt !== undefined || hold !== undefined) return [];
  if (status !== 'offline') {
    return ask('vdisk.list', {}).then(
      ({ reply }) => missingRepairs(incident, reply.vdisks),
      (error: unknown) => [`Which vdisks it waits for is not known: ${printable(failureOf(error).message)}`],
    );
  }
  if (verdict !== undefined) return [];
  return ask('engine.probe', { address, db }).then(
    ({ reply }) => [presentFinding(reply)],
    (error: unknown) => [
      `No health-analyzer probes it, so nobody gives a verdict: ${printable(failureOf(error).message)}`,
    ],
  );
}

function presentFinding({ status, reason }: EngineProbeReply): string {
  const next =
    status === 'healthy' || status === 'loading'
      ? 'the verdict follows when it stays well'
      : 'it is judged when it is back, or given up when it has been away for the permanentAfterMs of the health-analyzer';
  return `A probe finds it ${printable(status)} now: ${printable(reason)}; ${next}.`;
}

function missingRepairs(
  { cluster, repairs }: IncidentDescription,
  vdisks: VdiskListReply['vdisks'],
): string[] {
  const repaired = new Set(repairs.map(({ vdisk }) => vdisk));
  const missing = vdisks.filter(
    (vdisk) => [vdisk.cluster, vdisk.slaveCluster].includes(cluster) && !repaired.has(vdisk.vdisk),
  );
  if (missing.length === 0) return ['No repair is missing: the repair-coordinator ends the incident.'];
  const named = missing.slice(0, NAMED_VDISKS_MAX).map(({ vdisk, owner }) => {
    const who =
      owner === undefined
        ? 'nobody owns it, the next NBD server with repairIdle takes it'
        : `${printable(owner.server)} owns it`;
    return `- ${printable(vdisk)}: ${who}`;
  });
  const more = missing.length > NAMED_VDISKS_MAX ? [`- and ${missing.length - NAMED_VDISKS_MAX} more`] : [];
  return [`It waits for the repair of ${counted(missing.length, 'vdisk')}:`, ...named, ...more];
}

import {
  type ConfigStore,
  heldByOperators,
  type IncidentRecord,
  listRepairRecords,
  type OperatorAction,
  readHealingControls,
} from '@salvor/config-store';
import type { IncidentDescriptionInit, RepairStateInit, VdiskRepairInit } from '@salvor/contracts';
import { repairsOfIncident } from './repair-list.ts';

type Hands = Pick<
  IncidentDescriptionInit,
  'earlierRepairs' | 'hold' | 'actions' | 'lost' | 'waitsFor' | 'repairs'
>;

const namedMax = 8;

/** What was done by hand about an incident, what was repaired in every attempt, and what it waits for now. */
export async function handsOn(
  store: ConfigStore,
  incident: IncidentRecord & { readonly closedAt?: number },
): Promise<Hands> {
  const { id, attempt, hold, lost } = incident;
  const earlier: VdiskRepairInit[] = [];
  for (let before = 1; before < attempt; before++) earlier.push(...(await repairsOf(store, id, before)));
  const waitsFor = incident.closedAt === undefined ? await waitOf(store, incident) : undefined;
  return {
    repairs: await repairsOf(store, id, attempt),
    earlierRepairs: earlier,
    ...(hold === undefined
      ? {}
      : { hold: { kind: hold.kind, by: hold.by, reason: hold.reason, at: hold.at } }),
    actions: (await actionsOn(store, incident)).map(({ action, by, reason, operation, at }) => {
      return { action, by, reason, operation, at };
    }),
    lost: (lost?.vdisks ?? []).map(({ vdisk, blocks, atMost, detail }) => ({
      ...{ vdisk, detail },
      ...(blocks === undefined ? {} : { blocks }),
      ...(atMost === undefined ? {} : { atMost }),
    })),
    ...(waitsFor === undefined ? {} : { waitsFor }),
  };
}

/** What holds an open incident up, as a sentence. */
async function waitOf(store: ConfigStore, incident: IncidentRecord): Promise<string> {
  const { status, verdict, waitsFor } = incident;
  if (status !== 'offline') return repairsText(await repairsOfIncident(store, incident));
  const held = await heldByOperators(store, incident, Date.now());
  if (held !== undefined) return held;
  if (verdict === undefined)
    return 'a verdict: the health-analyzer probes the engine and gives one, or an operator does';
  if (waitsFor !== undefined) return waitsFor;
  return verdict.verdict === 'permanent'
    ? 'a spare: the engine is lost and the cluster has none left'
    : 'the repair-coordinator, which applies the verdict';
}

function repairsText(repairs: readonly RepairStateInit[]): string {
  const left = repairs.filter(({ state }) => state !== 'repaired');
  if (left.length === 0) return 'nothing more: the repair-coordinator ends the incident';
  const each = left.slice(0, namedMax).map(({ vdisk, waitsFor }) => `${vdisk} (${waitsFor})`);
  const more = left.length > namedMax ? ` and ${left.length - namedMax} more` : '';
  return `the repair of ${left.length} of ${repairs.length} vdisks: ${each.join(', ')}${more}`;
}

/** Those noted in the incident, and what held healing back while it was open and was begun before it. */
async function actionsOn(
  store: ConfigStore,
  { cluster, openedAt, actions = [], ...incident }: IncidentRecord & { readonly closedAt?: number },
): Promise<OperatorAction[]> {
  const end = incident.closedAt ?? Date.now();
  const known = new Set(actions.map(({ operation }) => operation));
  const controls = [await readHealingControls(store), await readHealingControls(store, cluster)];
  const around = controls.flatMap(({ log, pause }) =>
    log.filter(
      ({ at, operation }) => (at >= openedAt && at <= end) || (pause?.operation === operation && at < end),
    ),
  );
  return [...actions, ...around.filter(({ operation }) => !known.has(operation))].sort((a, b) => a.at - b.at);
}

export async function repairsOf(
  store: ConfigStore,
  incident: string,
  attempt: number,
): Promise<VdiskRepairInit[]> {
  return (await listRepairRecords(store, incident, attempt)).map((record) => ({
    vdisk: record.vdisk,
    incident: record.incident,
    attempt: record.attempt,
    server: record.server,
    dirtyBlocks: record.dirtyBlocks,
    copiedBlocks: record.copiedBlocks,
    repairMs: record.repairMs,
    at: record.at,
  }));
}

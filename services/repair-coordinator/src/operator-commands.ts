import type { CommandHandlers } from '@salvor/bus';
import {
  addSpares,
  applyEngineStatus,
  type ConfigStore,
  closedIncidentKey,
  closedIncidentSchema,
  type EngineRef,
  type EngineStatusInput,
  listRepairRecords,
  parseRecord,
  previewEngineStatus,
  removeSpare,
  vdisksAt,
} from '@salvor/config-store';
import type { LostDataInit } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { EngineControl } from '@salvor/vdisk';
import { accepted, isRepeat, statusReply } from './command-replies.ts';
import { describeIncident, type KnownCluster, openIncidents, readClusters } from './descriptions.ts';
import { lookForMissedWrites, type MissedWrites } from './missed-writes.ts';
import type { EngineAccess } from './vdisk-blocks.ts';

export interface OperatorCommandsOptions {
  readonly store: ConfigStore;
  readonly access: EngineAccess;
}

/** The commands with which operators move engines and repairs. Each is decided and written down like what the analyzer finds. */
export function operatorCommandHandlers({ store, access }: OperatorCommandsOptions): CommandHandlers {
  const about = (request: { by?: string | undefined; reason: string }, operation: string) => ({
    by: request.by ?? 'operator',
    reason: request.reason,
    operation,
  });
  const toIncident = async (incident: string, input: EngineStatusInput) => {
    const result = await applyEngineStatus(store, input);
    // One that never was, or has ended, is told apart.
    if (result.code === 'incident-not-open') await describeIncident(store, incident);
    const { incident: _incident, ...reply } = accepted(statusReply(result, input.operation), {});
    return { ...reply, incident };
  };
  const retry = async (
    request: { incident: string; vdisk?: string | undefined; by?: string | undefined; reason: string },
    operation: string,
    more: { resumes?: boolean },
  ) => {
    const { incident, vdisk } = request;
    const open = (await openIncidents(store)).find(({ id }) => id === incident);
    const records = open === undefined ? [] : await listRepairRecords(store, incident, open.attempt);
    return toIncident(incident, {
      ...{ kind: 'retry-repair', incident, ...about(request, operation), ...more },
      ...(vdisk === undefined ? {} : { vdisk }),
      repaired: new Set(records.map((record) => record.vdisk)),
    });
  };
  return {
    'engine.take-offline': async (request, { operationId: operation }) => {
      const { address, force } = request;
      const result = await applyEngineStatus(store, {
        ...{ kind: 'take-offline', address, force, ...about(request, operation) },
        vdisks: await vdisksWith(store, address),
      });
      return accepted(statusReply(result, operation), { address });
    },
    'engine.bring-online': async (request, { operationId: operation }) => {
      const { address, dryRun, acceptDataLoss } = request;
      const order = { kind: 'bring-online', address, ...about(request, operation) } as const;
      if (await isRepeat(store, operation)) {
        const given = acceptDataLoss ? { accepts: { vdisks: [] } } : {};
        const result = await applyEngineStatus(store, { ...order, ...given });
        const reply = accepted(statusReply(result, operation), { address });
        return { ...reply, lost: await lostIn(store, reply.incident), dryRun: false };
      }
      const { missed, unowned } = await lookAt(store, access, address);
      const lost = missed?.lost ?? [];
      const input: EngineStatusInput = {
        ...order,
        ...(missed?.isNothing === true ? { missedWrites: false } : {}),
        ...(acceptDataLoss ? { accepts: { vdisks: lost.map(stored) } } : {}),
      };
      const options = missed?.isNothing === true ? { unowned } : {};
      const preview = await previewEngineStatus(store, input, options);
      if (preview.code === 'stale-engine')
        throw new SalvorError('stale-engine', `${preview.reason}. It would lose ${lossText(lost)}`);
      const givesUp = preview.incident?.lost !== undefined;
      if (missed?.isBlank === true && preview.outcome === 'applied' && !givesUp)
        throw new SalvorError('identity-lost', blankText(address));
      if (dryRun) {
        const reply = accepted(statusReply(preview, operation), { address, dryRun: true });
        return { ...reply, lost: givesUp ? lost : [] };
      }
      if (missed?.isBlank === true && preview.outcome === 'applied') await claim(access, missed);
      const first = await applyEngineStatus(store, input, options);
      // Somebody took a vdisk meanwhile: nobody knows any more that nothing was missed.
      const result = first.outcome === 'conflict' ? await applyEngineStatus(store, order) : first;
      const reply = accepted(statusReply(result, operation), { address, dryRun: false });
      return { ...reply, lost: givesUp ? lost : [] };
    },
    'engine.retire': async (request, { operationId: operation }) => {
      const { address } = request;
      const result = await applyEngineStatus(store, {
        ...{ kind: 'retire', address, ...about(request, operation) },
        vdisks: await vdisksWith(store, address),
      });
      return retired(result, operation, address);
    },
    'engine.replace': async (request, { operationId: operation }) => {
      const { address } = request;
      const onto = { ...request.with };
      const order = {
        ...({ kind: 'retire', address } as const),
        ...{ ...about(request, operation), onto, vdisks: await vdisksWith(store, address) },
      };
      if (!(await isRepeat(store, operation))) await makeSpare(store, access, order, onto);
      return retired(await applyEngineStatus(store, order), operation, address);
    },
    'cluster.remove-spare': async ({ cluster, address, by, reason }, { operationId: operation }) => {
      const request = { cluster, address, reason };
      const result = await removeSpare(store, request, { operation, by: by ?? 'operator' });
      return accepted(result, { cluster, address });
    },
    'incident.acknowledge': async (request, { operationId: operation }) => {
      const { incident } = request;
      return toIncident(incident, { kind: 'acknowledge', incident, ...about(request, operation) });
    },
    'repair.cancel': async (request, { operationId: operation }) => {
      const { incident } = request;
      return toIncident(incident, { kind: 'cancel-repair', incident, ...about(request, operation) });
    },
    'repair.retry': async (request, { operationId: operation }) => retry(request, operation, {}),
    'repair.resume': async (request, { operationId: operation }) =>
      retry(request, operation, { resumes: true }),
  };
}

interface Looked {
  readonly missed: (MissedWrites & { readonly engine: EngineOf }) | undefined;
  readonly unowned: readonly string[];
}

interface EngineOf {
  readonly known: KnownCluster;
  readonly shard: number;
}

/** Only at an engine that is down: of others the decision says why nothing is to be done. */
async function lookAt(store: ConfigStore, access: EngineAccess, address: string): Promise<Looked> {
  const engine = engineOf(await readClusters(store), address);
  const status = engine?.known.storage.servers[engine.shard]?.status;
  if (engine === undefined || (status !== 'offline' && status !== 'repair-tmp-outage'))
    return { missed: undefined, unowned: [] };
  const vdisks = await vdisksAt(store, engine.known.cluster);
  const found = await lookForMissedWrites(store, access, engine.known, engine.shard, vdisks);
  return { missed: { ...found, engine }, unowned: [...vdisks.single, ...vdisks.mirrored] };
}

function engineOf(clusters: readonly KnownCluster[], address: string): EngineOf | undefined {
  for (const known of clusters) {
    const shard = known.storage.servers.findIndex((entry) => entry.address === address);
    if (shard >= 0) return { known, shard };
  }
  return undefined;
}

async function vdisksWith(
  store: ConfigStore,
  address: string,
): Promise<{ single: string[]; mirrored: string[] }> {
  const engine = engineOf(await readClusters(store), address);
  return engine === undefined ? { single: [], mirrored: [] } : vdisksAt(store, engine.known.cluster);
}

/** An empty engine gets its name back, so that the owners of vdisks begin on it with zeros. */
async function claim(access: EngineAccess, { engine }: { engine: EngineOf }): Promise<void> {
  const { cluster, record, storage } = engine.known;
  const entry = storage.servers[engine.shard];
  if (entry === undefined) return;
  const { address, db, generation } = entry;
  const identity = { cluster, role: record.role, shard: engine.shard, generation };
  await EngineControl.with({ address, db, ...access }, (control) =>
    control.claim(identity, { mustBeEmpty: true }),
  );
}

/** Before anything is changed it is known that the spare could be used. */
async function makeSpare(
  store: ConfigStore,
  access: EngineAccess,
  order: Extract<EngineStatusInput, { kind: 'retire' }>,
  onto: EngineRef,
): Promise<void> {
  const engine = engineOf(await readClusters(store), order.address);
  if (engine === undefined) return;
  const { cluster, record } = engine.known;
  if (record.spares.some(({ address }) => address === onto.address)) return;
  const preview = await previewEngineStatus(store, order);
  if (preview.code !== 'not-a-spare') {
    accepted({ ...preview, operation: order.operation }, {});
    return;
  }
  await EngineControl.with({ ...onto, ...access }, (control) => control.assertEmpty());
  const options = { operation: `${order.operation}:spare`, by: order.by };
  accepted(await addSpares(store, { cluster, spares: [onto] }, options), {});
}

function retired(result: Awaited<ReturnType<typeof applyEngineStatus>>, operation: string, address: string) {
  const reply = accepted(statusReply(result, operation), { address });
  const replacement = result.incident?.replacement?.address ?? result.before?.replacement;
  const status = result.code === 'spare-retired' ? 'retired' : reply.status;
  return { ...reply, status, ...(replacement === undefined ? {} : { replacement }) };
}

async function lostIn(store: ConfigStore, incident: string | undefined): Promise<LostDataInit[]> {
  if (incident === undefined) return [];
  const entry = await store.get(closedIncidentKey(incident));
  if (entry === null) return [];
  const { lost } = parseRecord(closedIncidentSchema, entry.key, entry.value);
  return (lost?.vdisks ?? []).map(stored);
}

function stored({ vdisk, blocks, atMost, detail }: LostDataInit): {
  vdisk: string;
  blocks?: number;
  atMost?: number;
  detail: string;
} {
  return {
    vdisk,
    ...(typeof blocks === 'number' ? { blocks } : {}),
    ...(typeof atMost === 'number' ? { atMost } : {}),
    detail,
  };
}

function lossText(lost: readonly LostDataInit[]): string {
  if (lost.length === 0) return 'nothing that is known of: no vdisk on the cluster is mirrored';
  const each = lost.slice(0, lostNamedMax).map(({ vdisk, blocks, atMost, detail }) => {
    const bound = atMost == null ? '' : `at most ${atMost} blocks, `;
    return `${vdisk}: ${blocks == null ? `${bound}${detail}` : `${blocks} blocks (${detail})`}`;
  });
  const more = lost.length > lostNamedMax ? `; and of ${lost.length - lostNamedMax} vdisks more` : '';
  return `${each.join('; ')}${more}`;
}

const lostNamedMax = 16;

function blankText(address: string): string {
  return `engine ${address} is empty: it lost its data. Its partner has everything: add it as a spare, and give the verdict 'permanent'`;
}

import type { CommandHandlers } from '@salvor/bus';
import {
  addSpares,
  applyEngineStatus,
  beginOperation,
  type ConfigStore,
  cancelOperation,
  createCluster,
  pauseOperation,
  previewCluster,
} from '@salvor/config-store';
import type { EventInits, EventType } from '@salvor/contracts';
import { type Logger, SalvorError } from '@salvor/service-kit';
import { EngineControl } from '@salvor/vdisk';
import { accepted, isRepeat, statusReply } from './command-replies.ts';
import {
  describeCluster,
  describeEngines,
  describeIncident,
  describeIncidents,
  describeOperation,
  describeOperations,
  openIncidents,
  readCluster,
  readClusters,
} from './descriptions.ts';
import { healingCommandHandlers } from './healing-commands.ts';
import { hookCommandHandlers } from './hooks/hook-commands.ts';
import type { Hooks } from './hooks/hooks.ts';
import { instanceCommandHandlers } from './instances/instance-commands.ts';
import { operatorCommandHandlers } from './operator-commands.ts';
import { recoveryCommandHandlers } from './recovery/recovery-commands.ts';
import { rehearse } from './rehearsal.ts';
import { tlogCommandHandlers } from './tlog/tlog-commands.ts';
import type { TlogLogs } from './tlog/tlog-logs.ts';
import { describeUnavailable } from './unavailable/unavailable-description.ts';
import type { EngineAccess } from './vdisk-blocks.ts';
import { vdiskCommandHandlers } from './vdisk-commands.ts';
import type { AskServer } from './vdisk-description.ts';
import { alertCommandHandlers } from './watchdog/alert-commands.ts';

export interface CommandsOptions {
  readonly store: ConfigStore;
  readonly access: EngineAccess;
  readonly log: Logger;
  /** Tells the world; must not fail. */
  readonly announce: Announce;
  readonly askServer: AskServer;
  readonly hooks: Pick<Hooks, 'book' | 'pendingOf'>;
  readonly logs: TlogLogs;
}

export type Announce = <T extends EventType>(type: T, payload: EventInits[T], id: string) => void;

/** The commands of the repair-coordinator. Who asks is not known to the bus yet, so the audit trail says `command`. */
export function commandHandlers({
  store,
  access,
  log,
  announce,
  askServer,
  hooks,
  logs,
}: CommandsOptions): CommandHandlers {
  return {
    'cluster.create': async ({ operationId: _, ...request }, { operationId: operation }) => {
      const { cluster, role, engines, spares, partner } = request;
      const wanted = {
        cluster,
        role,
        engines: engines.map((engine) => ({ ...engine })),
        spares: spares.map((engine) => ({ ...engine })),
        ...(partner === undefined ? {} : { partner }),
      };
      // Before anything is claimed: an engine of a refused request stays as it was, and a repeat needs no engine.
      const preview = await previewCluster(store, wanted, { operation, by: 'command' });
      if (preview.outcome !== 'applied') return accepted(preview, { cluster });
      for (const [shard, { address, db }] of engines.entries()) {
        await EngineControl.with({ address, db, ...access }, (control) =>
          control.claim({ cluster, role, shard, generation: 1 }, { mustBeEmpty: false }),
        );
      }
      for (const { address, db } of spares)
        await EngineControl.with({ address, db, ...access }, (control) => control.probe());
      const result = await createCluster(store, wanted, { operation, by: 'command' });
      void rehearse(store, log);
      return accepted(result, { cluster });
    },
    'cluster.add-spares': async ({ cluster, spares }, { operationId: operation }) => {
      if (!(await isRepeat(store, operation))) {
        for (const { address, db } of spares) {
          await EngineControl.with({ address, db, ...access }, (control) => control.assertEmpty());
        }
      }
      const wanted = { cluster, spares: spares.map((engine) => ({ ...engine })) };
      return accepted(await addSpares(store, wanted, { operation, by: 'command' }), { cluster });
    },
    'cluster.collect-garbage': async ({ cluster, includeUnknown }, { operationId: operation }) => {
      await readCluster(store, cluster);
      const begun = await beginOperation(store, {
        operation,
        kind: 'cluster.collect-garbage',
        request: { cluster, includeUnknown },
        subject: cluster,
        message: `collects the garbage of cluster ${cluster}`,
        checkpoint: { cluster, includeUnknown },
      });
      return accepted(begun, { cluster });
    },
    'cluster.list': async () => {
      const unavailable = await describeUnavailable(store);
      return {
        clusters: (await readClusters(store)).map(({ cluster, record, storage }) => ({
          cluster,
          role: record.role,
          status: record.status,
          ...(record.partner === undefined ? {} : { partner: record.partner }),
          engines: storage.servers.length,
          enginesOnline: storage.servers.filter(({ status }) => status === 'online').length,
          spares: record.spares.length,
          unavailable: unavailable.flatMap(({ incidents: _, ...shard }) =>
            shard.cluster === cluster ? [shard] : [],
          ),
        })),
      };
    },
    'cluster.get': async ({ cluster }) => ({
      cluster: describeCluster(await readCluster(store, cluster), await openIncidents(store)),
    }),
    ...operatorCommandHandlers({ store, access }),
    ...healingCommandHandlers(store),
    ...vdiskCommandHandlers({ store, access, announce, askServer, logs }),
    ...tlogCommandHandlers({ store, logs }),
    ...hookCommandHandlers({ store, ...hooks }),
    ...alertCommandHandlers(store),
    ...instanceCommandHandlers(store, hooks.book),
    ...recoveryCommandHandlers(store),
    'engine.list': async ({ cluster }) => {
      const incidents = await openIncidents(store);
      const clusters =
        cluster === undefined ? await readClusters(store) : [await readCluster(store, cluster)];
      return { engines: clusters.flatMap((known) => describeEngines(known, incidents)) };
    },
    'engine.get': async ({ address }) => {
      const incidents = await openIncidents(store);
      const engines = (await readClusters(store)).flatMap((known) => describeEngines(known, incidents));
      const engine = engines.find(
        (known) => known.address === address || known.replacement?.address === address,
      );
      if (engine === undefined)
        throw new SalvorError('unknown-engine', `no cluster has an engine at ${address}`);
      return {
        engine,
        ...(engine.incident === undefined
          ? {}
          : { incident: await describeIncident(store, engine.incident) }),
      };
    },
    'engine.report-failure': async ({ address, reason, reporter }, { operationId: operation }) => {
      const input = {
        kind: 'failure-reported',
        address,
        reason,
        reporter: reporter ?? 'operator',
        operation,
        detectedAt: Date.now(),
      } as const;
      const result = await applyEngineStatus(store, input);
      return accepted(statusReply(result, operation), { address });
    },
    'engine.set-verdict': async ({ address, verdict, reason, by }, { operationId: operation }) => {
      const input = {
        kind: 'verdict',
        operator: true,
        address,
        verdict,
        reason,
        evidence: [],
        by: by ?? 'operator',
        operation,
      } as const;
      const result = await applyEngineStatus(store, input);
      const { incident = '', ...reply } = accepted(statusReply(result, operation), { address });
      return { ...reply, incident };
    },
    'incident.list': async ({ all }) => ({ incidents: await describeIncidents(store, all) }),
    'incident.get': async ({ incident }) => ({ incident: await describeIncident(store, incident) }),
    'operation.list': async ({ kind, subject, all, limit }) => ({
      operations: await describeOperations(store, {
        all,
        limit,
        ...(kind === undefined ? {} : { kind }),
        ...(subject === undefined ? {} : { subject }),
      }),
    }),
    'operation.cancel': async ({ operation }) => {
      const { outcome, code, reason } = await cancelOperation(store, operation, 'command');
      return accepted({ outcome, code, reason, operation }, {});
    },
    'operation.pause': async ({ operation }) => {
      const { outcome, code, reason } = await pauseOperation(store, operation, 'paused', 'command');
      return accepted({ outcome, code, reason, operation }, {});
    },
    'operation.resume': async ({ operation }) => {
      const { outcome, code, reason } = await pauseOperation(store, operation, 'resumed', 'command');
      return accepted({ outcome, code, reason, operation }, {});
    },
    'operation.get': async ({ operation }) => ({ operation: await describeOperation(store, operation) }),
  };
}

import { engineInPlace } from '../../packages/config-store/src/cluster-storage.ts';
import type { IncidentRecord } from '../../packages/config-store/src/healing/records.ts';
import { identityText } from '../../packages/vdisk/src/engine-keys.ts';
import type { ProbeFinding } from '../../packages/vdisk/src/engine-probe.ts';
import type { SweptEngine } from '../../services/health-analyzer/src/sweep-decision.ts';
import type { OutageView } from '../../services/health-analyzer/src/verdict.ts';
import { recordOf, storageOf } from './cluster-values.ts';
import { probeEngine } from './engine-control.ts';
import { StoreAway, type Watch } from './etcd.ts';
import { type Flow, settled, start, wait } from './flow.ts';
import { INCIDENTS } from './keys.ts';
import { newProcess, type Process } from './scheduler.ts';
import type { World } from './world.ts';

const PROBE_INTERVAL_MS = 250;
const REPEAT_AFTER_MS = 1_000;
const SWEEP_INTERVAL_MS = 1_000;
const FINDINGS_NEEDED = 2;
const KEPT_MAX = 8;

/** The health-analyzer: probes engines that are down, and looks at the others now and then. */
export class Analyzer {
  readonly world: World;
  readonly process: Process;
  #watch: Watch | null = null;
  #bad: ReadonlyMap<string, number> = new Map();
  #active = new Map<string, { stopped: boolean }>();

  constructor(world: World, name: string) {
    this.world = world;
    this.process = newProcess(name);
  }

  boot(): void {
    this.#active = new Map();
    this.#bad = new Map();
    this.#watch = this.world.etcd.watch(this.process, [INCIDENTS], () => this.#follow());
    this.#follow();
    const sweep = (): void => {
      this.world.scheduler.after(SWEEP_INTERVAL_MS, this.process, sweep);
      start(this.#sweep(), (error) => {
        if (error !== null && !(error instanceof StoreAway)) throw error;
      });
    };
    this.world.scheduler.after(this.world.random.between(100, SWEEP_INTERVAL_MS), this.process, sweep);
  }

  #follow(): void {
    const open = new Map<string, IncidentRecord>();
    for (const { value } of this.#watch?.cache.values() ?? []) {
      const incident = value as IncidentRecord;
      if (incident.status === 'offline') open.set(`${incident.id}/${incident.attempt}`, incident);
    }
    for (const [name, judging] of this.#active) {
      if (open.has(name)) continue;
      judging.stopped = true;
      this.#active.delete(name);
    }
    for (const [name, incident] of open) {
      if (this.#active.has(name)) continue;
      const judging = { stopped: false };
      this.#active.set(name, judging);
      start(this.#judge(incident, judging));
    }
  }

  *#judge(incident: IncidentRecord, judging: { readonly stopped: boolean }): Flow<void> {
    const { scheduler, cores, bus, policy } = this.world;
    const offlineSince = incident.history.findLast(({ to }) => to === 'offline')?.at ?? incident.openedAt;
    const findings: ProbeFinding[] = [];
    let given = 0;
    let repeatAt = 0;
    while (!judging.stopped) {
      try {
        const identity = yield* this.#identityOf(incident);
        const { address } = incident.replacement ?? incident;
        const engine = this.world.engineAt(address);
        const finding = yield* probeEngine(this.world, this.process, engine, identity);
        if (judging.stopped) return;
        findings.push(finding);
        if (findings.length > KEPT_MAX) findings.shift();
        const { rebuildBegun } = incident;
        const kept = yield* this.#keptSpare(incident);
        const view = { address, offlineSince, rebuildBegun, findings, ...kept };
        const decision = cores.decideVerdict(view, policy, this.world.wallOf(this.process));
        if (decision.kind === 'verdict' && scheduler.now >= repeatAt) {
          given++;
          repeatAt = scheduler.now + REPEAT_AFTER_MS;
          const { verdict, reason } = decision;
          const { id, attempt, cluster } = incident;
          const operation = `${id}-${attempt}-${verdict}-${this.process.name}-${given}-${this.process.life}`;
          const by = this.process.name;
          bus.publish({
            cluster,
            input: { kind: 'verdict', incident: id, attempt, verdict, reason, evidence: [], by, operation },
          });
        }
      } catch (error) {
        if (!(error instanceof StoreAway)) throw error;
      }
      yield* wait<void>((resume) =>
        scheduler.after(PROBE_INTERVAL_MS, this.process, () => resume(null, undefined)),
      );
    }
  }

  *#keptSpare({ cluster, shard, replacement }: IncidentRecord): Flow<Pick<OutageView, 'keptSpare'>> {
    if (replacement === undefined) return {};
    const { etcd } = this.world;
    const partner = yield* wait(
      etcd.call(this.process, () => {
        const other = recordOf(etcd, cluster).partner;
        return other === undefined ? undefined : storageOf(etcd, other).servers[shard];
      }),
    );
    return { keptSpare: { isNeeded: partner?.status !== 'online' } };
  }

  /** Who the engine should be, by what etcd says now. */
  *#identityOf({ cluster, shard, address: own, replacement }: IncidentRecord): Flow<string | null> {
    const address = replacement?.address ?? own;
    const { etcd } = this.world;
    const [storage, record] = yield* wait(
      etcd.call(this.process, () => [storageOf(etcd, cluster), recordOf(etcd, cluster)] as const),
    );
    const entry = storage.servers[shard];
    const engine = entry && engineInPlace(entry);
    if (engine === undefined || engine.address !== address) return null;
    return identityText({ cluster, role: record.role, shard, generation: engine.generation });
  }

  *#sweep(): Flow<void> {
    const { etcd, cores, clusters } = this.world;
    const known = yield* wait(
      etcd.call(this.process, () =>
        clusters.map((cluster) => ({
          cluster,
          storage: storageOf(etcd, cluster),
          role: recordOf(etcd, cluster).role,
        })),
      ),
    );
    const used = known.flatMap(({ cluster, storage, role }) =>
      storage.servers.flatMap((entry, shard) => {
        const { status, replacement } = entry;
        if (status === 'offline' || status === 'rip') return [];
        const { address, generation } = status === 'repair-final-outage' ? (replacement ?? entry) : entry;
        // A spare that is not claimed yet has no identity to lose.
        const identity =
          status === 'repair-final-outage' ? null : identityText({ cluster, role, shard, generation });
        return [{ cluster, address, identity }];
      }),
    );
    const probed = yield* wait(
      settled(
        used.map(({ address, identity }) =>
          probeEngine(this.world, this.process, this.world.engineAt(address), identity),
        ),
      ),
    );
    const swept: (SweptEngine & { cluster: string; address: string })[] = [];
    for (const [i, { cluster, address }] of used.entries()) {
      const finding = probed[i]?.value;
      if (finding !== undefined) swept.push({ name: `${cluster}/${address}`, cluster, address, finding });
    }
    const decision = cores.decideSweep(this.#bad, swept, FINDINGS_NEEDED);
    this.#bad = decision.bad;
    const due = new Set(decision.report.map(({ name }) => name));
    for (const { name, cluster, address, finding } of swept)
      if (due.has(name)) this.world.report(this.process, cluster, address, finding.kind);
  }
}

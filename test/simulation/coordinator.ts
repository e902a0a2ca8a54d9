import type { EngineStatusDecision } from '../../packages/config-store/src/healing/engine-status-decision.ts';
import type { IncidentRecord, SalvorClusterRecord } from '../../packages/config-store/src/healing/records.ts';
import { EngineError } from '../../packages/vdisk/src/errors.ts';
import type { Message } from './bus.ts';
import { claimIdentity } from './engine-control.ts';
import { type Entry, StoreAway, type Watch } from './etcd.ts';
import { type Flow, start, wait } from './flow.ts';
import { applyEngineStatus, type TrackedInput, vdisksIn } from './healing.ts';
import { INCIDENTS, RECORDS, REPAIRS, recordKey, repairKey } from './keys.ts';
import { newProcess, type Process } from './scheduler.ts';
import type { World } from './world.ts';

const SAFETY_INTERVAL_MS = 1_000;

/** The repair-coordinator: applies reports and verdicts, and brings incidents to their end. */
export class Coordinator {
  readonly world: World;
  readonly process: Process;
  #watch: Watch | null = null;
  #isLooking = false;
  #again = false;

  constructor(world: World, name: string) {
    this.world = world;
    this.process = newProcess(name);
  }

  /** Begins a life of the process. */
  boot(): void {
    this.#isLooking = false;
    this.#again = false;
    this.#watch = this.world.etcd.watch(this.process, [INCIDENTS, REPAIRS, RECORDS], () => this.wake());
    const tick = (): void => {
      this.wake();
      this.world.scheduler.after(SAFETY_INTERVAL_MS, this.process, tick);
    };
    tick();
  }

  take({ cluster, input }: Message, done: () => void): void {
    start(applyEngineStatus(this.world, this.process, cluster, input), (error, result) => {
      if (error !== null && !(error instanceof StoreAway)) throw error;
      if (error === null && result !== 'conflict') done();
      if (error === null) this.#tell(input, result);
    });
  }

  wake(): void {
    if (this.#isLooking) {
      this.#again = true;
      return;
    }
    this.#isLooking = true;
    this.#again = false;
    start(this.#look(), (error) => {
      this.#isLooking = false;
      if (error !== null) throw error;
      if (this.#again) this.world.scheduler.after(0, this.process, () => this.wake());
    });
  }

  *#look(): Flow<void> {
    for (const entry of this.#entries(INCIDENTS)) {
      const incident = entry.value as IncidentRecord;
      try {
        if (incident.status === 'offline') yield* this.#retryForSpare(incident);
        else yield* this.#completeIfRepaired(incident);
      } catch (error) {
        if (!(error instanceof StoreAway || error instanceof EngineError)) throw error;
      }
    }
  }

  *#completeIfRepaired(incident: IncidentRecord): Flow<void> {
    const { id, attempt, cluster } = incident;
    const { etcd } = this.world;
    const vdisks = new Set((yield* wait(etcd.call(this.process, () => vdisksIn(this.world)))).map(nameOf));
    const cache = this.#watch?.cache;
    const repaired = new Set(
      [...vdisks].filter((vdisk) => cache?.has(repairKey(id, attempt, vdisk.slice(1)))),
    );
    // The decision itself refuses what is not complete: it is asked even then.
    if (repaired.size === 0 && vdisks.size > 0) return;
    if (vdisks.size === 0) yield* this.#claimSpare(incident);
    const input: TrackedInput = {
      kind: 'repairs-complete',
      incident: id,
      attempt,
      repaired,
      vdisks,
      by: this.process.name,
      operation: `${id}-${attempt}-complete-${this.process.name}`,
    };
    if (repaired.size === vdisks.size) this.#ambush(incident);
    this.#tell(input, yield* applyEngineStatus(this.world, this.process, cluster, input));
  }

  #ambush({ cluster, shard }: IncidentRecord): void {
    const { process, world } = this;
    const members = world.checker.membersOf(shard);
    const target = members.find((member) => member.cluster === cluster)?.engine;
    const source = members.find((member) => member.cluster !== cluster)?.engine;
    if (target !== undefined && source !== undefined)
      world.ambushes?.met('repairs-on-record', { process, source, target });
  }

  *#claimSpare({ cluster, shard, replacement }: IncidentRecord): Flow<void> {
    if (replacement === undefined) return;
    const { role } = (yield* wait(
      this.world.etcd.call(this.process, () => this.world.etcd.get(recordKey(cluster))?.value),
    )) as SalvorClusterRecord;
    const { address, generation } = replacement;
    const engine = this.world.engineAt(address);
    yield* claimIdentity(this.world, this.process, engine, { cluster, role, shard, generation });
  }

  *#retryForSpare({ id, attempt, cluster, verdict }: IncidentRecord): Flow<void> {
    if (verdict?.verdict !== 'permanent') return;
    const entry = this.#watch?.cache.get(recordKey(cluster));
    if (entry === undefined || (entry.value as SalvorClusterRecord).spares.length === 0) return;
    const input: TrackedInput = {
      kind: 'verdict',
      incident: id,
      attempt,
      verdict: 'permanent',
      reason: verdict.reason,
      evidence: verdict.evidence,
      by: verdict.by,
      operation: `${id}-${attempt}-spare-${this.process.name}-${entry.revision}`,
    };
    this.#tell(input, yield* applyEngineStatus(this.world, this.process, cluster, input));
  }

  #entries(prefix: string): Entry[] {
    return [...(this.#watch?.cache.values() ?? [])].filter(({ key }) => key.startsWith(prefix));
  }

  #tell(input: TrackedInput, result: EngineStatusDecision | 'conflict' | undefined): void {
    const { trace } = this.world;
    if (trace === null || result === undefined) return;
    const what = result === 'conflict' ? 'conflict' : `${result.outcome} ${result.code}: ${result.reason}`;
    trace(`${this.process.name} takes ${input.kind} ${input.operation}: ${what}`);
  }
}

function nameOf(vdisk: number): string {
  return `v${vdisk}`;
}

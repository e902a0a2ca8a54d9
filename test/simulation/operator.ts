import { engineInPlace } from '../../packages/config-store/src/cluster-storage.ts';
import type { VdisksAt } from '../../packages/config-store/src/healing/operator-order.ts';
import type { IncidentRecord } from '../../packages/config-store/src/healing/records.ts';
import { storageOf } from './cluster-values.ts';
import { StoreAway } from './etcd.ts';
import { type Flow, start } from './flow.ts';
import { addSpare, applyEngineStatus, type TrackedInput, vdisksIn } from './healing.ts';
import { applyHealingControl, type Control, pausedClusters } from './healing-control.ts';
import { INCIDENTS, repairKey } from './keys.ts';
import { Random } from './random.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

/** Keeps what operators do apart from all else that a seed draws. */
const OPERATOR_SALT = 0x3c6ef372;

/** An engine that fails so often within so long is held until somebody has looked, in seeds with an operator. */
const FLAPPING = { failures: 5, windowMs: 4_000 };

/**
 * Somebody who takes engines out and brings them back, retires and replaces them, stops repairs and begins them anew, and
 * pauses healing. Nothing is given up: no loss is accepted. In the end everything that was held back is let go.
 */
export class Operator {
  readonly #world: World;
  readonly #random: Random;
  #operations = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#random = new Random(seed ^ OPERATOR_SALT);
  }

  /** In three seeds of ten. */
  plan(endMs: number): void {
    const random = this.#random;
    if (!random.chance(0.3)) return;
    this.#world.policies = { flapping: FLAPPING };
    const { scheduler } = this.#world;
    for (let i = random.whole(1, 6); i > 0; i--)
      scheduler.at(random.between(150, endMs), null, () => random.pick(this.#orders())());
  }

  /** Lets go of everything that is held back, as far as that can be done now. */
  letGo(): void {
    const { etcd } = this.#world;
    for (const cluster of pausedClusters(this.#world)) this.#control(cluster, { kind: 'resume' });
    for (const { value } of etcd.withPrefix(INCIDENTS)) {
      const incident = value as IncidentRecord;
      const { cluster, id, hold } = incident;
      if (hold?.kind === 'planned') this.#bringBack(incident);
      if (hold?.kind === 'flapping') this.#order(cluster, { kind: 'acknowledge', incident: id });
      if (hold?.kind === 'cancelled') this.#retry(incident, { resumes: true });
    }
  }

  /** One whose rebuild was begun cannot come back while its partner has everything: it is replaced. */
  #bringBack(incident: IncidentRecord): void {
    const { cluster, shard, rebuildBegun, replacement } = incident;
    const address = placeOf(incident);
    const partner = this.#world.checker.membersOf(shard).find((member) => member.cluster !== cluster);
    if (!rebuildBegun || replacement !== undefined || partner?.status !== 'online')
      return this.#order(cluster, { kind: 'bring-online', address });
    const judged = { kind: 'verdict', operator: true, verdict: 'permanent', evidence: [] } as const;
    this.#order(cluster, { ...judged, address });
  }

  #orders(): (() => void)[] {
    return [
      () => this.#takeOut(),
      () => this.#takeOut(),
      () => this.#takeOut(),
      () => this.#at(({ cluster, address }) => this.#order(cluster, { kind: 'bring-online', address })),
      () => this.#at(({ cluster, address }) => this.#retire(cluster, address)),
      () => this.#replace(),
      () => this.#about(({ cluster, id }) => this.#order(cluster, { kind: 'acknowledge', incident: id })),
      () => this.#about(({ cluster, id }) => this.#order(cluster, { kind: 'cancel-repair', incident: id })),
      () => this.#about(({ cluster, id }) => this.#order(cluster, { kind: 'cancel-repair', incident: id })),
      () => this.#about((incident) => this.#retry(incident, {})),
      () => this.#about((incident) => this.#retry(incident, {})),
      () => this.#about((incident) => this.#retry(incident, { resumes: true })),
      () => this.#pause(),
      () => this.#pause(),
      () => this.#announce(),
    ];
  }

  #takeOut(): void {
    const random = this.#random;
    this.#at(({ cluster, address }) => {
      const vdisks = this.#vdisks();
      this.#order(cluster, { kind: 'take-offline', address, vdisks, force: random.chance(0.1) });
      if (!random.chance(0.7)) return;
      this.#world.scheduler.after(random.between(100, 2_000), null, () =>
        this.#order(cluster, { kind: 'bring-online', address }),
      );
    });
  }

  #retire(cluster: string, address: string, onto?: string): void {
    const spare = onto === undefined ? {} : { onto: { address: onto, db: 0 } };
    this.#order(cluster, { kind: 'retire', address, vdisks: this.#vdisks(), ...spare });
  }

  #replace(): void {
    this.#at(({ cluster, address }) => {
      const { address: onto } = this.#world.newEngine();
      const operation = this.#operation('spare');
      this.#does((process) => addSpare(this.#world, process, cluster, onto, operation));
      this.#world.scheduler.after(this.#random.between(5, 100), null, () =>
        this.#retire(cluster, address, onto),
      );
    });
  }

  #retry({ id, cluster, attempt }: IncidentRecord, how: { readonly resumes?: true }): void {
    const { etcd } = this.#world;
    const repaired = vdisksIn(this.#world).filter(
      (vdisk) => etcd.get(repairKey(id, attempt, vdisk)) !== null,
    );
    const names = new Set(repaired.map((vdisk) => `v${vdisk}`));
    this.#order(cluster, { kind: 'retry-repair', incident: id, repaired: names, ...how });
  }

  #pause(): void {
    const random = this.#random;
    const cluster = random.chance(0.3) ? null : random.pick(this.#world.clusters);
    this.#control(cluster, { kind: 'pause' });
    this.#world.scheduler.after(random.between(100, 2_500), null, () =>
      this.#control(cluster, { kind: 'resume' }),
    );
  }

  #announce(): void {
    const random = this.#random;
    this.#at(({ cluster, address }) => {
      const about = random.chance(0.5) ? { address } : {};
      this.#control(cluster, { kind: 'begin-downtime', durationMs: random.whole(200, 2_500), ...about });
    });
  }

  /** Any engine that has a place: a spare, too, while it is filled. */
  #at(order: (place: { readonly cluster: string; readonly address: string }) => void): void {
    const random = this.#random;
    const cluster = random.pick(this.#world.clusters);
    const entry = random.pick(storageOf(this.#world.etcd, cluster).servers);
    const { address } = random.chance(0.2) ? entry : engineInPlace(entry);
    order({ cluster, address });
  }

  #about(order: (incident: IncidentRecord) => void): void {
    const open = this.#world.etcd.withPrefix(INCIDENTS);
    if (open.length > 0) order(this.#random.pick(open).value as IncidentRecord);
  }

  #vdisks(): VdisksAt {
    const names = vdisksIn(this.#world).map((vdisk) => `v${vdisk}`);
    return this.#world.clusters.length > 1
      ? { single: [], mirrored: names }
      : { single: names, mirrored: [] };
  }

  #order(cluster: string, order: OperatorInput): void {
    const operation = this.#operation(order.kind);
    const input = { ...order, by: 'operator', reason: 'asked for', operation } as TrackedInput;
    this.#note(`${order.kind} ${'address' in order ? order.address : order.incident} in ${cluster}`);
    this.#does((process) => applyEngineStatus(this.#world, process, cluster, input));
  }

  #control(cluster: string | null, control: Control): void {
    const operation = this.#operation(control.kind);
    this.#note(`${control.kind} in ${cluster ?? 'every cluster'}`);
    this.#does((process) => applyHealingControl(this.#world, process, cluster, control, operation));
  }

  #does(flow: (process: Process) => Flow<unknown>): void {
    const { process } = this.#random.pick(this.#world.coordinators);
    if (!process.up) return;
    this.#world.scheduler.after(1, process, () =>
      start(flow(process), (error) => {
        if (error !== null && !(error instanceof StoreAway)) throw error;
      }),
    );
  }

  #operation(kind: string): string {
    return `order-${kind}-${this.#operations++}`;
  }

  #note(what: string): void {
    this.#world.trace?.(`ORDER ${what}`);
    this.#world.fold(what.length);
  }
}

type OperatorInput =
  | {
      readonly kind: 'take-offline';
      readonly address: string;
      readonly vdisks: VdisksAt;
      readonly force: boolean;
    }
  | { readonly kind: 'bring-online'; readonly address: string }
  | {
      readonly kind: 'verdict';
      readonly operator: true;
      readonly address: string;
      readonly verdict: 'permanent';
      readonly evidence: readonly [];
    }
  | {
      readonly kind: 'retire';
      readonly address: string;
      readonly vdisks: VdisksAt;
      readonly onto?: { readonly address: string; readonly db: number };
    }
  | { readonly kind: 'acknowledge' | 'cancel-repair'; readonly incident: string }
  | {
      readonly kind: 'retry-repair';
      readonly incident: string;
      readonly repaired: ReadonlySet<string>;
      readonly resumes?: true;
    };

/** Who is to be brought back: a spare that is waited for, not the engine that it replaces. */
function placeOf({ address, replacement }: IncidentRecord): string {
  return replacement?.address ?? address;
}

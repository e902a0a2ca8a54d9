import {
  applyEngineStatus,
  applyInBurst,
  type Lease,
  listRepairedAttempts,
  parseVdiskStatic,
  vdiskSizeBytes,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { CollectionSettler } from './deduped/collection-settler.ts';
import type { ContentRepairTask } from './deduped/content-repair.ts';
import { DedupedVdisk } from './deduped/deduped-vdisk.ts';
import { MapFilling } from './deduped/map-filling.ts';
import { sectorsOf } from './deduped/sector.ts';
import { TemplateCluster } from './deduped/template-cluster.ts';
import type { VdiskDevice } from './device.ts';
import { countDirty } from './dirty-count.ts';
import { type EngineError, errno, VdiskIoError } from './errors.ts';
import { EtcdView } from './etcd-view.ts';
import { HeldOwnership } from './held-ownership.ts';
import { LeaseGuard } from './lease-guard.ts';
import { decideLockedOut, type LoginAnswer } from './locked-out.ts';
import { MountedLog } from './log/mounted-log.ts';
import type { VdiskLog } from './log/vdisk-log.ts';
import { loginAnswers } from './login-answers.ts';
import type { MountOptions } from './mount-options.ts';
import { Pair } from './pair.ts';
import type { MemberRecord, PairContext, RepairOutcome, RepairState } from './pair-context.ts';
import { mountPair } from './pair-mount.ts';
import { isSpareInUse, recordRepair } from './repair-record.ts';
import { type ScrubOptions, type ScrubState, scrubVdisk } from './scrub/vdisk-scrub.ts';
import type { Serving } from './serving.ts';
import { Placement } from './spread/placement.ts';
import { VdiskSpreads } from './spread/vdisk-spreads.ts';
import { type Geometry, Vdisk } from './vdisk.ts';
import { assertStillAllowed, type Clusters, type TemplateUse } from './vdisk-description.ts';
import { WholeBlocks } from './whole-blocks.ts';

/** How long the end of a mount waits for what is not in the log yet. */
const LOG_CLOSE_MS = 2_000;

/** A vdisk that this process owns. */
export class MountedVdisk {
  readonly epoch: string;
  readonly #options: MountOptions;
  #geometry: Geometry;
  readonly #clusters: Clusters;
  readonly #ownership: HeldOwnership;
  readonly #guard: LeaseGuard;
  readonly #templateUse: TemplateUse;
  #template: TemplateCluster | null = null;
  #filling: MapFilling | null = null;
  #settler: CollectionSettler | null = null;
  #pairs: Pair[] = [];
  #view: EtcdView | null = null;
  #device: VdiskDevice | null = null;
  #ended: string | null = null;
  /** One round of questions, however many links are refused at once. */
  #logins: Promise<LoginAnswer[]> | null = null;
  #isAskedToLeave = false;
  readonly #placement: Placement;
  readonly #log: MountedLog;
  #spreads: VdiskSpreads | null = null;

  constructor(
    options: MountOptions,
    description: Geometry & { clusters: Clusters; template: TemplateUse },
    lease: Lease,
    epoch: string,
  ) {
    const { clusters, template, ...geometry } = description;
    this.#options = options;
    this.#geometry = geometry;
    this.#placement = new Placement(geometry.vdisk, geometry.layout, geometry.shards);
    this.#clusters = clusters;
    this.#templateUse = template;
    this.epoch = epoch;
    this.#log = new MountedLog(options, geometry, epoch, {
      pairs: () => this.#pairs,
      shardOf: (block) => this.#placement.shardOf(block),
      ownerRevision: () => (this.#ended === null ? this.#ownership.revision : null),
      fenced: (reason) => this.#lose(reason),
    });
    this.#guard = new LeaseGuard(lease, geometry.vdisk, options.settings.holdMaxMs);
    this.#ownership = new HeldOwnership({
      ...{ store: options.store, owner: options.owner, log: options.log, vdisk: options.vdisk, epoch, lease },
      ttlSeconds: options.settings.leaseTtlSeconds,
      guard: this.#guard,
      allowed: () => assertStillAllowed(options.store, options.vdisk, options.purpose),
      confirm: () => this.#confirmShards(),
      changed: () => this.#follow(),
      lost: (reason) => this.#lose(reason),
    });
  }

  /** As etcd says now: a vdisk may grow while it is mounted. */
  get geometry(): Geometry {
    return this.#geometry;
  }

  /** Byte-addressed access. */
  get device(): VdiskDevice {
    if (this.#device === null) throw new Error(`vdisk ${this.geometry.vdisk} is not mounted yet`);
    return this.#device;
  }

  /**
   * Access for who writes or reads very many whole blocks.
   *
   * @throws SalvorError `unsupported-type` of a deduped vdisk
   */
  wholeBlocks(): WholeBlocks {
    const { device } = this;
    if (device instanceof Vdisk) return new WholeBlocks(device, this.#pairs, this.#placement);
    throw new SalvorError(
      'unsupported-type',
      `vdisk ${this.geometry.vdisk} is of type boot, whose blocks are not written one by one`,
    );
  }

  /** By shard: the last batch of its pair; without shards that are given up. */
  positions(): Map<number, number> {
    const living = this.#pairs.filter((_, shard) => this.#placement.holdsBlocks(shard));
    return new Map(living.map(({ context, seq }) => [context.shard, seq]));
  }

  /**
   * Compares both copies of every block, and repairs what is proven wrong. Rejects when it cannot go on now: another try,
   * of this owner or the next, goes on from the state last told.
   */
  scrub(from: ScrubState, options: ScrubOptions): Promise<ScrubState> {
    const pairs = this.#pairs.filter((pair) => pair.members.some(({ record }) => record.status !== 'rip'));
    return scrubVdisk(pairs, from, options);
  }

  /** How far the repairs are that are under way, spreads among them. */
  repairsUnderWay(): RepairState[] {
    const own = this.#pairs.flatMap(({ repairState }) => repairState ?? []);
    return [...own, ...(this.#spreads?.underWay() ?? [])];
  }

  /**
   * Blocks that an engine lacks and its partner has, as the partner's dirty maps mark them now. Rejects with EngineError or
   * VdiskIoError where one cannot be asked.
   */
  async dirtyBlocks(): Promise<number> {
    const counts = await Promise.all(this.#pairs.map(countDirty));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** The transaction log, null when the vdisk has none. */
  get log(): VdiskLog | null {
    return this.#log.log;
  }

  /** False once the ownership ended, for whatever reason. */
  get alive(): boolean {
    return this.#ended === null;
  }

  async start(): Promise<void> {
    const { vdisk } = this.geometry;
    const { store, owner, log } = this.#options;
    const about = { vdisk, server: owner.server, clusters: this.#clusters, log };
    const view = await EtcdView.open(store, about, () => this.#follow());
    this.#view = view;
    await this.#openTemplate();
    this.#assertNotEnded();
    const { primary, slave, rip } = view.records();
    this.#placement.setRip(rip);
    this.#pairs = primary.map(
      (record, shard) => new Pair(this.#context(shard), record, slave?.[shard] ?? null),
    );
    this.#device = this.#newDevice();
    // What changed before there were pairs was heard by nobody, the loss of the owner key above all.
    this.#follow();
    await Promise.all(
      this.#pairs.filter((pair) => pair.members.some(({ record }) => record.status !== 'rip')).map(mountPair),
    );
    this.#assertNotEnded();
    await this.#log.open();
    this.#assertNotEnded();
    this.#spreads?.mounted();
    const device = this.#device;
    if (!(device instanceof DedupedVdisk)) return;
    this.#filling?.start(device);
    this.#settler = new CollectionSettler({
      ...{ store, log, vdisk, cluster: this.#clusters.primary },
      ownerRevision: () => this.#ownership.revision,
      underWay: () => device.underWay(),
      incomplete: () => this.incomplete(),
      isEnded: () => this.#ended !== null,
    });
    this.#settler.notice(view.collection());
  }

  /** Why not every member of every shard has, and will have, all that is written; null when they have. */
  incomplete(): string | null {
    if (this.#ended !== null) return this.#ended;
    if (this.#filling?.isOpen === false) return 'the block map of the template is still to be copied';
    for (const { context, members, mode } of this.#pairs) {
      if (members.every(({ record }) => record.status === 'rip')) continue;
      if (mode.kind !== 'mirrored' && mode.kind !== 'single') return `shard ${context.shard}: ${mode.reason}`;
    }
    return null;
  }

  /**
   * Whether a write was taken without an engine since it went offline; null when this owner cannot tell, undefined when the
   * engine has no blocks of the vdisk.
   */
  missedWrites(address: string): boolean | null | undefined {
    const told = this.#pairs.flatMap(({ members }) =>
      members.flatMap((member) => {
        if (member.record.address !== address) return [];
        const partner = members.find((other) => other !== member);
        // Nobody takes a write without the only copy.
        if (partner === undefined) return [false];
        return [partner.session === null ? null : partner.session.head.fork !== null];
      }),
    );
    if (told.length === 0) return undefined;
    return told.includes(true) ? true : told.includes(null) ? null : false;
  }

  async #openTemplate(): Promise<void> {
    const { store, settings, log } = this.#options;
    const { vdisk, sizeBytes, blockSizeBytes } = this.#geometry;
    const { content, map } = this.#templateUse;
    if (content !== null) {
      this.#template = await TemplateCluster.open({ store, vdisk, settings, ...content });
      if (this.#ended !== null) this.#template.close();
    }
    if (map === null) return;
    const sectors = sectorsOf(sizeBytes, blockSizeBytes);
    this.#filling = new MapFilling({
      ...{ store, log, vdisk, settings, sectors, template: map },
      ownerRevision: () => this.#ownership.revision,
      pairs: () => this.#pairs,
    });
  }

  #newDevice(): VdiskDevice {
    const placement = this.#placement;
    if (this.#geometry.isDeduped) {
      const isRip = (shard: number): boolean => placement.isRip(shard);
      const options = { template: this.#template, gate: this.#filling };
      return new DedupedVdisk(this.#geometry, this.#pairs, this.#guard, isRip, options);
    }
    const device = new Vdisk(this.#geometry, this.#pairs, this.#guard, placement, this.#log);
    this.#spreads = new VdiskSpreads({
      ...{ vdisk: this.#geometry.vdisk, pairs: this.#pairs, placement },
      blocks: () => this.#blocks,
      resubmit: (write) => device.resubmit(write),
      completed: (outcome) => void this.#recordRepair(outcome),
    });
    return device;
  }

  /** Stops serving and gives the ownership back. */
  async unmount(): Promise<void> {
    this.#end('it was unmounted');
    this.#view?.close();
    await this.#log.close(LOG_CLOSE_MS);
    await this.#ownership.giveBack();
  }

  #assertNotEnded(): void {
    if (this.#ended === null) return;
    throw new VdiskIoError('ownership-lost', `vdisk ${this.geometry.vdisk}: ${this.#ended}`, errno.shutdown);
  }

  #lose(reason: string): void {
    if (this.#ended !== null) return;
    this.#end(reason);
    void this.#log.close(0);
    this.#ownership.release();
    this.#options.events.ownershipLost(this.geometry.vdisk, reason);
  }

  #end(reason: string): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    this.#guard.lose(reason);
    this.#view?.close();
    this.#template?.close();
    this.#filling?.end();
    const error = new VdiskIoError(
      'ownership-lost',
      `vdisk ${this.geometry.vdisk}: ${reason}`,
      errno.shutdown,
    );
    for (const pair of this.#pairs) pair.close(error);
  }

  /** Asks the engines of every shard whether it may be served although the lease is not valid. */
  async #confirmShards(): Promise<Serving> {
    if (this.#device === null) return { kind: 'stop', reason: 'it is not mounted yet' };
    const served = this.#pairs.filter((_, shard) => this.#placement.holdsBlocks(shard));
    const answers = await Promise.all(served.map((pair) => pair.confirm()));
    const reason = 'every shard confirmed that nobody else took over';
    return answers.find(({ kind }) => kind === 'stop') ?? { kind: 'serve', reason };
  }

  /** Takes over what etcd says now. */
  #follow(): void {
    const view = this.#view;
    if (view === null || this.#ended !== null || this.#pairs.length === 0) return;
    const ended = this.#ownership.endedBy(view.ownerEpoch());
    if (ended !== null) return this.#lose(ended);
    this.#followTakeover(view.takeoverBy());
    this.#followSize(view.staticText());
    this.#settler?.notice(view.collection());
    this.#log.follow(view.tlogText(), view.tlogState());
    try {
      const { primary, slave, rip } = view.records();
      if (primary.length !== this.#pairs.length)
        throw new Error(`the cluster now lists ${primary.length} servers`);
      this.#placement.setRip(rip);
      for (const [shard, pair] of this.#pairs.entries()) {
        const record = primary[shard];
        if (record !== undefined) pair.applyRecords(record, slave?.[shard] ?? null);
      }
      this.#spreads?.follow({ primary, slave });
    } catch (error) {
      // As 0-Disk does: a bad value leaves the configuration in force that was there before.
      this.#options.log.error(
        { vdisk: this.geometry.vdisk, error: String(error) },
        'ignored a bad cluster configuration',
      );
    }
  }

  #followTakeover(by: string | null): void {
    const { owner, events, log } = this.#options;
    const { vdisk } = this.geometry;
    if (by === null || by === owner.server || this.#isAskedToLeave) return;
    this.#isAskedToLeave = true;
    log.info({ vdisk, to: by }, 'another server takes the vdisk over');
    events.takeoverAsked(vdisk, by);
  }

  /** Takes a greater size over. A vdisk that is mounted does not shrink: its clients could not know. */
  #followSize(fixed: string | null): void {
    if (fixed === null) return;
    const { vdisk, sizeBytes } = this.#geometry;
    const { log } = this.#options;
    try {
      const next = vdiskSizeBytes(parseVdiskStatic(fixed));
      if (next <= sizeBytes) return;
      this.#geometry = { ...this.#geometry, sizeBytes: next };
      this.#device?.grow(this.#geometry);
      log.info({ vdisk, fromBytes: sizeBytes, toBytes: next }, 'vdisk grown');
    } catch (error) {
      log.error({ vdisk, error: String(error) }, 'ignored a bad vdisk configuration');
    }
  }

  #context(shard: number): PairContext {
    const { vdisk, shards, layout } = this.geometry;
    const { settings, events, log } = this.#options;
    const bits = (): number => layout.bitCount(this.#blocks, shards);
    const logged = this.#log;
    return {
      vdisk,
      epoch: this.epoch,
      shard,
      shards,
      layout,
      get bits() {
        return bits();
      },
      settings,
      repairContent: this.geometry.isDeduped ? (task) => this.#repairContent(task) : undefined,
      lease: this.#guard,
      get log() {
        return logged.log;
      },
      spreadState: () => this.#spreads?.state(shard) ?? null,
      blocksOfBit: (bit) => this.#placement.blocksOfBit(bit, shard, this.#blocks),
      engineFailed: ({ identity, address }, { fault, message }) => {
        log.warn({ vdisk, engine: address, fault, reason: message }, 'storage engine failed');
        events.engineFailed({ vdisk, cluster: identity.cluster, shard, address, fault, reason: message });
      },
      repairInterrupted: ({ address }, { message }) =>
        log.warn({ vdisk, shard, engine: address, reason: message }, 'a repair begins anew'),
      loginRefused: (error) => this.#loginRefused(error),
      isLast: async (record) => (await this.#view?.servedLast(this.#options.store, record)) === true,
      recordedAttempts: (incident) => listRepairedAttempts(this.#options.store, incident, vdisk),
      isSpareInUse: (repair) => isSpareInUse(this.#options.store, repair),
      writesLost: (record, error) => this.#holdWithoutWrites(record, error.message),
      proposeOffline: (record, error) => this.#proposeOffline(record, error.message),
      repairCompleted: (outcome) => void this.#recordRepair(outcome),
      writesHeld: (heldMs) => events.writesHeld?.({ vdisk, shard, heldMs }),
      dataUnavailable: (at, reason) => {
        if (!this.#placement.holdsBlocks(at)) return;
        log.error({ vdisk, shard: at, reason }, 'data unavailable');
        events.dataUnavailable({ vdisk, cluster: this.#clusters.primary, shard: at, reason });
      },
      dataAvailable: (at, reason) => {
        if (!this.#placement.holdsBlocks(at)) return;
        log.info({ vdisk, shard: at, reason }, 'data available again');
        events.dataAvailable({ vdisk, cluster: this.#clusters.primary, shard: at, reason });
      },
      blocksCorrupt: ({ address }, blocks, lost) => {
        log.error({ vdisk, shard, engine: address, blocks, lost }, 'blocks do not match their checksums');
        events.blocksCorrupt({ vdisk, address, blocks, lost });
      },
      fenced: (error) => this.#lose(error.message),
    };
  }

  async #repairContent(task: ContentRepairTask): Promise<string> {
    const device = this.#device;
    if (!(device instanceof DedupedVdisk)) throw new Error('only a deduped vdisk has content to repair');
    const { checked, copied, absent } = await device.repairContent(task);
    const { log } = this.#options;
    const { address } = task.target.record;
    log.info({ vdisk: this.geometry.vdisk, engine: address, checked, copied, absent }, 'content repaired');
    return `of ${checked} contents that the block map names ${copied} were copied`;
  }

  /** Blocks of the layout: of a deduped vdisk, the sectors of its block map. */
  get #blocks(): number {
    const { sizeBytes, blockSizeBytes, isDeduped } = this.#geometry;
    return isDeduped ? sectorsOf(sizeBytes, blockSizeBytes) : Math.floor(sizeBytes / blockSizeBytes);
  }

  async #loginRefused({ message }: EngineError): Promise<void> {
    const engines = this.#pairs.flatMap(({ members }) => members.map(({ record }) => record));
    this.#logins ??= loginAnswers(engines, this.#options.settings).finally(() => {
      this.#logins = null;
    });
    if (decideLockedOut(await this.#logins))
      this.#lose(
        `no engine lets this server in: check the password and the certificates that it has for the engines; ${message}`,
      );
  }

  async #holdWithoutWrites({ identity, address, repair }: MemberRecord, reason: string): Promise<void> {
    const { store, owner, log } = this.#options;
    if (repair === null) return;
    const { incident, attempt } = repair;
    const at = Date.now().toString(36);
    const operation = `${owner.instance}-${identity.cluster}-${identity.shard}-${at}`;
    const found = { kind: 'writes-lost' as const, incident, attempt, reason, by: owner.server, operation };
    try {
      const { outcome, reason: why } = await applyEngineStatus(store, found, { cluster: identity.cluster });
      log.error({ engine: address, incident, outcome, reason: why }, 'acknowledged writes are on no engine');
    } catch (error) {
      log.warn({ engine: address, incident, error: String(error) }, 'could not record that writes are lost');
    }
  }

  async #proposeOffline({ identity, address }: MemberRecord, reason: string): Promise<void> {
    const { store, owner, log } = this.#options;
    const at = Date.now();
    const operation = `${owner.instance}-${identity.cluster}-${identity.shard}-${at.toString(36)}`;
    // A fault is forgotten when etcd moves the engine, so what there is now was met under this configuration.
    const seenRevision = this.#view?.storageRevision(identity.cluster) ?? null;
    try {
      const { outcome, reason: why } = await applyInBurst(
        store,
        {
          ...{ kind: 'failure-reported', address, reporter: owner.server, reason, operation, detectedAt: at },
          ...(seenRevision === null ? {} : { seenRevision }),
        },
        { cluster: identity.cluster },
      );
      log.info({ engine: address, outcome, reason: why }, 'proposed to record an engine as offline');
    } catch (error) {
      log.warn({ engine: address, error: String(error) }, 'could not propose to record an engine as offline');
    }
  }

  /** The record is what counts; the announcement follows it. */
  async #recordRepair(outcome: RepairOutcome): Promise<void> {
    const { store, owner, events, log } = this.#options;
    const epoch = (): string | null => (this.#ended === null ? this.#ownership.revision : null);
    const isRecorded = await recordRepair({ store, log, server: owner.server, outcome, epoch });
    if (!isRecorded) return;
    this.#view?.addCompleted(outcome.incident, outcome.attempt);
    this.#follow();
    events.repairCompleted(outcome);
  }
}

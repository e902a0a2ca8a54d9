import {
  type ConfigStore,
  HOOKS_DUE_PREFIX,
  hookDueKey,
  hookRunKey,
  hookRunSchema,
  INSTANCES_PREFIX,
  type InstanceRecord,
  instanceSchema,
  ownerKey,
  ownerSchema,
  parseRecord,
  readVdisk,
  SALVOR_CLUSTERS_PREFIX,
  type StoreEntry,
  salvorClusterKey,
  salvorClusterSchema,
  UNAVAILABLE_PREFIX,
  type UnavailableShard,
  unavailableShardSchema,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { HookBook } from '../hooks/hook-book.ts';
import { WatchLoop } from '../watch-loop.ts';
import { missingHook, movedInstance, storeInstance } from './instance-change.ts';
import {
  decideInstance,
  decideServerExit,
  decideServerStart,
  type InstanceMove,
  type InstanceView,
} from './instance-decision.ts';

export interface InstanceLoopOptions {
  readonly store: ConfigStore;
  readonly book: HookBook;
  readonly log: Logger;
  /** Names this coordinator. */
  readonly by: string;
}

/** Everything is looked at again after so long, whatever was or was not heard. */
const SAFETY_INTERVAL_MS = 1_000;
/** Tries of one move while others change the instance. */
const TRIES_MAX = 8;

/**
 * Stops instances whose vdisks have blocks without a live copy, and starts them when they have one again. A change of an
 * instance and the hooks that carry it out are one transaction: so each is asked for once, by whichever coordinator.
 */
export class InstanceLoop {
  readonly #options: InstanceLoopOptions;
  readonly #complained = new Map<string, string>();
  readonly #loop: WatchLoop;

  constructor(options: InstanceLoopOptions) {
    this.#options = options;
    const { store, log } = options;
    this.#loop = new WatchLoop({
      ...{ store, log },
      prefixes: [INSTANCES_PREFIX, UNAVAILABLE_PREFIX, SALVOR_CLUSTERS_PREFIX, HOOKS_DUE_PREFIX],
      safetyIntervalMs: SAFETY_INTERVAL_MS,
      trouble: 'could not look after instances, trying again',
      look: () => this.#look(),
    });
  }

  /** Waits for etcd as long as that takes. */
  start(): Promise<void> {
    return this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** An NBD server ended. Rejects when that could not be stored. */
  async serverExited(server: string, at: number, returns: boolean): Promise<void> {
    for (const { key, record } of await this.#instances())
      if (await this.#usesServer(record, server))
        await this.#move(key, (instance) => decideServerExit(instance, { server, at, returns }));
  }

  async serverStarted(server: string, at: number): Promise<void> {
    for (const { key } of await this.#instances())
      await this.#move(key, (instance) => decideServerStart(instance, { server, at }));
  }

  async #look(): Promise<void> {
    const entries = this.#loop.entries();
    const dark = darkVdisks(entries);
    for (const [key, { value }] of entries) {
      if (!key.startsWith(INSTANCES_PREFIX) || this.#loop.isStopped) continue;
      try {
        if (isSettled(parseRecord(instanceSchema, key, value), dark)) continue;
        await this.#move(key, async (instance) => decideInstance(await this.#view(instance), Date.now()));
      } catch (error) {
        this.#options.log.warn({ key, error: messageOf(error) }, 'could not look after an instance');
      }
    }
  }

  async #move(
    key: string,
    decide: (instance: InstanceRecord) => InstanceMove | null | Promise<InstanceMove | null>,
  ): Promise<void> {
    const { store, book, by, log } = this.#options;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const entry = await store.get(key);
      if (entry === null) return;
      const instance = parseRecord(instanceSchema, key, entry.value);
      const move = await decide(instance);
      if (move === null) return;
      const change = movedInstance(instance, move, book, { now: Date.now(), by });
      if (change === null) return this.#complain(instance, move);
      if (!(await storeInstance(store, entry, change))) continue;
      const { status, reason } = change.record;
      log.info(
        { instance: instance.instance, from: instance.status, to: status, reason },
        'instance changed',
      );
      return;
    }
  }

  /** Once for each reason, not at every look. */
  #complain(instance: InstanceRecord, { point, reason }: InstanceMove): void {
    if (point === null) return;
    const why = `${missingHook(instance, point)}: ${reason}`;
    if (this.#complained.get(instance.instance) === why) return;
    this.#complained.set(instance.instance, why);
    this.#options.log.error(
      { instance: instance.instance, point, reason: why },
      'an instance is left as it is',
    );
  }

  async #view(instance: InstanceRecord): Promise<InstanceView> {
    const { store } = this.#options;
    const isUnderWay = instance.status === 'stopping' || instance.status === 'starting';
    const unavailable = (isUnderWay ? [] : await this.#unavailable()).flatMap(
      ({ vdisks, reason, incidents }) =>
        vdisks
          .filter(({ vdisk }) => instance.vdisks.includes(vdisk))
          .map(({ vdisk }) => ({ vdisk, reason, incident: incidents[0] ?? null })),
    );
    const isWaiting = instance.status === 'stopped' || instance.status === 'stop-failed';
    return {
      instance,
      unavailable,
      isUnhealthy: isWaiting && (await this.#isUnhealthy(instance.vdisks)),
      runs: await Promise.all(instance.runs.map((run) => outcomeOf(store, run))),
    };
  }

  /** From etcd, not from the watch: what a move is decided on must not be older than the instance. */
  async #unavailable(): Promise<UnavailableShard[]> {
    const { entries } = await this.#options.store.list(UNAVAILABLE_PREFIX);
    return entries.map(({ key, value }) => parseRecord(unavailableShardSchema, key, value));
  }

  async #isUnhealthy(vdisks: readonly string[]): Promise<boolean> {
    const { store } = this.#options;
    for (const vdisk of vdisks) {
      const nbd = (await readVdisk(store, vdisk))?.nbd;
      if (nbd === undefined) continue;
      const lock = await store.get(vdiskLifecycleKey(vdisk));
      if (lock !== null && parseRecord(vdiskLifecycleSchema, lock.key, lock.value).state === 'restoring')
        return true;
      const key = salvorClusterKey(nbd.storageClusterID);
      const entry = await store.get(key);
      if (entry !== null && parseRecord(salvorClusterSchema, key, entry.value).status === 'unhealthy')
        return true;
    }
    return false;
  }

  async #usesServer({ server, vdisks }: InstanceRecord, ended: string): Promise<boolean> {
    if (server !== undefined) return server === ended;
    for (const vdisk of vdisks) {
      const key = ownerKey(vdisk);
      const entry = await this.#options.store.get(key);
      if (entry !== null && parseRecord(ownerSchema, key, entry.value).server === ended) return true;
    }
    return false;
  }

  async #instances(): Promise<{ readonly key: string; readonly record: InstanceRecord }[]> {
    const { entries } = await this.#options.store.list(INSTANCES_PREFIX);
    return entries.map(({ key, value }) => ({ key, record: parseRecord(instanceSchema, key, value) }));
  }
}

/** Whether nothing is to be done about it, at a glance: most instances are, most of the time. */
function isSettled(
  { status, desired, restart, cause, vdisks }: InstanceRecord,
  dark: ReadonlySet<string>,
): boolean {
  const isDark = vdisks.some((vdisk) => dark.has(vdisk));
  switch (status) {
    case 'started':
      return desired === 'started' && !isDark;
    case 'stopped':
    case 'stop-failed':
      return (
        desired === 'stopped' || isDark || (cause?.kind === 'data-unavailable' && restart === 'operator')
      );
    case 'start-failed':
      return true;
    case 'stopping':
    case 'starting':
      return false;
  }
}

function darkVdisks(entries: ReadonlyMap<string, StoreEntry>): Set<string> {
  const dark = new Set<string>();
  for (const [key, { value }] of entries) {
    if (!key.startsWith(UNAVAILABLE_PREFIX)) continue;
    const shard = unavailableShardSchema.safeParse(jsonOf(value));
    for (const { vdisk } of shard.data?.vdisks ?? []) dark.add(vdisk);
  }
  return dark;
}

/** Undefined for what is none: the statement is about to be replaced by one that can be read. */
function jsonOf(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** Null while it has not ended. A run that is no longer on record has, and nobody knows how. */
async function outcomeOf(store: ConfigStore, run: string): Promise<'succeeded' | 'failed' | null> {
  const keys = [hookRunKey(run), hookDueKey(run)] as const;
  const { entries } = await store.getMany(keys);
  const entry = entries.get(keys[0]) ?? null;
  if (entry === null) return entries.get(keys[1]) == null ? 'failed' : null;
  const { status } = parseRecord(hookRunSchema, entry.key, entry.value);
  return status === 'pending' ? null : status;
}

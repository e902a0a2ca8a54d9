import {
  type ConfigStore,
  listVdisks,
  type MountPurpose,
  parseServerVdisks,
  serverVdisksKey,
} from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import {
  describeVdisk,
  FencedError,
  type LogAccess,
  type MountedVdisk,
  type MountSettings,
  mountVdisk,
  OwnedElsewhereError,
  type OwnerIdentity,
  type RepairState,
  type ShardState,
  TakenOverElsewhereError,
  type VdiskEvents,
  type VdiskLogState,
  VdiskRefusedError,
  volumeConfirmation,
} from '@salvor/vdisk';
import { type ExportDescription, ExportError, type Exports, type OpenExport } from './nbd/block-device.ts';

export interface VdiskExportsOptions {
  readonly store: ConfigStore;
  readonly owner: OwnerIdentity;
  readonly settings: MountSettings;
  readonly events: VdiskEvents;
  readonly log: Logger;
  /** How transaction logs are written; without it vdisks that have one are refused. */
  readonly logs?: LogAccess;
  /** How long a vdisk that nobody uses stays mounted, in milliseconds: clients reconnect. */
  readonly lingerMs: number;
  /** Called when a vdisk became mounted here, or ceased to be. */
  readonly onMounted: (vdisk: string, epoch: string) => void;
  readonly onReleased: (vdisk: string, epoch: string) => void;
}

export interface MountState {
  readonly vdisk: string;
  readonly state: 'mounting' | 'mounted';
  readonly epoch: string;
  readonly users: number;
  readonly shards: ShardState[];
  /** Repairs of it that are under way. */
  readonly repairs: RepairState[];
  /** Its transaction log; null where it has none. */
  readonly log: VdiskLogState | null;
}

/** One mounted vdisk, shared by all connections of this server and by repairs without a client. */
interface Mount {
  readonly vdisk: string;
  readonly ready: Promise<MountedVdisk>;
  /** What it may be used for: a vdisk may be open to repairs while it is closed to clients. */
  purpose: MountPurpose;
  mounted: MountedVdisk | null;
  users: number;
  linger: NodeJS.Timeout | null;
}

/** The vdisks of this server as NBD exports: mounted with the first user, released some time after the last. */
export class VdiskExports implements Exports {
  readonly #options: VdiskExportsOptions;
  readonly #mounts = new Map<string, Mount>();
  #closing = false;

  constructor(options: VdiskExportsOptions) {
    this.#options = options;
  }

  /** The server's own list where it has one, else every vdisk there is. */
  async list(): Promise<string[]> {
    const { store, owner } = this.#options;
    const own = await store.get(serverVdisksKey(owner.server));
    return own === null ? listVdisks(store) : [...parseServerVdisks(own.value).vdisks];
  }

  async describe(name: string): Promise<ExportDescription> {
    try {
      return toDescription(name, await describeVdisk(this.#options.store, name));
    } catch (error) {
      throw toExportError(error);
    }
  }

  async open(name: string): Promise<OpenExport> {
    const { mounted, release } = await this.use(name).catch((error: unknown) => {
      throw toExportError(error);
    });
    const { device, geometry } = mounted;
    const { description, ...shape } = toDescription(name, geometry);
    return {
      device: {
        ...shape,
        read: (offset, length) => device.readStored(offset, length),
        extents: (offset, length) => device.extents(offset, length),
        write: (offset, data) => device.write(offset, data),
        zero: (offset, length) => device.zero(offset, length),
        trim: (offset, length) => device.zero(offset, length),
        flush: () => device.flush(),
        recycle: (data) => device.recycle(data),
      },
      description,
      close: async () => release(),
    };
  }

  /** Mounts the vdisk, or joins the mount there is. The caller must release it once. */
  async use(
    vdisk: string,
    purpose: 'clients' | 'repair' = 'clients',
  ): Promise<{ mounted: MountedVdisk; release: () => void }> {
    if (this.#closing) throw new ExportError('shutdown', 'this server is shutting down');
    const mount = this.#mounts.get(vdisk) ?? this.#mount(vdisk, purpose);
    mount.users++;
    if (mount.linger !== null) clearTimeout(mount.linger);
    mount.linger = null;
    try {
      const mounted = await mount.ready;
      if (purpose === 'clients' && mount.purpose !== 'clients') {
        const confirmed = await volumeConfirmation(this.#options.store, vdisk);
        await describeVdisk(this.#options.store, vdisk);
        await confirmed();
        mount.purpose = 'clients'; // from here on: nothing that excludes clients can begin while it is owned
      }
      let released = false;
      const release = (): void => {
        if (!released) this.#release(mount);
        released = true;
      };
      return { mounted, release };
    } catch (error) {
      this.#release(mount);
      throw error;
    }
  }

  /** Null: it is not mounted here, or not yet. */
  mountedOf(vdisk: string): MountedVdisk | null {
    return this.#mounts.get(vdisk)?.mounted ?? null;
  }

  isMounted(vdisk: string): boolean {
    return this.#mounts.has(vdisk);
  }

  states(): MountState[] {
    return [...this.#mounts.values()].map(({ vdisk, mounted, users }) => ({
      vdisk,
      state: mounted === null ? 'mounting' : 'mounted',
      epoch: mounted?.epoch ?? '0',
      users,
      shards: mounted?.device.shardStates() ?? [],
      repairs: mounted?.repairsUnderWay() ?? [],
      log: mounted?.log?.state ?? null,
    }));
  }

  /** Blocks of all vdisks mounted here that one engine lacks and its partner has; vdisks that cannot be asked now are left out. */
  async dirtyBlocks(): Promise<number> {
    const asked = [...this.#mounts.values()].map(async ({ mounted }) => mounted?.dirtyBlocks() ?? 0);
    const told = await Promise.allSettled(asked);
    return told.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value : 0), 0);
  }

  /** Vdisks mounted here with blocks on an engine, and whether they took writes without it since it is offline. */
  onEngine(address: string): { vdisk: string; missedWrites: boolean | null }[] {
    return [...this.#mounts.values()].flatMap(({ vdisk, mounted }) => {
      const missedWrites = mounted?.missedWrites(address);
      return missedWrites === undefined ? [] : [{ vdisk, missedWrites }];
    });
  }

  /** Forgets a vdisk whose ownership ended; the next user mounts it anew. */
  forget(vdisk: string): void {
    const mount = this.#mounts.get(vdisk);
    if (mount === undefined) return;
    if (mount.linger !== null) clearTimeout(mount.linger);
    this.#mounts.delete(vdisk);
    if (mount.mounted !== null) this.#options.onReleased(vdisk, mount.mounted.epoch);
  }

  /** Takes a vdisk out of service: nobody joins its mount any more. Whoever called this unmounts it with what is returned. */
  withdraw(vdisk: string): () => Promise<void> {
    const mount = this.#mounts.get(vdisk);
    this.forget(vdisk);
    return async () => {
      const mounted = await mount?.ready.catch(() => null);
      await mounted?.unmount();
    };
  }

  /** Gives every vdisk back. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#mounts.values()].map((mount) => this.#unmount(mount)));
  }

  #mount(vdisk: string, purpose: MountPurpose): Mount {
    const { store, owner, settings, events, log, logs, onMounted } = this.#options;
    const ready = mountVdisk({
      ...{ store, vdisk, owner, settings, events, log: log.child({ vdisk }), purpose },
      ...(logs === undefined ? {} : { logs }),
    });
    const mount: Mount = { vdisk, ready, purpose, mounted: null, users: 0, linger: null };
    this.#mounts.set(vdisk, mount);
    ready.then(
      (mounted) => {
        mount.mounted = mounted;
        log.info({ vdisk, epoch: mounted.epoch }, 'vdisk mounted');
        onMounted(vdisk, mounted.epoch);
      },
      (error: unknown) => {
        log.warn({ vdisk, error: String(error) }, 'vdisk not mounted');
        if (this.#mounts.get(vdisk) === mount) this.#mounts.delete(vdisk);
      },
    );
    return mount;
  }

  #release(mount: Mount): void {
    mount.users--;
    if (mount.users > 0 || this.#closing) return;
    if (this.#mounts.get(mount.vdisk) !== mount) return;
    mount.linger = setTimeout(() => {
      this.#unmount(mount).catch((error: unknown) =>
        this.#options.log.warn({ vdisk: mount.vdisk, error: String(error) }, 'vdisk not released cleanly'),
      );
    }, this.#options.lingerMs);
  }

  async #unmount(mount: Mount): Promise<void> {
    const { vdisk } = mount;
    if (this.#mounts.get(vdisk) !== mount) return;
    this.forget(vdisk);
    const mounted = await mount.ready.catch(() => null);
    await mounted?.unmount();
    this.#options.log.info({ vdisk }, 'vdisk released');
  }
}

/** The same whether the vdisk is mounted or not: a client may compare what INFO and GO answer. */
function toDescription(
  vdisk: string,
  geometry: Pick<ExportDescription, 'sizeBytes' | 'blockSizeBytes' | 'readOnly'>,
): ExportDescription & { description: string } {
  const { sizeBytes, blockSizeBytes, readOnly } = geometry;
  return { sizeBytes, blockSizeBytes, readOnly, description: `vdisk ${vdisk}` };
}

function toExportError(error: unknown): ExportError {
  if (error instanceof ExportError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof VdiskRefusedError && error.code === 'unknown-vdisk')
    return new ExportError('unknown', message);
  if (
    error instanceof OwnedElsewhereError ||
    error instanceof TakenOverElsewhereError ||
    error instanceof FencedError
  )
    return new ExportError('policy', message);
  return new ExportError('policy', `cannot be served: ${message}`);
}

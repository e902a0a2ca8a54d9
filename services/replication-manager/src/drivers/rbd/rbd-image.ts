/** One image in one cluster, through the `rbd` command. */
import type { Asked, RbdSide } from './decide-rbd-status.ts';
import {
  parseRbdInfo,
  parseRbdLocks,
  parseRbdPoolInfo,
  parseRbdSnapshotId,
  parseRbdSnapshots,
  parseRbdStatus,
  RbdAnswerError,
  type RbdInfo,
} from './rbd-answers.ts';
import type { RbdExec } from './rbd-command.ts';
import { type RbdCallEnd, type RbdOutcome, rbdMessage, rbdOutcome } from './rbd-outcome.ts';

const JSON_FORMAT = ['--format', 'json'] as const;
/** A call costs 33 to 45 ms idle, and half a second on a loaded host. */
const ASK_DEADLINE_MS = 10_000;
const CHANGE_DEADLINE_MS = 60_000;
/** A forced promote took up to 37 s where it ended at all. */
const PROMOTE_DEADLINE_MS = 300_000;
/** A flatten copies the whole image. */
const FLATTEN_DEADLINE_MS = 6 * 3_600_000;

/** How a change ended. */
export interface RbdChange {
  readonly outcome: RbdOutcome;
  /** A sentence. */
  readonly message: string;
  readonly stdout: string;
}

export class RbdImage {
  readonly zone: string;
  readonly image: string;
  readonly #pool: string;
  readonly #exec: RbdExec;

  constructor(at: {
    readonly zone: string;
    readonly pool: string;
    readonly image: string;
    readonly exec: RbdExec;
  }) {
    this.zone = at.zone;
    this.image = at.image;
    this.#pool = at.pool;
    this.#exec = at.exec;
  }

  get #spec(): string {
    return `${this.#pool}/${this.image}`;
  }

  info(image = this.image): Promise<Asked<RbdInfo | null>> {
    return this.#asked(['info', `${this.#pool}/${image}`, ...JSON_FORMAT], parseRbdInfo);
  }

  /** What this cluster says about the image; where one answer is missing, it says so. */
  async side(): Promise<RbdSide> {
    const info = await this.info();
    if (info.kind === 'silent') return { ...this.#silent(info.reason) };
    const list = await this.#asked(['snap', 'ls', '--all', this.#spec, ...JSON_FORMAT], parseRbdSnapshots);
    const status = await this.#asked(
      ['mirror', 'image', 'status', this.#spec, ...JSON_FORMAT],
      parseRbdStatus,
    );
    const snapshots = list.kind === 'silent' ? list : { kind: 'answered' as const, value: list.value ?? [] };
    return { zone: this.zone, info, snapshots, status, mirrorUuid: null };
  }

  /** The mirror uuid of the other side; null: not known. */
  async mirrorUuidOfPeer(): Promise<string | null> {
    const found = await this.#asked(['mirror', 'pool', 'info', this.#pool, ...JSON_FORMAT], parseRbdPoolInfo);
    return found.kind === 'answered' ? (found.value?.peers[0]?.mirrorUuid ?? null) : null;
  }

  /** Who holds it open to write. */
  async lockers(): Promise<Asked<readonly string[]>> {
    const found = await this.#asked(['lock', 'ls', this.#spec, ...JSON_FORMAT], parseRbdLocks);
    return found.kind === 'silent'
      ? found
      : {
          kind: 'answered',
          value: (found.value ?? []).map(({ locker, address }) => `${locker} at ${address}`),
        };
  }

  enable(mode: 'snapshot' | 'journal'): Promise<RbdChange> {
    return this.#change(['mirror', 'image', 'enable', this.#spec, mode]);
  }

  /** Of a primary: the other zone's image is deleted with it. */
  disable(): Promise<RbdChange> {
    return this.#change(['mirror', 'image', 'disable', this.#spec]);
  }

  /** @returns the id of the mirror snapshot, null where it was not told */
  async takeMirrorSnapshot(): Promise<RbdChange & { readonly snapId: string | null }> {
    const change = await this.#change(['mirror', 'image', 'snapshot', this.#spec]);
    if (change.outcome !== 'done') return { ...change, snapId: null };
    try {
      return { ...change, snapId: parseRbdSnapshotId(change.stdout) };
    } catch (error) {
      if (error instanceof RbdAnswerError) return { ...change, snapId: null };
      throw error;
    }
  }

  promote(force: boolean): Promise<RbdChange> {
    const flags = force ? ['--force'] : [];
    return this.#change(['mirror', 'image', 'promote', ...flags, this.#spec], PROMOTE_DEADLINE_MS);
  }

  demote(): Promise<RbdChange> {
    return this.#change(['mirror', 'image', 'demote', this.#spec]);
  }

  resync(): Promise<RbdChange> {
    return this.#change(['mirror', 'image', 'resync', this.#spec]);
  }

  createSnapshot(name: string): Promise<RbdChange> {
    return this.#change(['snap', 'create', `${this.#spec}@${name}`, '--no-progress']);
  }

  removeSnapshot(name: string): Promise<RbdChange> {
    return this.#change(['snap', 'rm', `${this.#spec}@${name}`, '--no-progress']);
  }

  /** Format 2 needs no protected snapshot, and works on an image that is not primary. */
  clone(snapshot: string, name: string): Promise<RbdChange> {
    const from = `${this.#spec}@${snapshot}`;
    return this.#change(['clone', '--rbd-default-clone-format', '2', from, `${this.#pool}/${name}`]);
  }

  /** Makes a clone independent of its parent. */
  flatten(name: string): Promise<RbdChange> {
    return this.#change(['flatten', `${this.#pool}/${name}`, '--no-progress'], FLATTEN_DEADLINE_MS);
  }

  removeImage(name: string): Promise<RbdChange> {
    return this.#change(['rm', `${this.#pool}/${name}`, '--no-progress']);
  }

  async #change(args: readonly string[], deadlineMs = CHANGE_DEADLINE_MS): Promise<RbdChange> {
    const end = await this.#exec(args, deadlineMs, 'changes');
    return { outcome: rbdOutcome(end), message: rbdMessage(end), stdout: end.stdout };
  }

  async #asked<T>(args: readonly string[], parse: (text: string) => T): Promise<Asked<T | null>> {
    const end: RbdCallEnd = await this.#exec(args, ASK_DEADLINE_MS, 'asks');
    const outcome = rbdOutcome(end);
    if (outcome === 'not-found' || outcome === 'not-mirrored') return { kind: 'answered', value: null };
    if (outcome !== 'done') return { kind: 'silent', reason: rbdMessage(end) };
    try {
      return { kind: 'answered', value: parse(end.stdout) };
    } catch (error) {
      if (error instanceof RbdAnswerError) return { kind: 'silent', reason: error.message };
      throw error;
    }
  }

  #silent(reason: string): RbdSide {
    const silent = { kind: 'silent' as const, reason };
    return { zone: this.zone, info: silent, snapshots: silent, status: silent, mirrorUuid: null };
  }
}

/**
 * Two Ceph clusters that mirror images to each other, as far as the recorded calls show them: what they answer, and what goes
 * wrong there. A daemon does something only when a test says so.
 */
import { randomUUID } from 'node:crypto';
import type { RbdCallEnd } from '../../src/drivers/rbd/rbd-outcome.ts';

export type Site = 'north' | 'south';
export const OBJECTS = 8;
const OBJECT_BYTES = 4 * 1024 * 1024;
/** 2^64-2, which a double does not hold. */
const NO_SNAP = 18446744073709551614n;

type Kind =
  | { readonly type: 'user' }
  | { readonly type: 'own'; demoted: boolean; withPeer: boolean }
  | { readonly type: 'copy'; demoted: boolean; complete: boolean; readonly from: bigint; copied: number }
  | { readonly type: 'orphan' }
  /** Being removed. */
  | { readonly type: 'trash'; readonly was: string };

interface Snapshot {
  readonly id: bigint;
  readonly name: string;
  readonly at: number;
  readonly kind: Kind;
  content: number[];
}

interface Image {
  readonly id: string;
  objects: number[];
  snapshots: Snapshot[];
  mirroring: {
    mode: 'snapshot' | 'journal';
    state: 'enabled' | 'disabling';
    primary: boolean;
    globalId: string;
  } | null;
  parent: string | null;
  /** Somebody has it open. */
  isHeld: boolean;
  isFlagged: boolean;
  /** A forced promote hangs on it. */
  isHung: boolean;
  /** Entries that this side wrote as the primary, or has applied. */
  journal: [object: number, value: number][];
  /** By a journal: where both sides were one last. */
  tag: string;
}

interface Cluster {
  isUp: boolean;
  isDaemonUp: boolean;
  readonly mirrorUuid: string;
  readonly peerUuid: string;
  readonly images: Map<string, Image>;
  readonly reports: Map<string, { state: string; description: string; at: number }>;
  nextSnap: bigint;
}

const ok = (stdout = ''): RbdCallEnd => ({ exitCode: 0, signal: null, timedOut: false, stdout, stderr: '' });
const failed = (exitCode: number, stderr: string): RbdCallEnd => ({
  ...{ exitCode, signal: null, timedOut: false, stdout: '', stderr: `${stderr}\n` },
});
const hung: RbdCallEnd = { exitCode: null, signal: null, timedOut: true, stdout: '', stderr: '' };
const crashed: RbdCallEnd = {
  ...{ exitCode: null, signal: 'SIGSEGV', timedOut: false, stdout: '' },
  stderr: '*** Caught signal (Segmentation fault) **\n',
};

export class RbdModel {
  /** Milliseconds; moves when a test says so. */
  now = Date.UTC(2026, 0, 31, 12);
  /** What was called, in order. */
  readonly calls: { readonly site: Site; readonly args: readonly string[] }[] = [];
  /** Answers instead of the clusters. */
  intercept: ((site: Site, args: readonly string[]) => RbdCallEnd | null) | null = null;
  readonly #clusters: Record<Site, Cluster> = { north: newCluster(), south: newCluster() };

  exec(site: Site): (args: readonly string[]) => Promise<RbdCallEnd> {
    return async (args) => {
      this.calls.push({ site, args });
      return this.intercept?.(site, args) ?? this.answer(site, args);
    };
  }

  createImage(site: Site, name: string): void {
    this.#clusters[site].images.set(name, newImage());
  }

  /** As a client does; false: it is refused. */
  write(site: Site, name: string, object: number, value: number): boolean {
    const image = this.#clusters[site].images.get(name);
    if (!this.#clusters[site].isUp || image === undefined || image.mirroring?.primary === false) return false;
    image.objects[object] = value;
    if (image.mirroring?.mode === 'journal') image.journal.push([object, value]);
    return true;
  }

  content(site: Site, name: string): readonly number[] | null {
    return this.#clusters[site].images.get(name)?.objects ?? null;
  }

  names(site: Site): string[] {
    return [...this.#clusters[site].images.keys()];
  }

  isPrimary(site: Site, name: string): boolean {
    return this.#clusters[site].images.get(name)?.mirroring?.primary === true;
  }

  hold(site: Site, name: string, isHeld: boolean): void {
    this.#image(site, name).isHeld = isHeld;
  }

  /** Mirror snapshots of a side that its peer still needs. */
  backlog(site: Site, name: string): number {
    return this.#image(site, name).snapshots.filter(({ kind }) => kind.type === 'own' && kind.withPeer)
      .length;
  }

  lose(site: Site): void {
    Object.assign(this.#clusters[site], { isUp: false, isDaemonUp: false });
  }

  bringBack(site: Site): void {
    Object.assign(this.#clusters[site], { isUp: true, isDaemonUp: true });
  }

  killDaemon(site: Site): void {
    this.#clusters[site].isDaemonUp = false;
    for (const image of this.#clusters[site].images.values()) image.isHung = false;
    for (const report of this.#clusters[site].reports.values())
      report.state = report.state.replace('up+', 'down+');
  }

  /** Both daemons copy at most `objects` of each image, and report. */
  tick(objects = OBJECTS): void {
    this.now += 1_000;
    for (const site of ['north', 'south'] as const) {
      const [cluster, peer] = [this.#clusters[site], this.#clusters[otherOf(site)]];
      if (!cluster.isUp || !cluster.isDaemonUp) continue;
      const names = new Set([...cluster.images.keys(), ...(peer.isUp ? peer.images.keys() : [])]);
      for (const name of names) {
        const description = this.#replay(cluster, peer, name, objects);
        if (description === null) cluster.reports.delete(name);
        else cluster.reports.set(name, { ...description, at: this.now });
      }
    }
  }

  /** @returns what the daemon reports; null: nothing */
  #replay(
    cluster: Cluster,
    peer: Cluster,
    name: string,
    most: number,
  ): { state: string; description: string } | null {
    let image = cluster.images.get(name);
    const source = peer.isUp ? peer.images.get(name) : undefined;
    const isSource = source?.mirroring != null;
    if (image?.isFlagged && source?.mirroring?.primary === true) {
      cluster.images.delete(name);
      return null;
    }
    if (image === undefined) {
      if (!isSource || source?.mirroring?.primary !== true) return null;
      image = { ...newImage(), tag: source.tag, mirroring: { ...source.mirroring, primary: false } };
      cluster.images.set(name, image);
      if (image.mirroring?.mode === 'snapshot') return replaying({ replay_state: 'idle' });
    }
    const { mirroring } = image;
    if (mirroring === null) return null;
    if (mirroring.primary) return { state: 'up+stopped', description: 'local image is primary' };
    if (source?.mirroring == null || !peer.isUp) return cluster.reports.get(name) ?? null;
    if (mirroring.mode === 'journal')
      return this.#replayJournal(image, source, most, cluster.reports.get(name)?.description);
    image.snapshots = image.snapshots.filter(({ kind }) => kind.type !== 'trash');
    const last = lastCopied(image);
    const isDerived = source.snapshots.some(({ id, kind }) => kind.type === 'own' && id === last);
    const own = newestMirror(image);
    if (own?.kind.type === 'own' && own.kind.demoted && !tookOver(source, own.id))
      return source.mirroring.primary
        ? { state: 'up+error', description: 'split-brain' }
        : { state: 'up+unknown', description: 'remote image is not primary' };
    const open = image.snapshots.find(({ kind }) => kind.type === 'copy' && !kind.complete);
    const wanted = source.snapshots.findLast(
      ({ id, kind }) => kind.type === 'own' && (last === null || !isDerived || id > last),
    );
    const target = open?.kind.type === 'copy' ? sourceOf(source, open.kind.from) : wanted;
    if (target === undefined) {
      if (source.mirroring.primary) return replaying({ replay_state: 'idle' });
      return withoutPrimary(cluster.reports.get(name)?.description);
    }
    const entry = open ?? this.#beginCopy(cluster, image, source, target);
    if (entry.kind.type !== 'copy') return null;
    const upTo = Math.min(OBJECTS, entry.kind.copied + most);
    for (; entry.kind.copied < upTo; entry.kind.copied++)
      image.objects[entry.kind.copied] = target.content[entry.kind.copied] ?? 0;
    if (entry.kind.copied < OBJECTS) return replaying({ replay_state: 'syncing', syncing_percent: 48 });
    entry.kind.complete = true;
    entry.content = [...image.objects];
    for (const user of image.snapshots)
      if (user.kind.type === 'user')
        user.content = [
          ...(source.snapshots.find((each) => each.name === user.name)?.content ?? user.content),
        ];
    for (const before of image.snapshots)
      if (before.kind.type === 'copy' && before !== entry)
        Object.assign(before, { name: randomUUID(), kind: { type: 'trash', was: before.name } });
    source.snapshots = source.snapshots.filter((each) => each.kind.type !== 'own' || each.id >= target.id);
    return replaying({ replay_state: 'idle' });
  }

  #beginCopy(cluster: Cluster, image: Image, source: Image, target: Snapshot): Snapshot {
    const theirs = source.snapshots.filter(({ id, kind }) => kind.type === 'user' && id < target.id);
    image.snapshots = image.snapshots.filter(
      ({ name, kind }) => kind.type !== 'user' || theirs.some((each) => each.name === name),
    );
    // They are there before their content is.
    for (const { name } of theirs)
      if (!image.snapshots.some((each) => each.name === name))
        this.#addSnapshot(cluster, image, name, { type: 'user' });
    const demoted = target.kind.type === 'own' && target.kind.demoted;
    const kind = { type: 'copy' as const, demoted, complete: false, from: target.id, copied: 0 };
    return this.#addSnapshot(cluster, image, mirrorName('non_primary', image), kind);
  }

  #replayJournal(
    image: Image,
    source: Image,
    most: number,
    before: string | undefined,
  ): { state: string; description: string } {
    if (source.tag !== image.tag)
      return source.mirroring?.primary
        ? { state: 'up+error', description: 'split-brain detected' }
        : { state: 'up+unknown', description: 'remote image is not primary' };
    for (const [object, value] of source.journal.slice(image.journal.length, image.journal.length + most)) {
      image.objects[object] = value;
      image.journal.push([object, value]);
    }
    const behind = source.journal.length - image.journal.length;
    if (behind === 0 && source.mirroring?.primary === false) return withoutPrimary(before);
    const position = { entry_tid: image.journal.length, object_number: 3, tag_tid: 2 };
    return replaying({
      ...{ entries_behind_primary: behind, entries_per_second: 0 },
      ...{ non_primary_position: position, primary_position: position },
    });
  }

  /** What the command prints, without any of its delays. */
  answer(site: Site, args: readonly string[]): RbdCallEnd {
    const cluster = this.#clusters[site];
    if (!cluster.isUp) return hung;
    const words = args.filter((word) => !word.startsWith('--') && word !== 'json' && word !== '2');
    const isForced = args.includes('--force');
    const verb = words.slice(0, words[0] === 'mirror' ? 3 : 1).join(' ');
    if (verb === 'mirror pool info') return ok(this.#poolInfo(site));
    const spec = words[verb.split(' ').length + (words[0] === 'snap' || words[0] === 'lock' ? 1 : 0)] ?? '';
    const [name = '', snapshot = ''] = spec.replace(/^vol\//, '').split('@');
    const image = cluster.images.get(name);
    if (image === undefined)
      return failed(2, `rbd: error opening image ${name}: (2) No such file or directory`);
    const full = words[0] === 'snap' || words[0] === 'lock' ? `${verb} ${words[1]}` : verb;
    switch (full) {
      case 'info':
        return ok(`${JSON.stringify(this.#info(name, image))}\n`);
      case 'snap ls':
        return ok(
          `${withBigNumbers(JSON.stringify(image.snapshots.map((each) => this.#listed(cluster, each))))}\n`,
        );
      case 'snap create':
        if (image.mirroring?.primary === false)
          return failed(30, 'rbd: failed to create snapshot: (30) Read-only file system');
        if (image.snapshots.some((each) => each.name === snapshot))
          return failed(17, 'rbd: failed to create snapshot: (17) File exists');
        this.#addSnapshot(cluster, image, snapshot, { type: 'user' });
        return ok();
      case 'snap rm':
        image.snapshots = image.snapshots.filter((each) => each.name !== snapshot);
        return ok();
      case 'lock ls':
        return ok(image.isHeld ? '[{"id":"auto 1","locker":"client.4743","address":"127.0.0.1:0/1"}]' : '[]');
      case 'clone':
        return this.#clone(cluster, image, snapshot, words.at(-1) ?? '');
      case 'flatten':
        image.parent = null;
        return ok();
      case 'rm':
        if (image.mirroring !== null) this.#clusters[otherOf(site)].images.delete(name);
        cluster.images.delete(name);
        return ok();
      default:
        return this.#mirror(site, full, name, image, words.at(-1) ?? '', isForced);
    }
  }

  #mirror(site: Site, verb: string, name: string, image: Image, last: string, isForced: boolean): RbdCallEnd {
    const cluster = this.#clusters[site];
    const { mirroring } = image;
    if (verb === 'mirror image enable') return this.#enable(cluster, image, last);
    if (mirroring === null || (verb === 'mirror image status' && mirroring.state === 'disabling'))
      return failed(22, 'rbd: mirroring not enabled on the image');
    switch (verb) {
      case 'mirror image status':
        return ok(`${JSON.stringify(this.#status(site, name, image))}\n`);
      case 'mirror image snapshot': {
        if (!mirroring.primary)
          return failed(
            22,
            'can_create_primary_snapshot: trying to create primary snapshot without force when previous snapshot is non-primary',
          );
        const taken = this.#addOwn(cluster, image, false);
        return ok(`Snapshot ID: ${taken.id}\n`);
      }
      case 'mirror image promote':
        return this.#promote(cluster, this.#clusters[otherOf(site)], name, image, isForced);
      case 'mirror image demote':
        if (!mirroring.primary) return failed(22, 'handle_get_info: image is not primary');
        mirroring.primary = false;
        if (mirroring.mode === 'snapshot') this.#addOwn(cluster, image, true);
        return ok('Image demoted to non-primary\n');
      case 'mirror image resync':
        if (mirroring.primary) return failed(22, 'image_resync: image is primary, cannot resync to itself');
        image.isFlagged = true;
        return ok('Flagged image for resync from primary\n');
      case 'mirror image disable':
        if (!mirroring.primary) return failed(22, 'mirrored image is not primary, add force option');
        image.mirroring = null;
        image.snapshots = image.snapshots.filter(({ kind }) => kind.type === 'user');
        this.#clusters[otherOf(site)].images.delete(name);
        return ok('Mirroring disabled\n');
      default:
        return failed(1, `rbd: unknown command ${verb}`);
    }
  }

  #enable(cluster: Cluster, image: Image, mode: string): RbdCallEnd {
    if (mode !== 'snapshot' && mode !== 'journal') return failed(22, 'rbd: invalid mode');
    if (image.mirroring !== null)
      return image.mirroring.mode === mode
        ? ok('Mirroring enabled\n')
        : failed(22, 'EnableRequest: invalid current image mirror mode');
    image.mirroring = { mode, state: 'enabled', primary: true, globalId: randomUUID() };
    if (mode === 'snapshot') this.#addOwn(cluster, image, false);
    else for (const [object, value] of image.objects.entries()) image.journal.push([object, value]);
    return ok('Mirroring enabled\n');
  }

  #promote(cluster: Cluster, peer: Cluster, name: string, image: Image, isForced: boolean): RbdCallEnd {
    const { mirroring } = image;
    if (mirroring === null) return failed(22, 'rbd: mirroring not enabled on the image');
    if (mirroring.primary) return failed(22, 'handle_get_info: image is already primary');
    const newest = newestMirror(image)?.kind;
    const hasArrived =
      mirroring.mode === 'journal'
        ? hasAllOf(image, peer.isUp ? peer.images.get(name) : undefined)
        : (newest?.type === 'own' && newest.demoted) ||
          (newest?.type === 'copy' && newest.demoted && newest.complete);
    if (!isForced && !hasArrived)
      return failed(
        16,
        'PromoteRequest: 0x1 handle_get_info: image is primary within a remote cluster or demotion is not propagated yet\nrbd: error promoting image to primary',
      );
    const open = image.snapshots.find(({ kind }) => kind.type === 'copy' && !kind.complete);
    if (isForced && open !== undefined && !image.isHung) {
      if (cluster.isDaemonUp) {
        // The daemon has the lock, and does not give it back.
        image.isHung = true;
        this.#addSnapshot(cluster, image, mirrorName('non_primary', image), { type: 'orphan' });
        return hung;
      }
      if (image.snapshots.some(({ kind }) => kind.type === 'user')) return crashed;
      if (image.snapshots.some(({ kind }) => kind.type === 'orphan') === false)
        // One point too far back.
        image.objects = Array.from({ length: OBJECTS }, () => 0);
    } else if (isForced && image.isHung) return hung;
    if (isForced && mirroring.mode === 'journal') image.tag = randomUUID();
    image.snapshots = image.snapshots.filter(
      ({ kind }) => kind.type === 'user' || kind.type === 'own' || (!isForced && kind.type === 'copy'),
    );
    mirroring.primary = true;
    if (mirroring.mode === 'snapshot') this.#addOwn(cluster, image, false);
    return ok('Image promoted to primary\n');
  }

  #clone(cluster: Cluster, image: Image, snapshot: string, target: string): RbdCallEnd {
    const name = target.replace(/^vol\//, '');
    const from = image.snapshots.find((each) => each.name === snapshot && each.kind.type === 'user');
    if (from === undefined)
      return failed(2, 'failed to open parent image: (2) No such file or directory\nrbd: clone error');
    if (cluster.images.has(name)) return failed(17, 'rbd: clone error: (17) File exists');
    cluster.images.set(name, { ...newImage(), objects: [...from.content], parent: snapshot });
    return ok();
  }

  #addOwn(cluster: Cluster, image: Image, demoted: boolean): Snapshot {
    const kind = { type: 'own' as const, demoted, withPeer: true };
    return this.#addSnapshot(cluster, image, mirrorName('primary', image), kind);
  }

  #addSnapshot(cluster: Cluster, image: Image, name: string, kind: Kind): Snapshot {
    const made = { id: cluster.nextSnap++, name, at: this.now, kind, content: [...image.objects] };
    image.snapshots.push(made);
    return made;
  }

  #image(site: Site, name: string): Image {
    const image = this.#clusters[site].images.get(name);
    if (image === undefined) throw new Error(`there is no image ${name} in ${site}`);
    return image;
  }

  #poolInfo(site: Site): string {
    const { peerUuid } = this.#clusters[site];
    const other = otherOf(site);
    const peer = {
      ...{ uuid: peerUuid, direction: 'rx-tx', site_name: other },
      ...{ mirror_uuid: this.#clusters[other].mirrorUuid, client_name: 'client.rbd-mirror-peer' },
    };
    return `${JSON.stringify({ mode: 'image', site_name: site, peers: [peer] })}\n`;
  }

  #info(name: string, { id, mirroring, parent, snapshots }: Image): object {
    const made = 'Sat Jan 31 12:00:00 2026';
    return {
      ...{ name, id, size: OBJECTS * OBJECT_BYTES, objects: OBJECTS, order: 22, object_size: OBJECT_BYTES },
      ...{ snapshot_count: snapshots.length, block_name_prefix: `rbd_data.${id}`, format: 2 },
      ...{ features: mirroring?.primary === false ? ['layering', 'non-primary'] : ['layering'] },
      ...{
        op_features: [],
        flags: [],
        create_timestamp: made,
        access_timestamp: made,
        modify_timestamp: made,
      },
      ...(parent === null
        ? {}
        : {
            parent: {
              ...{ pool: 'vol', pool_namespace: '', image: name, id, snapshot: parent, trash: false },
              overlap: OBJECTS * OBJECT_BYTES,
            },
          }),
      ...(mirroring === null
        ? {}
        : {
            mirroring: {
              ...{ mode: mirroring.mode, state: mirroring.state, global_id: mirroring.globalId },
              primary: mirroring.primary,
            },
          }),
    };
  }

  #listed(cluster: Cluster, { id, name, at, kind }: Snapshot): object {
    const peer = cluster.peerUuid;
    const other = Object.values(this.#clusters).find((each) => each !== cluster)?.mirrorUuid;
    const namespace =
      kind.type === 'user'
        ? { type: 'user' }
        : kind.type === 'trash'
          ? { type: 'trash', original_name: kind.was }
          : kind.type === 'own'
            ? {
                ...{ type: 'mirror', state: kind.demoted ? 'demoted' : 'primary' },
                ...{ mirror_peer_uuids: kind.withPeer ? [peer] : [], complete: true },
              }
            : {
                ...{
                  type: 'mirror',
                  state: kind.type === 'copy' && kind.demoted ? 'demoted' : 'non-primary',
                },
                ...{ mirror_peer_uuids: [], complete: kind.type === 'orphan' || kind.complete },
                primary_mirror_uuid: kind.type === 'orphan' ? '' : other,
                primary_snap_id: `big:${kind.type === 'orphan' ? NO_SNAP : kind.from}`,
                last_copied_object_number: kind.type === 'orphan' ? 0 : kind.copied,
              };
    const timestamp = new Date(at)
      .toUTCString()
      .replace(/^(\w+), (\d+) (\w+) (\d+) ([\d:]+) GMT$/, '$1 $3 $2 $5 $4');
    return { id: Number(id), name, size: OBJECTS * OBJECT_BYTES, protected: 'false', timestamp, namespace };
  }

  #status(site: Site, name: string, image: Image): object {
    const other = otherOf(site);
    const [cluster, peer] = [this.#clusters[site], this.#clusters[other]];
    const own = image.snapshots.flatMap(({ id, name: called, kind }) =>
      kind.type === 'own'
        ? [
            {
              ...{ id: Number(id), name: called, demoted: kind.demoted },
              mirror_peer_uuids: kind.withPeer ? [cluster.peerUuid] : [],
            },
          ]
        : [],
    );
    return {
      ...{ name, global_id: image.mirroring?.globalId ?? '', ...reported(cluster.reports.get(name)) },
      ...(cluster.reports.get(name)?.state.startsWith('up+')
        ? { daemon_service: { service_id: '1', instance_id: '2', daemon_id: 'x', hostname: 'vm' } }
        : {}),
      peer_sites: [
        {
          site_name: other,
          mirror_uuids: peer.mirrorUuid,
          ...reported(peer.isUp ? peer.reports.get(name) : undefined),
        },
      ],
      ...(own.length > 0 && image.mirroring?.primary ? { snapshots: own } : {}),
    };
  }
}

function reported(report: { state: string; description: string; at: number } | undefined): object {
  if (report === undefined)
    return { state: 'down+unknown', description: 'status not found', last_update: '' };
  const { state, description, at } = report;
  return { state, description, last_update: new Date(at).toISOString().slice(0, 19).replace('T', ' ') };
}

function replaying(members: Record<string, unknown>): { state: string; description: string } {
  const rates = { bytes_per_second: 0 };
  return { state: 'up+replaying', description: `replaying, ${JSON.stringify({ ...rates, ...members })}` };
}

/** What a daemon says once when the demotion that it waited for arrives, and from its next look on, on both sides. */
function withoutPrimary(before: string | undefined): { state: string; description: string } {
  const isNews = before?.startsWith('replaying') === true;
  return {
    state: 'up+unknown',
    description: isNews ? 'remote image demoted' : 'remote image is not primary',
  };
}

/** By a journal: everything of a side that was demoted has arrived. */
function hasAllOf({ journal }: Image, source: Image | undefined): boolean {
  return source?.mirroring?.primary === false && source.journal.length === journal.length;
}

/** Numbers beyond 2^53, as `rbd` prints them. */
function withBigNumbers(text: string): string {
  return text.replace(/"big:(\d+)"/g, '$1');
}

function newestMirror({ snapshots }: Image): Snapshot | undefined {
  return snapshots.findLast(({ kind }) => kind.type !== 'user' && kind.type !== 'trash');
}

/** The snapshot of the source that the newest whole copy came from; null: none. */
function lastCopied({ snapshots }: Image): bigint | null {
  const kind = snapshots.findLast(({ kind: each }) => each.type === 'copy' && each.complete)?.kind;
  return kind?.type === 'copy' ? kind.from : null;
}

function sourceOf({ snapshots }: Image, id: bigint): Snapshot | undefined {
  return snapshots.find((each) => each.id === id);
}

/** Whether the other side went on from the snapshot with which this one was demoted. */
function tookOver({ snapshots }: Image, demoted: bigint): boolean {
  return snapshots.some(({ kind }) => kind.type === 'copy' && kind.complete && kind.from === demoted);
}

function mirrorName(where: 'primary' | 'non_primary', { mirroring }: Image): string {
  return `.mirror.${where}.${mirroring?.globalId}.${randomUUID()}`;
}

function otherOf(site: Site): Site {
  return site === 'north' ? 'south' : 'north';
}

function newCluster(): Cluster {
  return {
    ...{ isUp: true, isDaemonUp: true, mirrorUuid: randomUUID(), peerUuid: randomUUID() },
    ...{ images: new Map(), reports: new Map(), nextSnap: 6n },
  };
}

function newImage(): Image {
  return {
    ...{ id: randomUUID().slice(0, 12), objects: Array.from({ length: OBJECTS }, () => 0), snapshots: [] },
    ...{
      mirroring: null,
      parent: null,
      isHeld: false,
      isFlagged: false,
      isHung: false,
      journal: [],
      tag: '',
    },
  };
}

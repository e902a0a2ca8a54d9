/** A small Ceph cluster on loopback: one mon, mgr, osd and rbd-mirror, all of it in one folder, and ended with the test. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, ManagedProcess, until } from '@salvor/testkit';

export const POOL = 'vol';
const SETUP_TIMEOUT_MS = 180_000;
const CALL_TIMEOUT_MS = 120_000;
/** Virtual: the file is sparse. Snapshots pile up while a peer is away. */
const DISK_BYTES = 24 * 1024 ** 3;
/**
 * A placement group may be read for 0.8 of it after its OSD has heard its others. One that was stopped for longer is laggy, and
 * without others (size 1) stays so: an op that comes before its lease is renewed then waits for ever.
 */
const HEARTBEAT_GRACE_SECONDS = 3_600;

export interface Called {
  readonly exitCode: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export class CephSite implements AsyncDisposable {
  readonly name: string;
  readonly conf: string;
  readonly #dir: string;
  readonly #daemons: ManagedProcess[] = [];

  private constructor(name: string, dir: string) {
    this.name = name;
    this.#dir = dir;
    this.conf = join(dir, 'ceph.conf');
  }

  /** @param ports first of 16 ports that this site alone uses */
  static async start(name: string, dir: string, ports: number): Promise<CephSite> {
    const site = new CephSite(name, dir);
    try {
      await site.#make(ports);
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
    return site;
  }

  async rbd(...args: readonly string[]): Promise<Called> {
    return call('rbd', ['-c', this.conf, ...args]);
  }

  /** @throws Error with what it said */
  async rbdOk(...args: readonly string[]): Promise<string> {
    return mustBeFine(`rbd ${args.join(' ')}`, await this.rbd(...args));
  }

  /** Writes one piece of an image; false: the image is read-only here. */
  async write(image: string, offset: number, sizeBytes: number, data: Buffer): Promise<boolean> {
    const input = diffOf(offset, sizeBytes, data);
    const args = ['-c', this.conf, 'import-diff', '--no-progress', '-', `${POOL}/${image}`];
    const called = await call('rbd', args, input);
    if (called.exitCode === 0) return true;
    // Read-only file system.
    if (called.exitCode === 30) return false;
    throw new Error(`a write to ${image} in ${this.name} ended with ${called.exitCode}: ${called.stderr}`);
  }

  async content(image: string): Promise<Buffer> {
    const called = await this.rbd('export', '--no-progress', `${POOL}/${image}`, '-');
    mustBeFine(`rbd export ${image}`, called);
    return called.stdout;
  }

  /** Nobody is answered any more, and nothing goes on. */
  pause(): void {
    for (const daemon of this.#daemons) daemon.pause();
  }

  resume(): void {
    for (const daemon of this.#daemons) daemon.resume();
  }

  /** Makes it the peer of another one, both ways, and begins to mirror. */
  async pairWith(other: CephSite): Promise<void> {
    for (const site of [this, other])
      await site.rbdOk('mirror', 'pool', 'enable', '--site-name', site.name, POOL, 'image');
    const token = await this.rbdOk(
      'mirror',
      'pool',
      'peer',
      'bootstrap',
      'create',
      '--site-name',
      this.name,
      POOL,
    );
    const file = join(other.#dir, 'token');
    writeFileSync(file, token, { mode: 0o600 });
    await other.rbdOk(
      ...['mirror', 'pool', 'peer', 'bootstrap', 'import', '--site-name', other.name],
      ...['--direction', 'rx-tx', POOL, file],
    );
    for (const site of [this, other]) await site.#start('rbd-mirror', ['--id', 'rbd-mirror.a']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    // What is in its folder goes with it.
    for (const daemon of this.#daemons.reverse()) await daemon.kill('SIGKILL').catch(() => undefined);
  }

  async #make(ports: number): Promise<void> {
    const dir = this.#dir;
    for (const folder of ['mon', 'mgr', 'osd', 'crash']) mkdirSync(join(dir, folder), { recursive: true });
    const fsid = randomUUID();
    const osdId = randomUUID();
    writeFileSync(this.conf, configOf(dir, fsid, ports));
    const admin = join(dir, 'client.admin.keyring');
    const all = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'];
    await ok('ceph-authtool', ['-C', admin, '--gen-key', '-n', 'client.admin', ...all]);
    const mon = join(dir, 'mon.keyring');
    await ok('ceph-authtool', ['-C', mon, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *']);
    await ok('ceph-authtool', [mon, '--import-keyring', admin]);
    const map = join(dir, 'monmap');
    const at = `[v2:127.0.0.1:${ports},v1:127.0.0.1:${ports + 1}]`;
    await ok('monmaptool', ['--create', '--addv', 'a', at, '--fsid', fsid, map]);
    const own = ['-c', this.conf, '--id', 'a'];
    await ok('ceph-mon', [...own, '--mkfs', '--monmap', map, '--keyring', mon]);
    await this.#start('ceph-mon', ['--id', 'a', '--keyring', mon]);
    await this.#untilOk('the mon answers', ['-s']);
    await this.#key('mgr.a', { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' });
    await this.#start('ceph-mgr', ['--id', 'a']);
    await this.#key('client.rbd-mirror.a', {
      ...{ mon: 'profile rbd-mirror', osd: 'profile rbd', mgr: 'profile rbd' },
    });
    await this.#ceph('osd', 'new', osdId);
    await this.#key('osd.0', {
      ...{ mon: 'allow profile osd', mgr: 'allow profile osd', osd: 'allow *' },
    });
    await ok('ceph-osd', ['-c', this.conf, '--id', '0', '--mkfs', '--osd-uuid', osdId]);
    await this.#start('ceph-osd', ['--id', '0']);
    await this.#ceph('osd', 'pool', 'create', POOL, '8');
    await this.#ceph('osd', 'pool', 'application', 'enable', POOL, 'rbd');
    const isClean = async (): Promise<boolean> => {
      const { num_pg_by_state: states } = JSON.parse(
        await this.#ceph('pg', 'stat', '--format', 'json'),
      ).pg_summary;
      return states.length === 1 && states[0].name === 'active+clean';
    };
    await until(isClean, { what: `${this.name} is clean`, timeoutMs: SETUP_TIMEOUT_MS, intervalMs: 500 });
    await this.rbdOk('pool', 'init', POOL);
  }

  async #key(name: string, caps: Readonly<Record<string, string>>): Promise<void> {
    const file = join(this.#dir, `${name}.keyring`);
    await this.#ceph('auth', 'get-or-create', name, ...Object.entries(caps).flat(), '-o', file);
  }

  async #ceph(...args: readonly string[]): Promise<string> {
    return mustBeFine(`ceph ${args.join(' ')}`, await call('ceph', ['-c', this.conf, ...args]));
  }

  async #untilOk(what: string, args: readonly string[]): Promise<void> {
    const isOk = async (): Promise<boolean> =>
      (await call('ceph', ['-c', this.conf, '--connect-timeout', '10', ...args])).exitCode === 0;
    await until(isOk, { what: `${this.name}: ${what}`, timeoutMs: SETUP_TIMEOUT_MS, intervalMs: 500 });
  }

  async #start(command: string, args: readonly string[]): Promise<void> {
    const daemon = await ManagedProcess.start({
      ...{ name: `${command}-${this.name}`, command, args: ['-f', '-c', this.conf, ...args] },
      // An rbd-mirror reads it for its connection of a pool, whatever its arguments say.
      env: { PATH: process.env.PATH, HOME: this.#dir, CEPH_CONF: this.conf },
      logFile: join(this.#dir, `${command}.out`),
    });
    this.#daemons.push(daemon);
  }
}

/** First of a row of ports of which some are free, below those that connections are given. */
export async function portsOf(index: number): Promise<number> {
  return 20_000 + ((await freePort()) % 100) * 100 + index * 40;
}

function configOf(dir: string, fsid: string, ports: number): string {
  const lines = {
    ...{ fsid, mon_host: `[v2:127.0.0.1:${ports}/0,v1:127.0.0.1:${ports + 1}/0]`, mon_initial_members: 'a' },
    ...{ public_addr: '127.0.0.1', ms_bind_port_min: ports + 2, ms_bind_port_max: ports + 30 },
    ...{ keyring: join(dir, '$name.keyring'), run_dir: dir, crash_dir: join(dir, 'crash') },
    ...{ log_file: join(dir, '$name.log'), admin_socket: join(dir, '$name.$pid.asok'), pid_file: '' },
    ...{ mon_data: join(dir, 'mon'), mgr_data: join(dir, 'mgr'), osd_data: join(dir, 'osd') },
    ...{ osd_pool_default_size: 1, osd_pool_default_min_size: 1, mon_allow_pool_size_one: true },
    osd_heartbeat_grace: HEARTBEAT_GRACE_SECONDS,
    ...{ osd_crush_chooseleaf_type: 0, osd_pool_default_pg_autoscale_mode: 'off' },
    ...{ mon_data_avail_warn: 2, mon_data_avail_crit: 1, mgr_initial_modules: '', mon_max_pg_per_osd: 500 },
    ...{ osd_objectstore: 'bluestore', bluestore_block_size: DISK_BYTES, bluestore_block_create: true },
    ...{ bluestore_block_preallocate_file: false, bluestore_block_db_create: false },
    ...{ bluestore_block_wal_create: false, bluestore_cache_autotune: false },
    ...{ bluestore_cache_size: 64 * 1024 ** 2, osd_memory_target: 939_524_096 },
    ...{ rbd_default_features: 61, rbd_mirror_image_state_check_interval: 3 },
    ...{ rbd_mirror_delete_retry_interval: 3, rbd_mirror_pool_replayers_refresh_interval: 3 },
  };
  return `[global]\n${Object.entries(lines)
    .map(([name, value]) => `${name} = ${value}`)
    .join('\n')}\n`;
}

/** One piece, as `rbd import-diff` reads it: header, size, data, end. */
function diffOf(offset: number, sizeBytes: number, data: Buffer): Buffer {
  const size = Buffer.alloc(9);
  size.write('s');
  size.writeBigUInt64LE(BigInt(sizeBytes), 1);
  const head = Buffer.alloc(17);
  head.write('w');
  head.writeBigUInt64LE(BigInt(offset), 1);
  head.writeBigUInt64LE(BigInt(data.length), 9);
  return Buffer.concat([Buffer.from('rbd diff v1\n'), size, head, data, Buffer.from('e')]);
}

async function ok(command: string, args: readonly string[]): Promise<void> {
  mustBeFine(`${command} ${args.join(' ')}`, await call(command, args));
}

function mustBeFine(what: string, { exitCode, stdout, stderr }: Called): string {
  if (exitCode === 0) return stdout.toString('utf8');
  throw new Error(`${what} ended with ${exitCode}: ${stderr.slice(-2_000)}`);
}

function call(command: string, args: readonly string[], input?: Buffer): Promise<Called> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...{ stdio: ['pipe', 'pipe', 'pipe'], timeout: CALL_TIMEOUT_MS },
      env: { PATH: process.env.PATH, TZ: 'UTC', LC_ALL: 'C' },
    });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (piece: Buffer) => out.push(piece));
    child.stderr.on('data', (piece: Buffer) => err.push(piece));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (exitCode) =>
      resolve({ exitCode, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString('utf8') }),
    );
  });
}

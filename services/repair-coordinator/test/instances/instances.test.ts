import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CommandContext, CommandHandlers } from '@salvor/bus';
import { type InstanceRecord, instanceKey, instanceSchema, parseRecord } from '@salvor/config-store';
import { type TempDir, tempDir, until } from '@salvor/testkit';
import { Announcements } from '../../src/announcements.ts';
import type { Hooks } from '../../src/hooks/hooks.ts';
import { instanceCommandHandlers } from '../../src/instances/instance-commands.ts';
import { InstanceLoop } from '../../src/instances/instance-loop.ts';
import { UnavailableWatch } from '../../src/unavailable/unavailable-watch.ts';
import { address, CoordinatedCluster } from '../coordinated-cluster.ts';
import { coordinatorHooks, hooksText, linesOf, program } from '../hooks/hook-fixture.ts';

/** Two coordinators that look after instances, with hooks that note what they are asked for. */
class Keeper implements AsyncDisposable {
  readonly cluster: CoordinatedCluster;
  readonly loops: InstanceLoop[] = [];
  readonly #hooks: Hooks[] = [];
  readonly #watches: UnavailableWatch[] = [];
  readonly #dir: TempDir;
  #operations = 0;

  private constructor(cluster: CoordinatedCluster, dir: TempDir) {
    this.cluster = cluster;
    this.#dir = dir;
  }

  static async start(stop = ''): Promise<Keeper> {
    const keeper = new Keeper(await CoordinatedCluster.start(), tempDir('instances'));
    const { cluster } = keeper;
    await cluster.addVdisks('v1');
    const note = (text: string) =>
      program(keeper.#dir, text, `echo ${text} $SALVOR_INSTANCE >> ${keeper.#log}; ${stop}`);
    const text = hooksText(
      { name: 'stop-vm', on: ['instance.stop'], exec: [note('stop')], attempts: 1 },
      { name: 'start-vm', on: ['instance.start'], exec: [note('start')], attempts: 1 },
    );
    for (const by of ['c1', 'c2']) {
      const hooks = await coordinatorHooks(cluster, keeper.#dir, by, text);
      const loop = new InstanceLoop({ store: cluster.store, book: hooks.book, log: cluster.log, by });
      const watch = new UnavailableWatch({
        store: cluster.store,
        access: { timeoutMs: 200 },
        log: cluster.log,
      });
      await loop.start();
      await watch.start();
      keeper.#hooks.push(hooks);
      keeper.loops.push(loop);
      keeper.#watches.push(watch);
    }
    return keeper;
  }

  get #log(): string {
    return this.#dir.join('log');
  }

  /** What the hooks were asked for, in order. */
  get asked(): string[] {
    return linesOf(this.#log);
  }

  get #commands(): CommandHandlers {
    const [hooks] = this.#hooks;
    return instanceCommandHandlers(this.cluster.store, hooks?.book ?? assert.fail());
  }

  async do(command: keyof CommandHandlers, request: object, operationId = `op-${++this.#operations}`) {
    const handler = this.#commands[command] as (request: object, context: CommandContext) => Promise<unknown>;
    return (await handler(request, { operationId } as CommandContext)) as Record<string, unknown>;
  }

  set(changes: object = {}) {
    const request = { instance: 'vm-1', vdisks: ['v1'], restart: 'automatic', onServerExit: 'ignore' };
    return this.do('instance.set', { ...request, ...changes });
  }

  async read(): Promise<InstanceRecord> {
    const key = instanceKey('vm-1');
    return parseRecord(instanceSchema, key, (await this.cluster.store.get(key))?.value ?? assert.fail());
  }

  async untilStatus(status: string): Promise<InstanceRecord> {
    await until(async () => (await this.read()).status === status, {
      what: `the instance to be ${status}`,
      timeoutMs: 20_000,
    }).catch(async (error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(await this.read())}`));
    return this.read();
  }

  async outage(): Promise<void> {
    await this.cluster.fail(address('primary', 0));
    await this.cluster.fail(address('slave', 0));
  }

  async recovery(): Promise<void> {
    const { id, attempt } =
      (await this.cluster.judge(address('slave', 0), 'temporary')).incident ?? assert.fail();
    const vdisks = new Set(['v1']);
    await this.cluster.apply({
      kind: 'repairs-complete',
      incident: id,
      attempt,
      by: 'test',
      repaired: vdisks,
      vdisks,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.loops, ...this.#watches, ...this.#hooks].map((one) => one.stop()));
    await this.cluster[Symbol.asyncDispose]();
    this.#dir.remove();
  }
}

describe('an instance', () => {
  it('is stopped once when its data is unavailable, and started once when it is back', async () => {
    await using keeper = await Keeper.start();
    await keeper.set();
    await keeper.outage();
    const stopped = await keeper.untilStatus('stopped');
    assert.equal(stopped.cause?.kind, 'data-unavailable');
    assert.match(stopped.cause?.incident ?? '', /^s1-0-/);
    const key = instanceKey('vm-1');
    const entry = (await keeper.cluster.store.get(key)) ?? assert.fail();
    const [told] = new Announcements().of({ key, entry, previous: null });
    assert.deepEqual(
      [told?.type, told?.payload && 'to' in told.payload && told.payload.to],
      ['instance.status-changed', 'stopped'],
    );
    await keeper.recovery();
    await keeper.untilStatus('started');
    assert.deepEqual(keeper.asked, ['stop vm-1', 'start vm-1']);
  });

  it('is left to the operator where it is configured so', async () => {
    await using keeper = await Keeper.start();
    await keeper.set({ restart: 'operator' });
    await keeper.outage();
    await keeper.untilStatus('stopped');
    await keeper.recovery();
    const isBack = async (): Promise<boolean> =>
      (await keeper.cluster.store.list('/salvor/unavailable/')).entries.length === 0;
    await until(isBack, { what: 'the data to be back', timeoutMs: 20_000 });
    assert.equal((await keeper.read()).status, 'stopped');
    await keeper.do('instance.start', { instance: 'vm-1' });
    await keeper.untilStatus('started');
    assert.deepEqual(keeper.asked, ['stop vm-1', 'start vm-1']);
  });

  it('is stopped and started by commands, the same operation once', async () => {
    await using keeper = await Keeper.start();
    await keeper.set();
    const first = await keeper.do('instance.stop', { instance: 'vm-1' }, 'op-stop');
    const again = await keeper.do('instance.stop', { instance: 'vm-1' }, 'op-stop');
    assert.deepEqual([first.outcome, again.outcome], ['applied', 'already']);
    await keeper.untilStatus('stopped');
    assert.equal((await keeper.do('instance.stop', { instance: 'vm-1' })).outcome, 'already');
    await keeper.do('instance.start', { instance: 'vm-1' });
    await keeper.untilStatus('started');
    assert.deepEqual(keeper.asked, ['stop vm-1', 'start vm-1']);
    await assert.rejects(keeper.do('instance.set', { instance: 'vm-1' }, 'op-stop'));
    assert.equal((await keeper.do('instance.delete', { instance: 'vm-1' })).outcome, 'applied');
    await assert.rejects(keeper.do('instance.get', { instance: 'vm-1' }), { code: 'unknown-instance' });
  });

  it('whose hook fails says so', async () => {
    await using keeper = await Keeper.start('exit 1');
    await keeper.set();
    await keeper.do('instance.stop', { instance: 'vm-1' });
    const { reason } = await keeper.untilStatus('stop-failed');
    assert.match(reason, /a hook that was to have it stopped failed/);
  });

  it('is started through its hook when its NBD server has crashed and is back', async () => {
    await using keeper = await Keeper.start();
    await keeper.set({ onServerExit: 'start', server: 'nbd-1' });
    const at = Date.now();
    await Promise.all(keeper.loops.map((loop) => loop.serverExited('nbd-2', at, true)));
    assert.equal((await keeper.read()).status, 'started', 'another server');
    await Promise.all(keeper.loops.map((loop) => loop.serverExited('nbd-1', at, true)));
    assert.equal((await keeper.read()).cause?.server, 'nbd-1');
    await Promise.all(keeper.loops.map((loop) => loop.serverStarted('nbd-1', at + 1)));
    await keeper.untilStatus('started');
    assert.deepEqual(keeper.asked, ['start vm-1']);
  });

  it('that is set wrongly, or has no hook, is refused with what is wrong', async () => {
    await using keeper = await Keeper.start();
    await assert.rejects(keeper.set({ vdisks: ['nothing'] }), { code: 'unknown-vdisk' });
    await assert.rejects(keeper.set({ restart: 'never', vdisks: [] }), {
      code: 'invalid-request',
      message: /vdisks: expected 1 to 64 vdisks; restart: expected automatic or operator/,
    });
    await keeper.set({ stopHook: 'nobody' });
    await assert.rejects(keeper.do('instance.stop', { instance: 'vm-1' }), {
      code: 'no-hook',
      message: /no hook nobody is configured/,
    });
    await keeper.outage();
    const { fields } = await keeper.cluster.waitForLine('an instance is left as it is');
    assert.match(String(fields.reason), /^no hook nobody is configured: blocks of v1 have no live copy/);
  });
});

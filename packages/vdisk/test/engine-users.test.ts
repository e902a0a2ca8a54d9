import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { EngineLink, type RedisHandle, startRedis, type TempDir, tempDir } from '@salvor/testkit';
import { EngineControl } from '../src/engine-control.ts';
import { ENGINE_ROLES, type EngineRole, enginePermissions, engineUsersFile } from '../src/engine-users.ts';

const passwordOf = (role: EngineRole): string => `password-of-${role}`;
/** Commands of which an engine may lose data, its configuration, or its place. */
const HARMFUL = [
  ...['flushall', 'flushdb', 'config|set', 'config|rewrite', 'debug', 'shutdown', 'replicaof', 'slaveof'],
  ...['acl|setuser', 'module|load', 'script|flush', 'function|load', 'monitor', 'keys', 'migrate', 'restore'],
  ...['rename', 'swapdb', 'bgrewriteaof', 'save', 'cluster|reset', 'failover', 'move', 'copy', 'sort'],
];

describe('users of an engine', () => {
  let dir: TempDir;
  let engine: RedisHandle;
  let administrator: EngineLink;
  before(async () => {
    dir = tempDir('engine-users');
    const aclFile = dir.join('users.acl');
    writeFileSync(
      aclFile,
      engineUsersFile(ENGINE_ROLES.map((role) => ({ role, password: passwordOf(role) }))),
    );
    engine = await startRedis({
      ...{ dir: dir.join('engine'), appendonly: false, extraArgs: ['--aclfile', aclFile] },
      login: ['administrator', passwordOf('administrator')],
    });
    administrator = await EngineLink.open(engine.port);
    await administrator.send('AUTH', 'administrator', passwordOf('administrator'));
  });
  after(async () => {
    administrator?.close();
    await engine?.process.stop();
    dir?.remove();
  });

  it('may give the commands that they need, and of all others none', async () => {
    const all = ((await administrator.send('COMMAND', 'LIST')) as string[]).map((name) => name.toLowerCase());
    assert.ok(all.length > 200, `expected the commands of a Redis, found ${all.length}`);
    // Those that every connection may give, logged in or not.
    const free = ['auth', 'hello', 'quit', 'reset'];
    for (const role of ENGINE_ROLES) {
      if (role === 'administrator') continue;
      const { commands } = enginePermissions(role);
      const refused: string[] = [];
      for (const command of [...all, ...HARMFUL]) {
        const verdict = await dryRun(role, await padded(command.split('|')));
        // Containers of subcommands are none themselves; a group of them has the subcommands in HARMFUL.
        if (/Command '.*' not found/.test(verdict)) continue;
        if (/has no permissions to run/.test(verdict)) refused.push(command);
        else assert.ok(isNamed(command, commands, free), `${role} may ${command}: ${verdict}`);
      }
      assert.deepEqual(
        commands.filter((command) => refused.includes(command)),
        [],
        role,
      );
      assert.deepEqual(
        HARMFUL.filter((command) => !refused.includes(command)),
        [],
        role,
      );
      assert.ok(refused.length > 150, `${role}: ${refused.length} refused`);
    }
  });

  it('may touch keys of Salvor and 0-Disk alone; analyzers their canaries, recovery none', async () => {
    const content = Buffer.alloc(32, 0xab);
    for (const key of ['nondedup:v1', 'lba:v1', 'salvor:epoch:v1', content]) {
      assert.equal(await dryRun('nbd-server', ['DEL', key]), 'OK');
      assert.match(await dryRun('segment-recovery', ['HLEN', key]), /^OK$/);
      assert.match(await dryRun('segment-recovery', ['DEL', key]), /no permissions/);
      assert.match(await dryRun('health-analyzer', ['DEL', key]), /no permissions/);
    }
    assert.match(await dryRun('nbd-server', ['GET', 'somebody-else']), /no permissions to access/);
    assert.equal(await dryRun('health-analyzer', ['GET', 'salvor:identity']), 'OK');
    assert.match(await dryRun('health-analyzer', ['DEL', 'salvor:identity']), /no permissions to access/);
    assert.equal(await dryRun('health-analyzer', ['SET', 'salvor:canary:1', '1', 'EX', '1']), 'OK');
  });

  it('are held to it in scripts too, and nobody without a name is let in', async () => {
    using link = await EngineLink.open(engine.port);
    await assert.rejects(link.send('PING'), /NOAUTH/);
    await assert.rejects(link.send('AUTH', passwordOf('administrator')), /WRONGPASS/);
    await link.send('AUTH', 'nbd-server', passwordOf('nbd-server'));
    await link.send('SET', 'salvor:epoch:v1', '1');
    await assert.rejects(link.send('EVAL', "return redis.call('FLUSHALL')", 0), /can't run this command/);
    const reading = "return redis.call('GET', KEYS[1])";
    await assert.rejects(link.send('EVAL', reading, 1, 'somebody-else'), /NOPERM/);
    assert.equal(await link.send('EVAL', reading, 1, 'salvor:epoch:v1'), '1');
  });

  it('log in over control connections; a wrong password, or a lack of permission, is no loss of the engine', async () => {
    const ask = (login: { user: string; password: string }, work = 'identity' as 'identity' | 'claim') =>
      EngineControl.with({ address: engine.address, db: 0, login, timeoutMs: 2_000 }, (control) =>
        work === 'identity'
          ? control.identity()
          : control.claim({ cluster: 'c', role: 'primary', shard: 0, generation: 1 }, { mustBeEmpty: false }),
      );
    const login = (user: EngineRole) => ({ user, password: passwordOf(user) });
    assert.equal(await ask(login('nbd-server')), null);
    const refused = { fault: 'login-refused' };
    await assert.rejects(ask({ user: 'nbd-server', password: 'wrong' }), refused);
    await assert.rejects(ask(login('segment-recovery'), 'claim'), refused);
  });

  it('of services that mount vdisks may give every command that is in the sources', () => {
    const named = new Set(enginePermissions('nbd-server').commands.map((name) => name.replace('|', ' ')));
    const root = join(import.meta.dirname, '../../..');
    const used = new Set<string>();
    for (const file of sources([join(root, 'packages/vdisk/src'), join(root, 'services')])) {
      const text = readFileSync(file, 'utf8');
      for (const [, name = '', sub] of text.matchAll(/command\(\s*'([A-Z]+)'(?:, '([A-Z]+)')?/g))
        used.add(['CLIENT', 'MEMORY'].includes(name) && sub !== undefined ? `${name} ${sub}` : name);
      for (const [, name = ''] of text.matchAll(/redis\.call\('([A-Z]+)'/g)) used.add(name);
    }
    used.delete('AUTH');
    assert.ok(used.size > 25, `expected many commands, found ${used.size}`);
    assert.deepEqual(
      [...used].filter((name) => !named.has(name.toLowerCase())),
      [],
    );
  });

  /** With as many arguments as it takes: one that lacks some is refused for that, whoever gives it. */
  async function padded(words: readonly string[]): Promise<string[]> {
    const [info] = (await administrator.send('COMMAND', 'INFO', words.join('|'))) as [
      [string, number] | null,
    ];
    const missing = Math.abs(info?.[1] ?? 0) - words.length;
    return [...words, ...Array.from({ length: Math.max(0, missing) }, () => '1')];
  }

  /** What the engine says that it would do, without doing it. */
  async function dryRun(role: EngineRole, command: readonly (string | Buffer)[]): Promise<string> {
    return await administrator.send('ACL', 'DRYRUN', role, ...command).then(String, String);
  }
});

function isNamed(command: string, commands: readonly string[], free: readonly string[]): boolean {
  // A container of subcommands is permitted where one of them is.
  return [...commands, ...free].some((name) => name === command || name.startsWith(`${command}|`));
}

function* sources(folders: readonly string[]): Generator<string> {
  for (const folder of folders) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (['node_modules', 'dist', 'test'].includes(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) yield* sources([path]);
      else if (entry.name.endsWith('.ts')) yield path;
    }
  }
}

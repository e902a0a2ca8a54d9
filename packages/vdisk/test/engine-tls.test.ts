import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { TlsMaterial } from '@salvor/service-kit';
import {
  type CertificateFiles,
  makeCertificates,
  type RedisHandle,
  startRedis,
  type TempDir,
  tempDir,
} from '@salvor/testkit';
import { EngineControl } from '../src/engine-control.ts';
import type { EngineLogin } from '../src/engine-login.ts';
import { Frame } from '../src/resp.ts';
import { RespLink } from '../src/resp-link.ts';

const read = (path: string): string => readFileSync(path, 'utf8');
const BIG = Buffer.alloc(3 << 20, 'x');

describe('an engine that speaks TLS', () => {
  let dir: TempDir;
  let secure: RedisHandle;
  let plain: RedisHandle;
  let ours: TlsMaterial;
  let theirs: TlsMaterial;
  before(async () => {
    dir = tempDir('engine-tls');
    const material = ({ ca, clientCert, clientKey }: CertificateFiles): TlsMaterial => ({
      ...{ ca: read(ca), cert: read(clientCert), privateKey: read(clientKey) },
    });
    const tls = await makeCertificates(dir.join('ours'));
    ours = material(tls);
    theirs = material(await makeCertificates(dir.join('theirs')));
    [secure, plain] = await Promise.all([
      startRedis({ dir: dir.join('secure'), appendonly: false, tls }),
      startRedis({ dir: dir.join('plain'), appendonly: false }),
    ]);
  });
  after(async () => {
    await Promise.all([secure?.process.stop(), plain?.process.stop()]);
    dir?.remove();
  });

  const ask = async ({ address }: RedisHandle, login: EngineLogin | undefined): Promise<unknown> => {
    const timeouts = { connectTimeoutMs: 1_000, commandTimeoutMs: 1_000 };
    const link = await RespLink.connect({ address, db: 0, login, clientName: 'test', ...timeouts });
    try {
      const [, found] = await link.request(new Frame().command('SET', 'big', BIG).command('GET', 'big'));
      return found;
    } finally {
      link.close();
    }
  };
  const control = ({ address }: RedisHandle, login: EngineLogin | undefined): Promise<unknown> =>
    EngineControl.with({ address, db: 0, login, timeoutMs: 1_000 }, (engine) => engine.identity());

  it('is used by links and for control by those who trust it and are trusted', async () => {
    assert.ok(BIG.equals((await ask(secure, { tls: ours })) as Buffer));
    assert.equal(await control(secure, { tls: ours }), null);
  });

  it('is not called lost by those who do not trust it, or whom it does not trust', async () => {
    const refused = { fault: 'login-refused' };
    for (const question of [ask, control]) {
      await assert.rejects(question(secure, { tls: theirs }), refused, 'another authority');
      await assert.rejects(question(secure, { tls: { ca: ours.ca } }), refused, 'no certificate');
      await assert.rejects(
        question(secure, { tls: { ...theirs, ca: ours.ca } }),
        refused,
        'one of strangers',
      );
    }
  });

  it('and one that does not are of no use to who expects the other', async () => {
    for (const question of [ask, control]) {
      await assert.rejects(question(plain, { tls: ours }), { fault: 'timeout' });
      await assert.rejects(question(secure, undefined), { fault: 'unreachable' });
    }
  });
});

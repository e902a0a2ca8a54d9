import assert from 'node:assert/strict';
import { connectBus, natsUser } from '@salvor/bus';
import { openStore } from '@salvor/config-store';
import { clientTls, silentLogger, type TlsMaterial } from '@salvor/service-kit';
import { type CertificateFiles, EngineLink } from '@salvor/testkit';
import { askHttps, clientOf, type MadeSecrets } from './made-secrets.ts';

/** Asks as somebody should, and then as nobody may. @param address of a NATS server, `host:port` */
export async function refusesStrangersOfNats(address: string, secrets: MadeSecrets): Promise<void> {
  const files = (own: CertificateFiles | null): { caFile: string; certFile?: string; keyFile?: string } => ({
    caFile: secrets.certificates('nats').ca,
    ...(own === null ? {} : { certFile: own.clientCert, keyFile: own.clientKey }),
  });
  const known = files(secrets.certificates('nats'));
  const nkeySeed = secrets.seedOf('bob');
  const ask = async (tls: object | undefined, seed: string | undefined): Promise<void> => {
    const bus = await connectBus({
      ...{ servers: [address], name: 'salvor-cli', log: silentLogger, connectTimeoutMs: 1 },
      ...(tls === undefined ? {} : { tls }),
      ...(seed === undefined ? {} : { nkeySeed: seed }),
    });
    await bus.close();
  };
  await ask(known, nkeySeed);
  await Promise.all([
    assert.rejects(ask(undefined, nkeySeed), 'plainly'),
    assert.rejects(ask(files(null), nkeySeed), 'without a certificate'),
    assert.rejects(ask(files(secrets.certificates('hosts')), nkeySeed), 'with one for NBD'),
    assert.rejects(ask(known, undefined), 'without a user'),
    assert.rejects(ask(known, natsUser('operator').seed), 'with a seed that nobody knows'),
  ]);
}

/** @param address of a member of etcd, `host:port` @param peer the address for other members */
export async function refusesStrangersOfEtcd(
  address: string,
  peer: string,
  secrets: MadeSecrets,
): Promise<void> {
  const ask = async (tls: TlsMaterial | undefined): Promise<void> => {
    const store = openStore({ endpoints: [address], callTimeoutMs: 1_000, tls });
    try {
      await store.get('/salvor/ready');
    } finally {
      store.close();
    }
  };
  const etcd = secrets.certificates('etcd');
  await ask(clientOf(etcd));
  const { ca } = clientOf(secrets.certificates('peers'));
  const asMember = { ...clientOf(etcd), ca };
  const ofNats = { ...clientOf(secrets.certificates('nats')), ca: clientOf(etcd).ca };
  await Promise.all([
    assert.rejects(ask(undefined), { code: 'store-unavailable' }, 'plainly'),
    assert.rejects(ask(clientOf(etcd, true)), { code: 'store-unavailable' }, 'without a certificate'),
    assert.rejects(ask(ofNats), { code: 'store-unavailable' }, 'with one for NATS'),
    assert.rejects(askHttps(`https://${peer}/version`, asMember), 'as a member, with one of a client'),
  ]);
}

/** @param port of an engine */
export async function refusesStrangersOfEngines(port: number, secrets: MadeSecrets): Promise<void> {
  const ask = async (client: TlsMaterial | undefined, ...login: readonly string[]): Promise<EngineLink> => {
    const tls = client === undefined ? undefined : clientTls(client);
    const link = await EngineLink.open(port, undefined, undefined, tls);
    if (login.length > 0) await link.send('AUTH', ...login);
    else await link.send('PING');
    return link;
  };
  const engines = secrets.certificates('engines');
  const known = clientOf(engines);
  const password = secrets.passwordOf('health-analyzer');
  using link = await ask(known, 'health-analyzer', password);
  await assert.rejects(link.send('FLUSHALL'), /NOPERM/);
  await assert.rejects(ask(undefined), 'plainly');
  await assert.rejects(ask(clientOf(engines, true), 'health-analyzer', password), 'without a certificate');
  await assert.rejects(ask(known), /NOAUTH/, 'without a user');
  await assert.rejects(ask(known, 'nbd-server', password), /WRONGPASS/, "with another user's password");
}

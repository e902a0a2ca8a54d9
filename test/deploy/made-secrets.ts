import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { clientTls, type TlsMaterial } from '@salvor/service-kit';
import { type CertificateFiles, certificateFiles } from '@salvor/testkit';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');

/** Who servers are to each other and to their clients. */
export type Authority = 'nats' | 'etcd' | 'engines' | 'peers' | 'hosts';

/** What `deploy/make-secrets` makes for a deployment. */
export class MadeSecrets {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async in(folder: string, ...options: readonly string[]): Promise<MadeSecrets> {
    await run(join(ROOT, 'deploy/make-secrets'), [
      folder,
      '--person',
      'anna:operator,bob:reader',
      ...options,
    ]);
    return new MadeSecrets(folder);
  }

  certificates(authority: Authority): CertificateFiles {
    return certificateFiles(join(this.folder, 'tls', authority));
  }

  seedOf(user: string): string {
    return readFileSync(join(this.folder, 'nats', `${user}.seed`), 'utf8').trim();
  }

  passwordOf(user: string): string {
    return readFileSync(join(this.folder, 'engines', `${user}.password`), 'utf8').trim();
  }

  tokenOf(name: string): string {
    const tokens = readFileSync(join(this.folder, 'console-tokens'), 'utf8');
    return new RegExp(`^${name} (\\S+)$`, 'm').exec(tokens)?.[1] ?? '';
  }

  /** Every seed, password, token and key: what no log may have. */
  all(): string[] {
    const files = readdirSync(this.folder, { recursive: true, encoding: 'utf8' });
    const text = (name: string): string => readFileSync(join(this.folder, name), 'utf8').trim();
    return [
      ...files.filter((name) => /\.(seed|password)$/.test(name)).map(text),
      ...files.filter((name) => name.endsWith('-key.pem')).map((name) => text(name).split('\n')[1] ?? ''),
      ...text('console-tokens')
        .split('\n')
        .map((line) => line.split(' ')[1] ?? ''),
    ];
  }
}

/** As a client of that authority holds it; `isNobody`: without a certificate of its own. */
export function clientOf({ ca, clientCert, clientKey }: CertificateFiles, isNobody = false): TlsMaterial {
  const read = (path: string): string => readFileSync(path, 'utf8');
  return { ca: read(ca), ...(isNobody ? {} : { cert: read(clientCert), privateKey: read(clientKey) }) };
}

/** A request over HTTPS: status and text. Throws where TLS comes to nothing. */
export function askHttps(
  url: string,
  client: TlsMaterial,
  options: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { body, ...rest } = options;
  return new Promise((done, failed) => {
    const asked = request(url, { ...clientTls(client), ...rest, agent: false, timeout: 10_000 }, (answer) => {
      answer.setEncoding('utf8');
      let text = '';
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => done({ status: answer.statusCode ?? 0, text }));
      answer.on('error', failed);
    });
    asked.on('error', failed);
    asked.end(body);
  });
}

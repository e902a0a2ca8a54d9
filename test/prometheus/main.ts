/** npm run test:prometheus: rules and dashboards in a real Prometheus, which has scraped every service of the Compose file. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { freePort, ManagedProcess, NbdClient, tempDir, until } from '@salvor/testkit';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { readCompose } from '../deploy/compose-file.ts';
import { LocalCompose } from '../deploy/local-compose.ts';
import { MadeSecrets } from '../deploy/made-secrets.ts';
import { readExpression } from '../deploy/promql.ts';
import { allQueries } from '../deploy/queries.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DEPLOY = join(ROOT, 'deploy');
const run = promisify(execFile);
const SCRAPES = 12;

const answerSchema = z.object({
  status: z.literal('success'),
  data: z.object({ resultType: z.string(), result: z.array(z.unknown()) }),
});
const configSchema = z.looseObject({
  global: z.looseObject({}),
  scrape_configs: z.tuple([
    z.looseObject({
      job_name: z.string(),
      static_configs: z.tuple([z.object({ targets: z.array(z.string()) })]),
    }),
  ]),
});

for (const command of ['prometheus', 'promtool'])
  await run(command, ['--version']).catch(() => {
    process.stderr.write(`${command} is not there; on Debian or Ubuntu: apt-get install prometheus\n`);
    process.exit(2);
  });

say((await run('promtool', ['check', 'config', join(DEPLOY, 'prometheus/prometheus.yaml')])).stdout);
say((await run('promtool', ['test', 'rules', join(DEPLOY, 'prometheus/salvor.test.yaml')])).stdout);

using dir = tempDir('prometheus');
const secrets = await MadeSecrets.in(dir.join('secrets'));
await using compose = await LocalCompose.start(readCompose(join(DEPLOY, 'compose/compose.yaml')), {
  folder: join(DEPLOY, 'compose'),
  dir: dir.path,
  secrets: secrets.folder,
});
const prometheus = await startPrometheus();
try {
  await somethingHappens();
  await until(async () => (await least('count_over_time(up[10m])')) >= SCRAPES, {
    what: `every service to be scraped ${SCRAPES} times`,
    timeoutMs: 120_000,
    intervalMs: 500,
  });
  process.exitCode = await askAll();
} finally {
  await prometheus.process.stop();
}

async function startPrometheus(): Promise<{ process: ManagedProcess; url: string }> {
  const config = configSchema.parse(parse(readFileSync(join(DEPLOY, 'prometheus/prometheus.yaml'), 'utf8')));
  const [job] = config.scrape_configs;
  const local = {
    ...config,
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(DEPLOY, 'prometheus/salvor.rules.yaml')],
    scrape_configs: [
      {
        ...job,
        static_configs: job.static_configs[0].targets.map((target) => {
          const [name = '', port = ''] = target.split(':');
          return { targets: [`127.0.0.1:${compose.port(name, Number(port))}`], labels: { instance: target } };
        }),
      },
    ],
  };
  const file = join(dir.path, 'prometheus.yaml');
  writeFileSync(file, stringify(local));
  mkdirSync(join(dir.path, 'tsdb'));
  const port = await freePort();
  const process = new ManagedProcess({
    name: 'prometheus',
    command: 'prometheus',
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(dir.path, 'tsdb')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    logFile: join(dir.path, 'prometheus.log'),
  });
  await process.start();
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/-/ready`)).ok, {
    what: 'Prometheus to be ready',
    timeoutMs: 60_000,
    intervalMs: 250,
  });
  return { process, url };
}

/** Clusters, a vdisk with a log and an archive, requests, and an engine that dies. */
async function somethingHappens(): Promise<void> {
  const engines = (cluster: string): string[] =>
    [0, 1].flatMap((shard) => ['--engine', `engine-${cluster}-${shard}:6379`]);
  await compose.run('cli', 'cluster', 'create', 's1', '--role', 'slave', ...engines('s1'));
  const pair = ['--role', 'primary', '--partner', 's1', ...engines('p1')];
  await compose.run('cli', 'cluster', 'create', 'p1', ...pair, '--spare', 'engine-spare-2:6379');
  const places = ['--cluster', 'p1', '--slave-cluster', 's1', '--tlog', 'block'];
  await compose.run('cli', 'vdisk', 'create', 'v1', '--size', '1', ...places);
  const tls = `tls-certificates=${secrets.certificates('hosts').dir}`;
  const uri = `nbds://127.0.0.1:${compose.port('nbd-1', 10_809)}/v1?${tls}`;
  await using client = await NbdClient.connect(uri, { requestTimeoutMs: 60_000 });
  const write = async (byte: number): Promise<void> => {
    for (let i = 0; i < 32; i++) await client.write(i * 4_096, Buffer.alloc(4_096, byte));
    await client.flush();
    await client.read(0, 65_536);
  };
  await write(1);
  await compose.run('cli', 'archive', 'init-storage', 'vol1', '--vdisk', 'v1');
  await compose.run('cli', 'archive', 'start-synchronizing', 'local', 'vol1');
  await compose.process('engine-p1-0').kill('SIGKILL');
  await write(2);
}

/** @returns the exit code: 0 when each query was answered, and with series where what it asks about has some */
async function askAll(): Promise<number> {
  const queries = allQueries();
  const wrong: string[] = [];
  let empty = 0;
  for (const { where, expr } of queries) {
    const series = await ask(expr).catch((error: unknown) => {
      wrong.push(`${where}: ${error}`);
      return null;
    });
    if (series === null || series.length > 0) continue;
    empty++;
    const { mentions } = readExpression(expr);
    const found = await Promise.all(mentions.map(({ selector }) => ask(selector)));
    const isFilter = where.startsWith('alert ') || /[<>=]=?\s*[\d.]+\s*$/.test(expr);
    if (!isFilter && found.every(({ length }) => length > 0))
      wrong.push(`${where}: nothing comes of ${expr}`);
  }
  for (const problem of wrong) say(`${problem}\n`);
  const pending = await ask('ALERTS');
  say(
    `${queries.length} queries asked, ${empty} without series; ${pending.length} alerts pending or firing; ${wrong.length} wrong\n`,
  );
  return wrong.length === 0 ? 0 : 1;
}

async function ask(expr: string): Promise<unknown[]> {
  const response = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(expr)}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`Prometheus answered ${response.status}: ${text}`);
  return answerSchema.parse(JSON.parse(text)).data.result;
}

async function least(expr: string): Promise<number> {
  const series = z.array(z.object({ value: z.tuple([z.number(), z.string()]) })).parse(await ask(expr));
  return Math.min(...series.map(({ value: [, value] }) => Number(value)));
}

function say(text: string): void {
  process.stdout.write(text);
}

import { CERTIFICATE_NEAR_END_MS, certificateDates } from './certificate-dates.ts';
import {
  type Configuration,
  ConfigurationError,
  describeSettings,
  readConfiguration,
  type Settings,
} from './configuration.ts';
import { deadline } from './deadline.ts';
import { codeOf, messageOf } from './errors.ts';
import { HealthServer, type ReadinessCheck } from './health-server.ts';
import { createLogger, type Logger } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { serviceSettings } from './service-settings.ts';

/** What a running service hands back: how to see that it is well, and how to end it in order. */
export interface RunningService {
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  /**
   * Carried out one after the other, after `/readyz` turned to 503: stop consuming, drain subscriptions, await work in
   * flight, give back the rest, drain the bus, revoke leases, close engines.
   */
  readonly shutdown: readonly ShutdownStep[];
}

export interface ShutdownStep {
  readonly name: string;
  readonly run: () => Promise<unknown> | unknown;
}

export interface ServiceContext<S extends Settings> {
  readonly config: Configuration<S> & Configuration<typeof serviceSettings>;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Ends the service in order, as a signal would. */
  readonly stop: (reason: string, exitCode: number) => void;
  /** Says in `/readyz` what the start waits for now, such as `waits for etcd`. */
  readonly starting: (what: string) => void;
}

export interface ServiceOptions<S extends Settings> {
  readonly name: string;
  readonly settings: S;
  /** How long the whole shutdown may take; the orchestrator's kill timeout must be longer. */
  readonly shutdownTimeoutMs?: number;
  readonly start: (context: ServiceContext<S>) => Promise<RunningService>;
}

const SHUTDOWN_TIMEOUT_MS = 10_000;

/** The life of a service process: configuration, health endpoints, start, and an orderly end on SIGTERM or SIGINT. */
export async function runService<S extends Settings>(options: ServiceOptions<S>): Promise<void> {
  const settings = { ...serviceSettings, ...options.settings };
  const argv = process.argv.slice(2);
  if (argv.includes('--help')) {
    process.stdout.write(
      `${options.name}: settings as flags, environment variables or a file\n${describeSettings(settings)}`,
    );
    return;
  }
  const config = configurationOrExit(options.name, settings, argv) as ServiceContext<S>['config'];
  const log = createLogger({ service: options.name, level: config.logLevel });
  const metrics = createMetrics();
  metrics
    .gauge('salvor_service_info', 'Which service this is: always 1', ['service'])
    .set(1, { service: options.name });
  watchCertificates(config, metrics, log);
  process.on('unhandledRejection', (error) => die(log, error, 'unhandled rejection'));
  process.on('uncaughtException', (error) => die(log, error, 'uncaught exception'));
  // A supervisor that is gone must not take the service with it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

  // The first to ask for the end decides its reason and exit code: a promise settles once.
  let stop: (reason: string, exitCode: number) => void = () => {};
  const stopped = new Promise<{ reason: string; exitCode: number }>((resolve) => {
    stop = (reason, exitCode) => resolve({ reason, exitCode });
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal, 0));

  let phase = 'reads its configuration';
  try {
    // Before the start, which may wait for others: alive and not ready is what an orchestrator should see meanwhile.
    const health = await HealthServer.start({
      host: config.httpHost,
      port: config.httpPort,
      metrics,
      checks: { service: () => `is starting: ${phase}` },
    });
    const starting = (what: string): void => {
      phase = what;
    };
    const service = await Promise.race([options.start({ config, log, metrics, stop, starting }), stopped]);
    if ('reason' in service) {
      log.info({ reason: service.reason }, 'service stopped while it was starting');
      return process.exit(service.exitCode);
    }
    health.setChecks(service.checks);
    log.info({ http: `${config.httpHost}:${health.port}` }, 'service started');
    const { reason, exitCode } = await stopped;
    log.info({ reason }, 'service stopping');
    health.setDraining();
    await shutDown(service.shutdown, options.shutdownTimeoutMs ?? SHUTDOWN_TIMEOUT_MS, log);
    health.close();
    log.info({ reason }, 'service stopped');
    process.exit(exitCode);
  } catch (error) {
    die(log, error, 'service could not start');
  }
}

/** Certificates that are about to expire are a warning at the start, and a metric all the time. */
function watchCertificates(config: Readonly<Record<string, unknown>>, metrics: Metrics, log: Logger): void {
  const expires = metrics.gauge(
    'salvor_certificate_expires_timestamp_seconds',
    'When the first certificate in the file of a setting expires, in Unix seconds',
    ['setting'],
  );
  for (const { setting, file, expiresAt } of certificateDates(config)) {
    if (expiresAt === null) continue;
    expires.set(expiresAt / 1_000, { setting });
    if (expiresAt - Date.now() < CERTIFICATE_NEAR_END_MS)
      log.warn({ setting, file, expires: new Date(expiresAt).toISOString() }, 'a certificate expires soon');
  }
}

async function shutDown(steps: readonly ShutdownStep[], timeoutMs: number, log: Logger): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  for (const { name, run } of steps) {
    const leftMs = Math.max(100, giveUpAt - performance.now());
    try {
      await deadline(Promise.resolve().then(run), leftMs, `shutdown step '${name}'`);
    } catch (error) {
      log.warn({ step: name, error: messageOf(error) }, 'shutdown step failed');
    }
  }
}

function configurationOrExit<S extends Settings>(
  name: string,
  settings: S,
  argv: readonly string[],
): Configuration<S> {
  try {
    return readConfiguration(settings, { argv, env: process.env });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    return process.exit(2);
  }
}

function die(log: Logger, error: unknown, msg: string): never {
  const stack = error instanceof Error ? error.stack : undefined;
  log.error({ code: codeOf(error), error: messageOf(error), stack }, msg);
  process.exit(1);
}

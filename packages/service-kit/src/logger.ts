import { pino } from 'pino';

export type LogFields = Readonly<Record<string, unknown>>;

/** One event a line: a stable message, data in fields. */
export interface Logger {
  debug(fields: LogFields, msg: string): void;
  info(fields: LogFields, msg: string): void;
  warn(fields: LogFields, msg: string): void;
  error(fields: LogFields, msg: string): void;
  /** A logger whose every line carries these fields. */
  child(fields: LogFields): Logger;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SECRETS = [
  'password',
  'seed',
  'creds',
  'token',
  '*.password',
  '*.seed',
  '*.creds',
  '*.token',
  'headers.authorization',
];

/** JSON lines on stdout (stderr belongs to the contract that supervisors read). Secrets are replaced by `[redacted]`. */
export function createLogger({ service, level }: { service: string; level: LogLevel }): Logger {
  const log = pino(
    {
      level,
      base: { svc: service, pid: process.pid },
      redact: { paths: SECRETS, censor: '[redacted]' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ fd: 1, sync: true }),
  );
  return log;
}

/** Swallows everything: for tools and tests. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};

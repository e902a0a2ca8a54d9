import { type Logger as Pino, pino } from 'pino';
import { redact } from './redaction.ts';
import { currentTraceparent, parseTraceparent } from './trace.ts';

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

/** JSON lines on stdout (stderr belongs to the contract that supervisors read), without secrets. */
export function createLogger({ service, level }: { service: string; level: LogLevel }): Logger {
  const log = pino(
    {
      level,
      base: { svc: service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      mixin: traceFields,
    },
    pino.destination({ fd: 1, sync: true }),
  );
  return withoutSecrets(log);
}

/** Names as OpenTelemetry has them in logs. */
function traceFields(): { trace_id?: string; span_id?: string } {
  const context = parseTraceparent(currentTraceparent());
  return context === null ? {} : { trace_id: context.traceId, span_id: context.spanId };
}

function withoutSecrets(log: Pino): Logger {
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: LogFields, msg: string): void => {
      if (log.isLevelEnabled(level)) log[level](redact(fields), msg);
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => withoutSecrets(log.child(redact(fields))),
  };
}

/** Swallows everything: for tools and tests. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};

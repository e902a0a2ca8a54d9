import type { Metrics } from '@salvor/service-kit';
import { FileSource } from './file-source.ts';
import type { LogSource } from './source.ts';
import type { SourceSpec } from './source-spec.ts';
import { type SourceContext, SpawnSource } from './spawn-source.ts';
import { StdinSource } from './stdin-source.ts';

/** All sources of this service, in the order of the configuration. */
export class LogSources {
  readonly #sources: readonly LogSource[];

  constructor(specs: readonly SourceSpec[], context: SourceContext) {
    this.#sources = specs.map((spec) => openSource(spec, context));
  }

  start(): void {
    for (const source of this.#sources) source.start();
  }

  describe(): ReturnType<LogSource['describe']>[] {
    return this.#sources.map((source) => source.describe());
  }

  registerMetrics(metrics: Metrics): void {
    const sum = (count: (source: LogSource) => number): (() => number) => {
      return () => this.#sources.reduce((total, source) => total + count(source), 0);
    };
    metrics.counterFrom(
      'salvor_log_lines_read_total',
      'Lines read',
      sum((source) => source.describe().linesRead),
    );
    metrics.counterFrom(
      'salvor_log_lines_rejected_total',
      'Lines that could not be understood',
      sum((source) => source.describe().linesRejected),
    );
    metrics.gaugeFrom(
      'salvor_log_events_unacknowledged',
      'Events sent and not yet stored by the bus',
      sum((source) => source.unacknowledged),
    );
    metrics.counterFrom(
      'salvor_children_restarts_total',
      'Restarts of spawned servers',
      sum((source) => source.describe().child?.restarts ?? 0),
    );
    metrics.gaugeFrom(
      'salvor_children_down',
      'Spawned servers that do not run now',
      sum((source) => (source.describe().child?.pid === 0 ? 1 : 0)),
    );
  }

  async stopChildren(timeoutMs: number): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.stopChild(timeoutMs)));
  }

  async stop(drainMs: number): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.stop(drainMs)));
  }
}

function openSource(spec: SourceSpec, context: SourceContext): LogSource {
  switch (spec.kind) {
    case 'spawn':
      return new SpawnSource(spec, context);
    case 'file':
      return new FileSource(spec, context);
    case 'stdin':
      return new StdinSource(spec, context, process.stdin);
  }
}

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { readCompose } from './compose-file.ts';
import { allMetrics, readMetricsPage } from './metrics-page.ts';
import { readExpression } from './promql.ts';
import { allQueries, readDashboards, readRules } from './queries.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** What `test/deploy/compose.test.ts` has compared with running services. */
const KNOWN = allMetrics(readMetricsPage(join(ROOT, 'docs/metrics.md')));
/** Of Prometheus itself, and of prom-client. */
const FOREIGN = /^(up|process_(resident_memory_bytes|cpu_seconds_total)|nodejs_eventloop_lag_p99_seconds)$/;
/** What Prometheus adds to every series that it scrapes. */
const SCRAPED = ['instance', 'job'];

/** The labels that a series of this name has; null where there is no such metric. */
function labelsOf(series: string): readonly string[] | null {
  if (FOREIGN.test(series)) return SCRAPED;
  const own = KNOWN.get(series);
  if (own !== undefined && own.type !== 'histogram') return [...SCRAPED, ...own.labels];
  const [, family = '', part] = /^(.*)_(bucket|sum|count)$/.exec(series) ?? [];
  const histogram = KNOWN.get(family);
  if (histogram?.type !== 'histogram') return null;
  return [...SCRAPED, ...histogram.labels, ...(part === 'bucket' ? ['le'] : [])];
}

function problemsOf(expr: string): string[] {
  const { mentions, grouped } = readExpression(expr);
  const here = mentions.flatMap(({ metric }) => labelsOf(metric) ?? []);
  return [
    ...(mentions.length === 0 ? ['it asks for no metric'] : []),
    ...mentions.flatMap(({ metric, labels }) => {
      const known = labelsOf(metric);
      if (known === null) return [`there is no metric ${metric}`];
      return labels
        .filter((label) => !known.includes(label))
        .map((label) => `${metric} has no label ${label}`);
    }),
    ...grouped.filter((label) => !here.includes(label)).map((label) => `nothing in it has a label ${label}`),
  ];
}

describe('what rules and dashboards ask of Prometheus', () => {
  it('is of metrics and labels that the services have', () => {
    const queries = allQueries();
    assert.ok(queries.length > 100);
    assert.deepEqual(
      queries.flatMap(({ where, expr }) => problemsOf(expr).map((problem) => `${where}: ${problem}`)),
      [],
    );
  });

  it('would be found out when it is not', () => {
    assert.deepEqual(problemsOf('max by (clutser) (salvor_clusters{state="x"})'), [
      'salvor_clusters has no label state',
      'nothing in it has a label clutser',
    ]);
    assert.deepEqual(problemsOf('rate(salvor_command_duration_seconds[5m])'), [
      'there is no metric salvor_command_duration_seconds',
    ]);
    assert.throws(() => problemsOf('sum(('), /no PromQL/);
  });
});

describe('deploy/prometheus', () => {
  const testsSchema = z.object({
    tests: z.array(
      z.object({
        promql_expr_test: z.array(z.object({ expr: z.string(), exp_samples: z.array(z.unknown()) })),
      }),
    ),
  });

  it('has for each alert a runbook that there is, and promtool tests of firing and of silence', () => {
    const text = readFileSync(join(ROOT, 'deploy/prometheus/salvor.test.yaml'), 'utf8');
    const cases = testsSchema.parse(parse(text)).tests.flatMap((test) => test.promql_expr_test);
    const rules = readRules();
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    for (const { alert, annotations } of rules) {
      assert.ok(existsSync(join(ROOT, annotations.runbook)), `${alert}: ${annotations.runbook}`);
      const own = cases.filter(({ expr }) => expr.includes(`alertname="${alert}"`));
      assert.deepEqual(own.map(({ exp_samples: { length } }) => length).toSorted(), [0, 1], alert);
    }
  });

  it('is told where every part of the Compose file answers', () => {
    const config = z
      .object({
        scrape_configs: z.array(
          z.object({ static_configs: z.array(z.object({ targets: z.array(z.string()) })) }),
        ),
      })
      .parse(parse(readFileSync(join(ROOT, 'deploy/prometheus/prometheus.yaml'), 'utf8')));
    const targets = config.scrape_configs.flatMap((each) => each.static_configs.flatMap((s) => s.targets));
    const parts = Object.entries(readCompose(join(ROOT, 'deploy/compose/compose.yaml')).services).flatMap(
      ([name, { environment }]) => (environment.SALVOR_HTTP_PORT === '9100' ? [`${name}:9100`] : []),
    );
    const servers = parts
      .filter((part) => part.startsWith('nbd-'))
      .map((part) => part.replace('9100', '9101'));
    assert.deepEqual(targets.toSorted(), [...parts, ...servers].toSorted());
  });
});

describe('deploy/grafana', () => {
  for (const [file, { uid, panels }] of readDashboards())
    it(`${file} has panels that do not overlap, each with a title and queries of the chosen data source`, () => {
      assert.equal(`${uid}.json`, file);
      assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      const taken = new Set<string>();
      for (const { title, type, gridPos, targets } of panels) {
        assert.equal(targets.length > 0, type !== 'row', title);
        for (const { datasource } of targets) assert.match(datasource.uid, /^\$\{datasource\}$/, title);
        assert.ok(gridPos.x + gridPos.w <= 24, title);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(!taken.has(`${x},${y}`), `${title} overlaps`);
            taken.add(`${x},${y}`);
          }
      }
    });
});

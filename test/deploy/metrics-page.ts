import { readFileSync } from 'node:fs';

/** A row of `docs/metrics.md`. */
export interface DocumentedMetric {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly meaning: string;
}

const EVERY_SERVICE = 'Every service';
const ROW = /^\| `(salvor_[a-z_]+)` +\| (\w+) +\| (.*?) +\| (.*?) +\|$/;

/** By service, those of every service included. */
export function readMetricsPage(path: string): Map<string, Map<string, DocumentedMetric>> {
  const sections = new Map<string, Map<string, DocumentedMetric>>();
  let rows = new Map<string, DocumentedMetric>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const section = /^## (.*)$/.exec(line)?.[1];
    if (section !== undefined) {
      rows = new Map();
      sections.set(section, rows);
    }
    const [, name, type = '', labels = '', meaning = ''] = ROW.exec(line) ?? [];
    if (name === undefined) continue;
    if (rows.has(name)) throw new Error(`${path}: ${name} is there twice`);
    rows.set(name, {
      name,
      type,
      labels: [...labels.matchAll(/`([a-z_]+)`/g)].map(([, l = '']) => l),
      meaning,
    });
  }
  const common = sections.get(EVERY_SERVICE) ?? new Map<string, DocumentedMetric>();
  return new Map(
    [...sections]
      .filter(([section]) => section !== EVERY_SERVICE)
      .map(([section, own]) => [section, new Map([...common, ...own])]),
  );
}
/** All metrics by name, whichever service has them. */
export function allMetrics(page: ReturnType<typeof readMetricsPage>): Map<string, DocumentedMetric> {
  return new Map([...page.values()].flatMap((own) => [...own]));
}

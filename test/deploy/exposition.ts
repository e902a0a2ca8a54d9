/** What `/metrics` of a service shows of its own, in the Prometheus text format. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Names of the labels of its series, but for `le`; empty where there is no series. */
  readonly labels: ReadonlySet<string>;
  readonly series: number;
}

const SERIES = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_][a-z0-9_]*)="(?:[^"\\]|\\.)*"/g;
const OF_A_HISTOGRAM = /_(?:bucket|sum|count)$/;

/** The families whose names begin with `salvor_`, by name. Throws on a line that is none of the format. */
export function readExposition(text: string): Map<string, Family> {
  const families = new Map<string, { type: string; help: string; labels: Set<string>; series: number }>();
  const family = (name: string) => {
    const found = families.get(name) ?? { type: '', help: '', labels: new Set<string>(), series: 0 };
    families.set(name, found);
    return found;
  };
  for (const line of text.split('\n')) {
    const [, word, about = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') family(about).help = rest;
    else if (word === 'TYPE') family(about).type = rest;
    else if (line !== '') {
      const [, series, labels = ''] = SERIES.exec(line) ?? [];
      if (series === undefined) throw new Error(`no line of the Prometheus text format: ${line}`);
      const whole = series.replace(OF_A_HISTOGRAM, '');
      const owner = family(families.get(whole)?.type === 'histogram' ? whole : series);
      owner.series++;
      for (const [, label = ''] of labels.matchAll(LABEL)) if (label !== 'le') owner.labels.add(label);
    }
  }
  return new Map(
    [...families]
      .filter(([name]) => name.startsWith('salvor_'))
      .map(([name, { type, help, labels, series }]) => [name, { name, type, help, labels, series }]),
  );
}

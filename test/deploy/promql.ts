import { parser } from '@prometheus-io/lezer-promql';

/** One mention of a metric in an expression of PromQL, with the labels that are asked for or grouped by. */
export interface Mention {
  readonly metric: string;
  /** As it stands there, with its matchers. */
  readonly selector: string;
  readonly labels: readonly string[];
}

export interface ReadExpression {
  readonly mentions: readonly Mention[];
  /** Labels that results are grouped by, or that sides are matched on, anywhere in the expression. */
  readonly grouped: readonly string[];
}

/** By the grammar of Prometheus itself. Throws on what is no expression. */
export function readExpression(text: string): ReadExpression {
  const mentions: { metric: string; selector: string; labels: string[] }[] = [];
  const grouped: string[] = [];
  let inGrouping = false;
  parser.parse(text).iterate({
    enter: ({ type, from, to }) => {
      const word = text.slice(from, to);
      if (type.isError) throw new Error(`no PromQL at ${from}: ${text}`);
      if (type.name === 'GroupingLabels') inGrouping = true;
      if (type.name === 'VectorSelector') mentions.push({ metric: '', selector: word, labels: [] });
      const last = mentions.at(-1);
      if (type.name === 'Identifier' && last !== undefined && last.metric === '') last.metric = word;
      if (type.name === 'LabelName') {
        if (inGrouping) grouped.push(word);
        else last?.labels.push(word);
      }
    },
    leave: ({ type }) => {
      if (type.name === 'GroupingLabels') inGrouping = false;
    },
  });
  return { mentions, grouped };
}

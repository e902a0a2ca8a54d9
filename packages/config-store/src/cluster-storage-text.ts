/**
 * The text of a cluster's configuration, engine by engine. When fifty engines fail at once, their cluster has another text a
 * dozen times within a second, each of which differs from the one before in a few engines: to make sense of the whole each
 * time takes every process longer than etcd takes to store it.
 */

const HEAD = 'servers:\n';
/** A line that means the same wherever it stands: a member and a scalar without quotes, anchors, tags or comments. */
const PLAIN_LINE = /^(?: {2}- | {4}| {6})[A-Za-z]\w*:(?: [\w./:-]+)?$/;
const FIRST_OF_ENTRY = '  - ';

/** A text of one engine alone for each engine, in their order; null for a text that is to be read as a whole. */
export function entryTexts(text: string): string[] | null {
  if (!text.startsWith(`${HEAD}${FIRST_OF_ENTRY}`) || !text.endsWith('\n')) return null;
  const lines = text.slice(HEAD.length, -1).split('\n');
  const texts: string[] = [];
  for (const line of lines) {
    if (!PLAIN_LINE.test(line)) return null;
    if (line.startsWith(FIRST_OF_ENTRY)) texts.push(HEAD);
    texts.push(`${texts.pop() ?? ''}${line}\n`);
  }
  return texts;
}

/** The text of all engines, from texts of one engine each. */
export function joinedTexts(texts: readonly string[]): string {
  return HEAD + texts.map((text) => text.slice(HEAD.length)).join('');
}

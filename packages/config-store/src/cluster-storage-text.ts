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

/** An engine as its text says, word for word. */
export interface EntryWords {
  readonly address: string;
  readonly db: number;
  readonly state: string;
  readonly status: string;
  readonly generation: number;
  readonly replacement?: { readonly address: string; readonly db: number; readonly generation: number };
}

/** What YAML takes for a text without quotes, whatever its schema; and small whole numbers in their one spelling. */
const HOST = '\\d{1,3}(?:\\.\\d{1,3}){3}|[A-Za-z](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?';
const HOST_PORT = `(?:${HOST}):[1-9]\\d{0,4}`;
const COUNT = '0|[1-9]\\d{0,14}';
const PLAIN_ENTRY = new RegExp(
  `^${HEAD}  - address: (${HOST_PORT})\n    db: (${COUNT})\n    state: ([a-z]+)\n    status: ([a-z-]+)\n    generation: (${COUNT})\n` +
    `(?:    replacement:\n      address: (${HOST_PORT})\n      db: (${COUNT})\n      generation: (${COUNT})\n)?$`,
);
const PLAIN_ADDRESS = new RegExp(`^(?:${HOST_PORT})$`);
const COUNT_MAX = 999_999_999_999_999;

/**
 * The words of an engine's text as Salvor writes it; null for every other text, which is to be read as YAML. That takes a
 * hundred times as long, of each of fifty engines, in every process, just when they fail.
 */
export function plainWords(text: string): EntryWords | null {
  const match = PLAIN_ENTRY.exec(text);
  if (match === null) return null;
  const [, address = '', db, state = '', status = '', generation, spare, spareDb, spareGeneration] = match;
  return {
    ...{ address, db: Number(db), state, status, generation: Number(generation) },
    ...(spare === undefined
      ? {}
      : { replacement: { address: spare, db: Number(spareDb), generation: Number(spareGeneration) } }),
  };
}

/** The text of an engine, as YAML writes it; null where a word would need quotes: then YAML is to write it. */
export function plainText({
  address,
  db,
  state,
  status,
  generation,
  replacement,
}: EntryWords): string | null {
  if (!isPlain({ address, db, generation }) || (replacement !== undefined && !isPlain(replacement)))
    return null;
  const own = `  - address: ${address}\n    db: ${db}\n    state: ${state}\n    status: ${status}\n    generation: ${generation}\n`;
  if (replacement === undefined) return `${HEAD}${own}`;
  const { address: spare, db: spareDb, generation: next } = replacement;
  return `${HEAD}${own}    replacement:\n      address: ${spare}\n      db: ${spareDb}\n      generation: ${next}\n`;
}

function isPlain({ address, db, generation }: Pick<EntryWords, 'address' | 'db' | 'generation'>): boolean {
  return PLAIN_ADDRESS.test(address) && isCount(db) && isCount(generation);
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= COUNT_MAX && !Object.is(value, -0);
}

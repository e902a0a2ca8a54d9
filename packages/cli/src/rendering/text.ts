/** Aligned columns and readable words. */
import { stripVTControlCharacters } from 'node:util';
import type { Paint } from './paint.ts';

export { counted, printable } from '@salvor/story';

const COLUMN_GAP = '  ';

/** Rows under headers, columns as wide as their widest cell; no trailing blanks. `empty` replaces a table of no rows. */
export function table(
  paint: Paint,
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
): string {
  if (rows.length === 0) return `${paint('dim', empty)}\n`;
  const widths = headers.map((header, column) =>
    Math.max(...[header, ...rows.map((row) => row[column] ?? '')].map(visibleLength)),
  );
  const line = (cells: readonly string[]) =>
    headers
      .map((_, column) => padded(cells[column] ?? '', widths[column] ?? 0))
      .join(COLUMN_GAP)
      .trimEnd();
  const title = line(headers.map((header) => header.toUpperCase()));
  return `${[paint('dim', title), ...rows.map(line)].join('\n')}\n`;
}

/** `name   value` lines; those without a value are left out. */
export function properties(
  paint: Paint,
  entries: readonly (readonly [string, string | undefined])[],
): string {
  const shown = entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${paint('dim', padded(name, width))}${COLUMN_GAP}${value}\n`).join('');
}

export function title(paint: Paint, text: string): string {
  return `${paint('bold', text)}\n`;
}

export function indented(text: string, by = '  '): string {
  return text.replace(/^(?=.)/gm, by);
}

/** A quoted word when the shell would need it. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - visibleLength(text)));
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** Words that are safe to show. */
import { stripVTControlCharacters } from 'node:util';

/** `1 engine`, `2 engines` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Text of others on one line, without escape sequences: a reason must not move the cursor of who reads it. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
}

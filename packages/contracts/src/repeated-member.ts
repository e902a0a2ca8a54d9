import { joinPath } from './long-range.ts';

interface OpenObject {
  readonly names: Set<string> | null;
  /** Of the member whose value is being read; in an array, the index of the item. */
  member: string;
  index: number;
}

/**
 * The path of the first member that an object of the text has twice; undefined: none. `JSON.parse` keeps the last one and says nothing, and
 * which one was meant cannot be known (RFC 8259, section 4).
 * @param text JSON that `JSON.parse` takes
 */
export function repeatedMember(text: string): string | undefined {
  const open: OpenObject[] = [];
  let expectsName = false;
  for (let at = 0; at < text.length; at++) {
    const inner = open.at(-1);
    switch (text[at]) {
      case '{':
      case '[': {
        const names = text[at] === '{' ? new Set<string>() : null;
        open.push({ names, member: '', index: 0 });
        expectsName = names !== null;
        break;
      }
      case '}':
      case ']':
        open.pop();
        expectsName = false;
        break;
      case ',':
        if (inner !== undefined) inner.index += 1;
        expectsName = inner?.names != null;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (expectsName && inner?.names != null) {
          inner.member = JSON.parse(text.slice(at, end)) as string;
          if (inner.names.has(inner.member)) return pathOf(open);
          inner.names.add(inner.member);
          expectsName = false;
        }
        at = end - 1;
        break;
      }
    }
  }
  return undefined;
}

function pathOf(open: readonly OpenObject[]): string {
  return open.reduce(
    (path, { names, member, index }) => joinPath(path, names === null ? `[${index}]` : member),
    '',
  );
}

/** The place behind the closing quotation mark. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

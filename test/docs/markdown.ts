/** What the documentation is made of: pages, their links, headings and fenced blocks. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root: string = join(import.meta.dirname, '../..');

export interface Page {
  /** Relative to the repository. */
  readonly path: string;
  readonly text: string;
}

export interface FencedBlock {
  readonly language: string;
  readonly lines: readonly string[];
  /** Line number of the first line in the page, from 1. */
  readonly firstLine: number;
}

/** README.md and everything below docs/. */
export function pages(): Page[] {
  const below = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  const paths = [
    'README.md',
    'deploy/README.md',
    ...below.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ];
  return paths.sort().map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

export function fencedBlocks({ text }: Page): FencedBlock[] {
  const blocks: FencedBlock[] = [];
  let open: { language: string; lines: string[]; firstLine: number } | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^ *```(\S*)$/.exec(line);
    if (fence === null) open?.lines.push(line.trim());
    else if (open === null) open = { language: fence[1] ?? '', lines: [], firstLine: index + 2 };
    else {
      blocks.push(open);
      open = null;
    }
  }
  return blocks;
}

/** The text without its fenced blocks. */
export function prose({ text }: Page): string {
  return text.replace(/^ *```[\s\S]*?^ *```$/gm, '');
}

export function links(page: Page): string[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
}

/** What `like this` says. */
export function inlineCode(page: Page): string[] {
  return [...prose(page).matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
}

/** The anchors of a page, as GitHub makes them of its headings. */
export function anchors(page: Page): Set<string> {
  const headings = prose(page).matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

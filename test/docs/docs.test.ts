import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { type CommandName, commandNames, commands, fromPlainJson, isId } from '@salvor/contracts';
import { type Setting, serviceSettings, variableName } from '@salvor/service-kit';
import { consoleSettings } from '../../services/console/src/settings.ts';
import { analyzerSettings } from '../../services/health-analyzer/src/settings.ts';
import { logWatcherSettings } from '../../services/log-watcher/src/settings.ts';
import { nbdServerSettings } from '../../services/nbd-server/src/settings.ts';
import { coordinatorSettings } from '../../services/repair-coordinator/src/settings.ts';
import { managerSettings } from '../../services/replication-manager/src/settings.ts';
import { segmentRecoverySettings } from '../../services/segment-recovery/src/settings.ts';
import { replayerSettings } from '../../services/tlog-replayer/src/settings.ts';
import { anchors, fencedBlocks, inlineCode, links, type Page, pages, prose, root } from './markdown.ts';
import { askSalvor, problemOf } from './salvor-command-line.ts';
import { shellCommands, withTranslations } from './shell-commands.ts';

type Settings = Readonly<Record<string, Setting>>;

const settingsOf: Readonly<Record<string, Settings>> = {
  console: consoleSettings,
  'health-analyzer': analyzerSettings,
  'log-watcher': logWatcherSettings,
  'nbd-server': nbdServerSettings,
  'repair-coordinator': coordinatorSettings,
  'replication-manager': managerSettings,
  'segment-recovery': segmentRecoverySettings,
  'tlog-replayer': replayerSettings,
};

const all = pages();
const code = sourceText();

describe('the documentation', () => {
  it('has no link that leads nowhere', () => {
    const broken = all.flatMap((page) =>
      links(page)
        .filter((link) => !leadsSomewhere(page, link))
        .map((link) => `${page.path}: ${link}`),
    );
    assert.deepEqual(broken, []);
  });

  it('can be reached page by page from the README', () => {
    const [readme] = all.filter(({ path }) => path === 'README.md');
    assert.ok(readme);
    const linked = new Set(links(readme));
    assert.deepEqual(
      all.map(({ path }) => path).filter((path) => path !== 'README.md' && !linked.has(path)),
      [],
    );
  });

  it('shows only command lines that salvor takes', async () => {
    const lines = all.flatMap((page) =>
      documentedCommands(page).filter(({ words: [program = ''] }) => /^(bin\/)?salvor$/.test(program)),
    );
    assert.ok(lines.length > 40, `expected many salvor command lines, found ${lines.length}`);
    const problems: string[] = [];
    for (const { words, where } of lines) {
      const problem = await problemOf(words.slice(1));
      if (problem !== null) problems.push(`${where}: ${words.join(' ')}: ${problem}`);
    }
    assert.deepEqual(problems, []);
  });

  it('speaks of no command that salvor has not', async () => {
    const problems: string[] = [];
    for (const page of all) {
      for (const text of inlineCode(page)) {
        const [program = '', ...words] = text.split(' ');
        if (!/^(bin\/)?salvor$/.test(program) || words.length === 0) continue;
        const leading = words.slice(0, 2).filter((word) => !word.startsWith('-'));
        const asked = leading[0] === 'help' ? words : ['help', ...leading];
        const { exitCode } = await askSalvor(asked);
        if (exitCode !== 0) problems.push(`${page.path}: ${text}`);
      }
    }
    assert.deepEqual(problems, []);
  });

  it('has a nats line for each command, and each is right', () => {
    const seen = new Set<CommandName>();
    const problems: string[] = [];
    for (const { words, where } of all.flatMap(documentedCommands)) {
      const at = words.findIndex((word) => word.startsWith('salvor.cmd.'));
      if (words[0] !== 'nats' || at < 0) continue;
      const command = commandOf(words[at] ?? '');
      if (command === undefined) {
        problems.push(`${where}: ${words[at]} is not in the catalogue`);
        continue;
      }
      seen.add(command);
      try {
        fromPlainJson(commands[command].request, JSON.parse(words[at + 1] ?? ''));
      } catch (error) {
        problems.push(`${where}: ${command}: ${String(error)}`);
      }
    }
    assert.deepEqual(problems, []);
    assert.deepEqual(
      commandNames().filter((command) => !seen.has(command)),
      [],
    );
  });

  it('names no variable, metric or stream that the code has not', () => {
    const variables = Object.values({ ...settingsOf, serviceSettings }).flatMap((settings: Settings) =>
      Object.keys(settings).map(variableName),
    );
    const known = new Set([...variables, ...variables.map((variable) => `${variable}_FILE`)]);
    // How often a test does something is set by variables of its own.
    const tests = sourceText(join(root, 'test/e2e'));
    const compose = readFileSync(join(root, 'deploy/compose/compose.yaml'), 'utf8');
    const words = new Set(`${code}\n${tests}\n${compose}`.match(/\b(?:SALVOR|salvor)_[A-Za-z0-9_]+/g));
    const unknown = all.flatMap(({ path, text }) =>
      (text.match(/\b(?:SALVOR|salvor)_[A-Za-z0-9_]+/g) ?? [])
        .filter((word) => !known.has(word) && !words.has(word))
        .map((word) => `${path}: ${word}`),
    );
    assert.deepEqual(unknown, []);
  });

  for (const [service, own] of Object.entries(settingsOf)) {
    it(`lists the settings of ${service} with their defaults`, () => {
      const page = all.find(({ path }) => path === `docs/services/${service}.md`);
      assert.ok(page, `expected a page for ${service}`);
      assert.deepEqual(documentedSettings(page), { ...defaultsOf(own), ...defaultsOf(serviceSettings) });
    });

    it(`lists the metrics of ${service}`, () => {
      const page = all.find(({ path }) => path === 'docs/metrics.md')?.text ?? '';
      const text = page.split(/^## /m).find((section) => section.startsWith(`${service}\n`)) ?? '';
      const metrics = sourceText(join(root, 'services', service, 'src')).match(/'salvor_[a-z_]+'/g) ?? [];
      const missing = metrics.map((name) => name.slice(1, -1)).filter((name) => !text.includes(name));
      assert.deepEqual(missing, []);
    });
  }

  it('quotes tests that exist, at least one for every failure', () => {
    const [catalogue] = all.filter(({ path }) => path === 'docs/failures.md');
    assert.ok(catalogue);
    const missing = quotedTests(catalogue)
      .filter(({ file, name }) => !existsSync(file) || !readFileSync(file, 'utf8').includes(name))
      .map(({ file, name }) => `${relative(root, file)}: ${name}`);
    assert.deepEqual(missing, []);
    const unproven = catalogue.text
      .split(/^### /m)
      .slice(1)
      .filter((scenario) => !/\*\*Proof\*\*: \[/.test(scenario))
      .map((scenario) => scenario.split('\n')[0]);
    assert.deepEqual(unproven, []);
  });
});

function leadsSomewhere(page: Page, link: string): boolean {
  if (/^https?:/.test(link)) return true;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page.path : relative(root, join(root, dirname(page.path), path));
  if (!existsSync(join(root, target))) return false;
  const targetPage = all.find((other) => other.path === target);
  return anchor === undefined || (targetPage !== undefined && anchors(targetPage).has(anchor));
}

interface DocumentedCommand {
  readonly words: readonly string[];
  readonly where: string;
}

function documentedCommands(page: Page): DocumentedCommand[] {
  return fencedBlocks(page)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ lines, firstLine }) =>
      withTranslations(shellCommands(lines.join('\n'))).map((words) => ({
        words,
        where: `${page.path}:${firstLine}`,
      })),
    );
}

/** The command of a subject, which may end with the id of an instance. */
function commandOf(subject: string): CommandName | undefined {
  return commandNames().find((name) => {
    const own = commands[name].subject;
    const instance = subject.startsWith(`${own}.`) ? subject.slice(own.length + 1) : '';
    return subject === own || (instance !== '' && isId(instance));
  });
}

function defaultsOf(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, { schema }]) => {
      const parsed = schema.safeParse(undefined);
      if (!parsed.success) return [variableName(name), 'required'];
      const text = String(parsed.data);
      return [variableName(name), text === '' ? 'none' : text];
    }),
  );
}

/** Rows of the table of variables: `| \`SALVOR_X\` | default | meaning |`. */
function documentedSettings(page: Page): Record<string, string> {
  const rows = prose(page).matchAll(/^\| `(SALVOR_[A-Z0-9_]+)` *\| `?([^`|]+?)`? *\|/gm);
  return Object.fromEntries([...rows].map(([, name = '', value = '']) => [name, value]));
}

function quotedTests(page: Page): { file: string; name: string }[] {
  const quotes = page.text.matchAll(/\]\(([^)]+\.test\.ts)\)\s+“([^”]+)”/g);
  return [...quotes].map(([, path = '', name = '']) => ({
    file: join(root, dirname(page.path), path),
    name,
  }));
}

/** All sources that are shipped, as one text. */
function sourceText(...folders: readonly string[]): string {
  const homes = ['packages', 'services'].flatMap((top) =>
    readdirSync(join(root, top)).map((name) => join(root, top, name, 'src')),
  );
  return (folders.length > 0 ? folders : homes)
    .flatMap((home) =>
      readdirSync(home, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => readFileSync(join(home, name), 'utf8')),
    )
    .join('\n');
}

/**
 * Compares the schemas of the working tree with those of a commit; exit 1 when a change is not fully compatible:
 *   node --import tsx packages/contracts/scripts/compatibility.ts [--against <ref>] [--schemas <folder>]
 * The default ref is HEAD. Without git or an earlier commit there is nothing to compare with; it says so, exit 0.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { incompatibilities } from './schema-compatibility.ts';
import { parseSchemaFile, readSchemaFiles, type SchemaFile, schemasFolder } from './schema-files.ts';

const { values } = parseArgs({ options: { against: { type: 'string' }, schemas: { type: 'string' } } });
const folder = values.schemas ?? schemasFolder;
const ref = values.against ?? 'HEAD';

const current = readSchemaFiles(folder);
const committed = schemasAt(ref);

if (committed.length === 0) {
  process.stdout.write(
    `no schemas at ${ref}: the ${current.length} files of the working tree are the first version\n`,
  );
  // Whoever names a ref wants it compared.
  if (values.against !== undefined) process.exitCode = 1;
} else {
  const problems = incompatibilities(committed, current);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) {
    process.stderr.write('Give added fields a default and keep the others, or make a new version (v2).\n');
    process.exitCode = 1;
  } else {
    process.stdout.write(
      `${committed.length} schema files of ${ref} and ${current.length} of the working tree read each other\n`,
    );
  }
}

function schemasAt(commit: string): SchemaFile[] {
  const listing = git('ls-tree', '-r', '--name-only', commit, '.');
  return (listing ?? '')
    .split('\n')
    .filter((path) => path.endsWith('.avsc'))
    .map((path) => parseSchemaFile(path, git('show', `${commit}:./${path}`) ?? ''));
}

/** The output of git in the schemas folder; undefined when git, the repository or the commit is not there. */
function git(...parameters: string[]): string | undefined {
  try {
    return execFileSync('git', ['-C', folder, ...parameters], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
}

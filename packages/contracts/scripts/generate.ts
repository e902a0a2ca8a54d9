/**
 * Writes src/generated from schemas/*.avsc:
 *   node --import tsx packages/contracts/scripts/generate.ts           write
 *   node --import tsx packages/contracts/scripts/generate.ts --check   exit 1 when the committed output is stale
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedSource } from './generated-source.ts';
import { readSchemaFiles } from './schema-files.ts';

const output = join(import.meta.dirname, '..', 'src', 'generated');
const sources = Object.entries(generatedSource(readSchemaFiles()));

if (process.argv.includes('--check')) {
  const stale = sources.filter(([name, text]) => committed(name) !== text).map(([name]) => name);
  if (stale.length > 0) {
    process.stderr.write(
      `packages/contracts/src/generated is stale: ${stale.join(', ')}.\n` +
        'Run: node --import tsx packages/contracts/scripts/generate.ts\n',
    );
    process.exitCode = 1;
  }
} else {
  mkdirSync(output, { recursive: true });
  for (const [name, text] of sources) writeFileSync(join(output, name), text);
}

function committed(name: string): string | undefined {
  try {
    return readFileSync(join(output, name), 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Bundles each service into one file, `node_modules/.cache/salvor-bundles/<service>/main.js`.
 *
 * Loading hundreds of modules is most of what the start of a service takes; tests start many. Stacks use the bundles where
 * `SALVOR_BUNDLED_SERVICES` names their folder. They hold for this checkout only: native modules and data files stay where they are.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'node_modules/.cache/salvor-bundles');
/** Of packages, beside the main file: they are found by their place. */
const threads = [
  'packages/pravega/dist/thread/tree-thread.js',
  'packages/tlog/dist/store/range-thread.js',
  'packages/vdisk/dist/copy/copy-worker.js',
];
/** Its page is found by its place. */
const unbundled = ['console'];

/** What cannot be in a bundle is found where it is. */
const inPlace: Plugin = {
  name: 'in-place',
  setup: (bundle) => {
    bundle.onResolve({ filter: /\.node$|^@node-rs\/xxhash-/ }, ({ importer, path }) => ({
      path: resolved(importer, path),
      external: true,
    }));
    bundle.onLoad({ filter: /node_modules\/.*\.c?js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!/__dirname|__filename/.test(text)) return null;
      const place = `var __dirname = ${JSON.stringify(dirname(path))}, __filename = ${JSON.stringify(path)};`;
      return { contents: `${place}${text}`, loader: 'js' };
    });
  },
};

/** Of another platform, it is not installed. */
function resolved(importer: string, path: string): string {
  try {
    return createRequire(importer).resolve(path);
  } catch {
    return path;
  }
}

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
const services = readdirSync(join(root, 'services')).filter(
  (service) => !unbundled.includes(service) && existsSync(join(root, 'services', service, 'dist/main.js')),
);
await Promise.all(
  services.map((service) =>
    build({
      entryPoints: Object.fromEntries(
        [`services/${service}/dist/main.js`, ...threads].map((path) => [
          path.replace(/.*\/(.*)\.js$/, '$1'),
          join(root, path),
        ]),
      ),
      outdir: join(folder, service),
      ...{ bundle: true, platform: 'node', format: 'esm', target: 'node20', keepNames: true },
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
      plugins: [inPlace],
      logLevel: 'error',
    }),
  ),
);

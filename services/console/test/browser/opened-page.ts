/** The page in the distribution's Chromium, without a window. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const IMAGES = resolve(import.meta.dirname, '../../../../docs/images');
/** Of a machine that is slow and busy. */
const WAIT_MS = 60_000;

export interface OpenOptions {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
}

export class OpenedPage implements AsyncDisposable {
  readonly page: Page;
  /** What the page said to its console, and what its policy refused: nothing, if all is well. */
  readonly complaints: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      // A feed that is away is told to the reader by the page itself.
      const isAway = message.text().includes('net::ERR_');
      if (['error', 'warning'].includes(message.type()) && !isAway) this.complaints.push(message.text());
    });
  }

  static async open(browser: Browser, url: string, options: OpenOptions = {}): Promise<OpenedPage> {
    const { width = 1180, height = 900, scheme = 'light' } = options;
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: 'reduce',
    });
    context.setDefaultTimeout(WAIT_MS);
    const opened = new OpenedPage(context, await context.newPage());
    await opened.page.goto(url);
    return opened;
  }

  /** Waits until the page says it somewhere, in whatever case it is shown. */
  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  /** Into docs/images, where the run is asked for it; a normal run leaves the tree as it is. */
  async screenshot(name: string): Promise<void> {
    if (process.env.SALVOR_SCREENSHOTS !== '1') return;
    mkdirSync(IMAGES, { recursive: true });
    await this.page.screenshot({
      path: join(IMAGES, `console-${name}.png`),
      fullPage: true,
      animations: 'disabled',
    });
  }

  /** How much wider the content is than the window. */
  overflow(): Promise<number> {
    const root = 'document.documentElement';
    return this.page.evaluate<number>(`${root}.scrollWidth - ${root}.clientWidth`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

export function launchBrowser(): Promise<Browser> {
  // Containers have neither the user namespaces of its sandbox nor a large /dev/shm.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--force-color-profile=srgb'];
  const executablePath = execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim();
  return chromium.launch({ executablePath, args, timeout: WAIT_MS });
}

import { spawn } from 'node:child_process';
import { TestkitError } from '../errors.ts';

export interface ToolOptions {
  /** Default 30 s; then the tool is killed. */
  timeoutMs?: number;
}

export interface ToolOutput {
  stdout: string;
  stderr: string;
}

export interface NbdinfoExport {
  'export-name': string;
  'export-size': number;
  is_read_only: boolean;
  can_flush: boolean;
  can_fua: boolean;
  can_trim: boolean;
  can_zero: boolean;
  can_multi_conn: boolean;
  block_minimum?: number;
  block_preferred?: number;
  block_maximum?: number;
}

const OUTPUT_LIMIT_BYTES = 4 << 20;

/** `nbdinfo --json URI`: the one export of the URI. */
export async function nbdinfo(uri: string, options: ToolOptions = {}): Promise<NbdinfoExport> {
  const { stdout } = await runTool('nbdinfo', ['--json', uri], options);
  const [first] = (JSON.parse(stdout) as { exports: NbdinfoExport[] }).exports;
  if (first === undefined) throw new TestkitError('tool-failed', `nbdinfo ${uri}: no export in its answer`);
  return first;
}

/** `nbdinfo --list --json URI`: every export of the server. */
export async function nbdinfoList(uri: string, options: ToolOptions = {}): Promise<NbdinfoExport[]> {
  const { stdout } = await runTool('nbdinfo', ['--list', '--json', uri], options);
  return (JSON.parse(stdout) as { exports: NbdinfoExport[] }).exports;
}

/** `nbdcopy FROM TO`: each a URI or a file. */
export function nbdcopy(
  from: string,
  to: string,
  options: ToolOptions & { args?: readonly string[] } = {},
): Promise<ToolOutput> {
  return runTool('nbdcopy', [...(options.args ?? []), from, to], options);
}

/** `qemu-io -f raw -c COMMAND… URI`. A pattern that does not match and a refused command are errors. */
export async function qemuIo(
  uri: string,
  commands: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const { stdout, stderr } = await runTool(
    'qemu-io',
    ['-f', 'raw', ...commands.flatMap((line) => ['-c', line]), uri],
    options,
  );
  if (/verification failed| failed: /.test(stdout + stderr)) {
    throw new TestkitError('tool-failed', `qemu-io ${uri} [${commands.join('; ')}]:\n${stdout}${stderr}`);
  }
  return stdout;
}

/** `qemu-img ARGS…`, for example `convert`, `compare`, `info`. */
export function qemuImg(args: readonly string[], options: ToolOptions = {}): Promise<ToolOutput> {
  return runTool('qemu-img', args, options);
}

/**
 * Runs a program to its end. Errors: `tool-missing` (says what to install), `tool-failed` (with its output),
 * `tool-timeout`.
 */
export function runTool(
  program: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolOutput> {
  const { timeoutMs = 30_000 } = options;
  const line = [program, ...args].join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const stdout = gather(child.stdout);
    const stderr = gather(child.stderr);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(missing(program, error));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const output = { stdout: stdout(), stderr: stderr() };
      if (code === 0) resolve(output);
      else if (late) reject(new TestkitError('tool-timeout', `${line}: not done within ${timeoutMs} ms`));
      else reject(failed(line, signal ?? `exit code ${code}`, output));
    });
  });
}

function gather(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT_LIMIT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function failed(line: string, how: string, output: ToolOutput): TestkitError {
  return new TestkitError('tool-failed', `${line}: ${how}\n${output.stdout}${output.stderr}`.trimEnd());
}

function missing(program: string, error: Error): TestkitError {
  const packages: Readonly<Record<string, string>> = {
    nbdinfo: 'libnbd-bin',
    nbdcopy: 'libnbd-bin',
    nbdkit: 'nbdkit',
    'qemu-io': 'qemu-utils',
    'qemu-img': 'qemu-utils',
    'qemu-nbd': 'qemu-utils',
    'qemu-storage-daemon': 'qemu-system-common',
    nbddump: 'libnbd-bin',
    'nbd-client': 'nbd-client',
    fio: 'fio',
  };
  const advice = packages[program];
  const install = advice === undefined ? '' : `; it is in the Debian package '${advice}'`;
  return new TestkitError('tool-missing', `cannot run '${program}': ${error.message}${install}`, {
    cause: error,
  });
}

import { readFileSync } from 'node:fs';

/** A unit file: by section, each directive with its values in order (systemd.syntax(7), without line continuation). */
export type Unit = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

export function readUnit(path: string): Unit {
  const unit = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  for (const [number, line] of readFileSync(path, 'utf8').split('\n').entries()) {
    if (/^\s*([#;].*)?$/.test(line)) continue;
    const name = /^\[([A-Za-z]+)\]$/.exec(line)?.[1];
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      section = unit.get(name) ?? new Map<string, string[]>();
      unit.set(name, section);
    } else if (section !== undefined && key !== undefined && value !== undefined)
      section.set(key, [...(section.get(key) ?? []), value]);
    else throw new Error(`${path}:${number + 1}: expected [Section] or Key=Value, found ${line}`);
  }
  return unit;
}

/** A file of `EnvironmentFile=`: `NAME=value` lines, values without quotes. */
export function readEnvironment(path: string): Record<string, string> {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !/^(#.*)?$/.test(line));
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = '', value = ''] = /^([A-Z][A-Z0-9_]*)=([^"'].*|)$/.exec(line) ?? [];
      if (name === '')
        throw new Error(`${path}: expected NAME=value without quotes around it, found ${line}`);
      return [name, value];
    }),
  );
}

import { closeSync, openSync, readSync } from 'node:fs';

/** Where two files differ, block by block, in a range of blocks; a file that ends early reads as zeros. */
export function differingBlocks(
  a: string,
  b: string | null,
  blocks: { from: number; to: number },
  blockBytes: number,
): number[] {
  const different: number[] = [];
  const files = [openSync(a, 'r'), ...(b === null ? [] : [openSync(b, 'r')])];
  const step = 256;
  const [left, right] = [Buffer.alloc(step * blockBytes), Buffer.alloc(step * blockBytes)];
  try {
    for (let block = blocks.from; block < blocks.to; block += step) {
      const count = Math.min(step, blocks.to - block);
      left.fill(0);
      right.fill(0);
      for (const [i, file] of files.entries())
        readSync(file, i === 0 ? left : right, 0, count * blockBytes, block * blockBytes);
      if (left.equals(right)) continue;
      for (let i = 0; i < count; i++) {
        const at = i * blockBytes;
        if (left.compare(right, at, at + blockBytes, at, at + blockBytes) !== 0) different.push(block + i);
      }
    }
  } finally {
    for (const file of files) closeSync(file);
  }
  return different;
}

/** Reads ranges of a file. */
export function fileReader(path: string): {
  read: (offset: number, length: number) => Promise<Buffer>;
  close: () => void;
} {
  const file = openSync(path, 'r');
  return {
    read: async (offset, length) => {
      const bytes = Buffer.alloc(length);
      readSync(file, bytes, 0, length, offset);
      return bytes;
    },
    close: () => closeSync(file),
  };
}

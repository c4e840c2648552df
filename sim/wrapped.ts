/** Columns of a terminal. */
export const WIDTH = 100;

/** The text as lines that fit a terminal, broken at spaces; all but the first begin with `indent`. */
export function wrapped(text: string, indent: string): string[] {
  const [first, ...words] = text.split(' ');
  const lines: string[] = [];
  let line = first!;
  for (const word of words) {
    if (line.trim() === '' || line.length + 1 + word.length <= WIDTH) line += ` ${word}`;
    else {
      lines.push(line);
      line = indent + word;
    }
  }
  return [...lines, line];
}

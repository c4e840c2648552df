/** Rows of cells, under each other; the first is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head, ...rest] = rows;
  const widths = head!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(head!), rule, ...rest.map(line)].join('\n');
}

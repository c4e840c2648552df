/** `walrus status` for people: one screen of at most 100 columns. */
import { printable } from './printable.ts';
import { bytes, type NodeStatus, type Status, type TopicStatus } from './status.ts';

const WIDTH = 100;
/** Of topics and of events that one screen shows. */
const TOPICS_MAX = 12;
const EVENTS_MAX = 10;

const RED = '\u001b[31m';
const GREEN = '\u001b[32m';
const BOLD = '\u001b[1m';
const RESET = '\u001b[0m';

export function screen(status: Status, coloured: boolean): string {
  const paint = (colour: string, text: string): string =>
    coloured ? `${colour}${text}${RESET}` : text;
  const { problems, nodes, topics, topicCount, events } = status;
  const lines: string[] = [];
  if (problems.length === 0) {
    const what = `${count(nodes.length, 'node')}, ${count(topicCount, 'topic')}`;
    lines.push(paint(GREEN, `Everything is all right: ${what}.`));
  } else {
    const what = problems.length === 1 ? 'One thing is' : `${problems.length} things are`;
    lines.push(paint(RED, `${what} not all right:`));
    for (const { what, mend } of problems) {
      lines.push(...wrapped(`  ! ${printable(what)}`, '    ').map((line) => paint(RED, line)));
      lines.push(...wrapped(`    → ${printable(mend)}`, '      '));
    }
  }
  if (nodes.length > 0) lines.push('', ...table(NODE_COLUMNS, nodes, (text) => paint(BOLD, text)));
  if (topics.length > 0) {
    const shown = topics.slice(0, TOPICS_MAX);
    lines.push('', ...table(TOPIC_COLUMNS, shown, (text) => paint(BOLD, text)));
    if (topicCount > shown.length) lines.push(`… and ${topicCount - shown.length} more topics`);
  }
  if (events.length > 0) {
    lines.push('', paint(BOLD, 'last events'));
    for (const { time, node, level, text } of events.slice(-EVENTS_MAX)) {
      const line = cut(`${time.slice(11, 19)}  node ${node}  ${printable(text)}`, WIDTH);
      lines.push(level === 'info' ? line : paint(RED, line));
    }
  }
  return `${lines.join('\n')}\n`;
}

type Columns<Row> = readonly (readonly [string, (row: Row) => string])[];

const NODE_COLUMNS: Columns<NodeStatus> = [
  ['node', ({ node }) => String(node)],
  ['state', ({ state }) => state],
  ['role', ({ role }) => role],
  ['owns', ({ owns }) => count(owns, 'topic')],
  ['disk', ({ own }) => (own === null ? '?' : disk(own.disk))],
  ['up', ({ own }) => (own === null ? '?' : span(own.upSeconds))],
  ['boot', ({ own }) => own?.boot || '?'],
  ['clients', ({ clientAddress }) => clientAddress],
];

const TOPIC_COLUMNS: Columns<TopicStatus> = [
  ['topic', ({ topic }) => cut(printable(topic), 30)],
  ['state', ({ state, deleting }) => (deleting && state === 'open' ? 'deleting' : state)],
  ['owner', ({ owner }) => `node ${owner}`],
  ['segments', ({ segments }) => String(segments)],
  ['copies', ({ shortSegments }) => (shortSegments === 0 ? 'all' : `${shortSegments} short`)],
  ['records', ({ records }) => (records === null ? '?' : records.toLocaleString('en-US'))],
  [
    'lag',
    ({ groups }) =>
      cut(groups.map(({ group, lag }) => `${printable(group)} ${lag ?? '?'}`).join(', '), 24),
  ],
];

function table<Row>(
  columns: Columns<Row>,
  rows: readonly Row[],
  head: (text: string) => string,
): string[] {
  const cells = rows.map((row) => columns.map(([, cell]) => cell(row)));
  const widths = columns.map(([title], at) =>
    Math.max(title.length, ...cells.map((row) => row[at]!.length)),
  );
  const line = (row: readonly string[]): string =>
    cut(
      row
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
      WIDTH,
    );
  return [head(line(columns.map(([title]) => title))), ...cells.map(line)];
}

function disk({ full, freeBytes }: { full: boolean; freeBytes: number | null }): string {
  if (full) return 'full';
  return freeBytes === null ? '?' : `${bytes(freeBytes)} free`;
}

function span(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const whole of text.split(/(?<=\S) /)) {
    const word = cut(whole, WIDTH - indent.length);
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent + word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

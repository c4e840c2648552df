/** A trace, action by action, in the words of the specification. The story for people is in `story.ts`. */

/** What happens all the time and explains little. */
const DULL = new Set([
  'RenewLease',
  'AppendEntries',
  'HandleAppendEntriesRequest',
  'HandleAppendEntriesResponse',
  'Persist',
  'PersistCompleted',
  'SyncCompleted',
  'CommitCommand',
]);

/** The lines of a trace, shortened; what explains little is left out. */
export function traceLines(lines: readonly string[]): string[] {
  return lines.map(tell).filter((told) => told !== undefined);
}

function tell(line: string): string | undefined {
  const { atUs, name, node, state, ...rest } = JSON.parse(line) as {
    atUs: number;
    name: string;
    node: number;
    state?: { term: number; role: string };
  };
  if (DULL.has(name)) return undefined;
  const at = (atUs / 1e6).toFixed(6).padStart(12);
  const who = node === 0 ? 'world ' : `node ${node}`;
  const raft = state === undefined ? '' : ` (${state.role}, term ${state.term})`;
  return `${at}  ${who}  ${name}${raft} ${facts(rest)}`;
}

function facts(values: object): string {
  return Object.entries(values)
    .map(([key, value]) => (key === 'detail' ? value : `${key} ${shortened(value)}`))
    .join(', ');
}

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

/**
 * The end of a run as a space-time diagram (Lamport 1978): a line down for each node, an arrow for each message, time from top to bottom.
 * Rows are events, not milliseconds: pauses are drawn short, so that what happens within one can be seen.
 */
import { type Row, rowOf } from './diagram-rows.ts';
import type { Failure } from './simulator.ts';
import type { Noted } from './trace.ts';

/** So many rows are drawn: the last ones, and of what goes on all the time fewer. */
const ROWS = 110;
const DETAILS = 80;
/** Among so many events they are looked for. */
const KEPT = 20_000;

const ROW_HEIGHT = 17;
const PAUSE_HEIGHT = 16;
const PAUSE_US = 20_000;
const MARGIN_LEFT = 96;
const COLUMN_WIDTH = 320;
const CHARACTER_WIDTH = 6.4;
const STUB_WIDTH = 42;
const TOP = 64;

const LEGEND =
  'An arrow is a message; one that ends in × was lost, or is still on its way. Violet: leads. No line: no process.';
const COLOURS = {
  fault: '#c0392b',
  election: '#8e44ad',
  owner: '#0e7490',
  plain: '#374151',
  faint: '#9ca3af',
  leader: '#d8b4fe',
} as const;
/** From when to when something was so at a node. */
interface Span {
  readonly node: number;
  readonly fromUs: number;
  toUs: number;
}

export class Diagram {
  private rows: Row[] = [];
  private readonly nodes = new Set<number>();
  private readonly reigns: Span[] = [];
  private readonly absences: Span[] = [];

  /** The next event of the run's trace. */
  event(event: Noted): void {
    const { atUs, node } = event;
    if (node > 0) this.nodes.add(node);
    if (event.name === 'BecomeLeader') this.reigns.push({ node, fromUs: atUs, toUs: Infinity });
    if (event.name === 'Crash' || event.name === 'Ended') {
      this.absences.push({ node, fromUs: atUs, toUs: Infinity });
    }
    if (event.name === 'Restart') close(this.absences, node, atUs);
    const ends = event.name === 'Crash' || event.name === 'Ended';
    if (ends || ('state' in event && event.state.role !== 'leader')) close(this.reigns, node, atUs);
    const row = rowOf(event);
    if (row === undefined) return;
    const last = this.rows.at(-1);
    if (row.applied !== undefined && last?.applied !== undefined && last.node === node) {
      const text = `ApplyCommand ${last.applied} to ${row.applied}`;
      this.rows[this.rows.length - 1] = { ...row, text, applied: last.applied };
      return;
    }
    this.rows.push(row);
    if (this.rows.length === 2 * KEPT) this.rows.splice(0, KEPT);
  }

  /** The picture, as a file of SVG. */
  svg(title: string, failure: Failure | undefined): string {
    const rows = [...this.lastRows(), ...failureRows(failure, this.nodes.size)];
    const nodes = [...this.nodes].sort((a, b) => a - b);
    const plan = new Plan(rows, nodes);
    const firstUs = rows[0]?.atUs ?? 0;
    const seen = (span: Span): boolean => span.toUs > firstUs;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${plan.width}" height="${plan.bottom + ROW_HEIGHT}" font-family="sans-serif" font-size="11">`,
      '<style>text{paint-order:stroke;stroke:#fff;stroke-width:3px}</style>',
      `<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="${COLOURS.plain}"/></marker></defs>`,
      '<rect width="100%" height="100%" fill="#fff"/>',
      written(12, 20, title, COLOURS.plain, 'font-size="14" font-weight="bold"'),
      written(12, 36, LEGEND, COLOURS.faint),
      ...nodes.map((node) => plan.lifeline(node)),
      ...this.reigns.filter(seen).map((span) => plan.band(span, 7, COLOURS.leader)),
      ...this.absences.filter(seen).map((span) => plan.band(span, 9, '#fff')),
      ...rows.map((row, i) => plan.worldRow(row, i)),
      ...plan.arrows(),
      ...rows.map((row, i) => plan.label(row, i)),
      '</svg>\n',
    ].join('\n');
  }

  private lastRows(): Row[] {
    const last: Row[] = [];
    let details = 0;
    for (const row of this.rows.toReversed()) {
      if (last.length === ROWS) break;
      if (row.isDetail && ++details > DETAILS) continue;
      last.push(row);
    }
    return last.reverse();
  }
}

function close(spans: readonly Span[], node: number, atUs: number): void {
  const open = spans.findLast((span) => span.node === node);
  if (open?.toUs === Infinity) open.toUs = atUs;
}

/** What went wrong, in lines that are no wider than the picture. */
function failureRows(failure: Failure | undefined, nodes: number): Row[] {
  if (failure === undefined) return [];
  const { message, atMs } = failure;
  const width = Math.floor((nodes * COLUMN_WIDTH) / CHARACTER_WIDTH);
  const lines = message.match(new RegExp(`.{1,${width}}`, 'gs')) ?? [];
  return lines.map((text) => ({
    atUs: atMs * 1000,
    node: 0,
    tone: 'fault',
    text,
    isDetail: false,
  }));
}

/** Where everything is. */
class Plan {
  readonly width: number;
  readonly bottom: number;
  private readonly rows: readonly Row[];
  private readonly nodes: readonly number[];
  /** Of each row. */
  private readonly ys: readonly number[];

  constructor(rows: readonly Row[], nodes: readonly number[]) {
    this.rows = rows;
    this.nodes = nodes;
    let y = TOP;
    this.ys = rows.map(({ atUs }, i) => {
      const isPause = i > 0 && atUs - rows[i - 1]!.atUs > PAUSE_US;
      y += ROW_HEIGHT + (isPause ? PAUSE_HEIGHT : 0);
      return y;
    });
    this.bottom = y + 2 * ROW_HEIGHT;
    this.width = 2 * MARGIN_LEFT + COLUMN_WIDTH * nodes.length;
  }

  lifeline(node: number): string {
    const x = this.x(node);
    const name = written(x - 18, TOP - 8, `node ${node}`, COLOURS.plain, 'font-weight="bold"');
    return `${name}<line x1="${x}" x2="${x}" y1="${TOP}" y2="${this.bottom}" stroke="${COLOURS.faint}"/>`;
  }

  band({ node, fromUs, toUs }: Span, width: number, colour: string): string {
    const y = this.yAt(fromUs);
    const x = this.x(node) - width / 2;
    return `<rect x="${x}" y="${y}" width="${width}" height="${this.yAt(toUs) - y}" fill="${colour}"/>`;
  }

  /** The ground of a row that is nobody's. */
  worldRow({ node, tone }: Row, i: number): string {
    if (node !== 0) return '';
    const fill = tone === 'fault' ? COLOURS.fault : COLOURS.plain;
    return `<rect x="${MARGIN_LEFT - 10}" y="${this.ys[i]! - 11}" width="${this.width - MARGIN_LEFT}" height="${ROW_HEIGHT}" fill="${fill}" fill-opacity="0.14"/>`;
  }

  label({ atUs, node, tone, text }: Row, i: number): string {
    const y = this.ys[i]!;
    const at = written(8, y + 4, `${(atUs / 1e6).toFixed(4)} s`, COLOURS.faint);
    if (node === 0) {
      return at + written(MARGIN_LEFT, y + 2, text, COLOURS[tone], 'style="stroke:none"');
    }
    const dot = `<circle cx="${this.x(node)}" cy="${y}" r="3.5" fill="${COLOURS[tone]}"/>`;
    return at + dot + written(this.x(node) + 9, y + 4, text, COLOURS[tone]);
  }

  /** Of equal messages the first that was sent is the first that arrives. */
  arrows(): string[] {
    const underWay = new Map<string, { readonly i: number; readonly peer: number }[]>();
    const drawn: string[] = [];
    this.rows.forEach(({ node, sends, takes }, i) => {
      const sent = takes === undefined ? undefined : underWay.get(takes.key)?.shift();
      if (sent !== undefined) drawn.push(this.arrow(sent.i, i));
      if (sends === undefined || sends.peer === node) return;
      const alike = underWay.get(sends.key) ?? [];
      underWay.set(sends.key, alike);
      alike.push({ i, peer: sends.peer });
    });
    const lost = [...underWay.values()].flat();
    return [...drawn, ...lost.map(({ i, peer }) => this.stub(i, peer))];
  }

  private arrow(from: number, to: number): string {
    const [x1, x2] = [this.x(this.rows[from]!.node), this.x(this.rows[to]!.node)];
    return `<line x1="${x1}" y1="${this.ys[from]}" x2="${x2}" y2="${this.ys[to]}" stroke="${COLOURS.plain}" stroke-opacity="0.55" marker-end="url(#head)"/>`;
  }

  private stub(i: number, peer: number): string {
    const x = this.x(this.rows[i]!.node);
    const y = this.ys[i]!;
    const end = x + (this.x(peer) > x ? STUB_WIDTH : -STUB_WIDTH);
    const line = `<line x1="${x}" y1="${y}" x2="${end}" y2="${y + 9}" stroke="${COLOURS.plain}" stroke-opacity="0.55" stroke-dasharray="3 2"/>`;
    return line + written(end - 4, y + 13, '×', COLOURS.fault);
  }

  private x(node: number): number {
    return MARGIN_LEFT + 20 + COLUMN_WIDTH * this.nodes.indexOf(node);
  }

  private yAt(atUs: number): number {
    const i = this.rows.findIndex((row) => row.atUs >= atUs);
    if (i < 0) return this.bottom;
    return i === 0 ? TOP : this.ys[i]!;
  }
}

function written(x: number, y: number, text: string, colour: string, more = ''): string {
  return `<text x="${x}" y="${y}" fill="${colour}" ${more}>${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

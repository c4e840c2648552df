/** What TLC says with `-tool`: numbered messages between markers, turned into one result. */
import { differences, parseTla, printTla, type TlaValue } from './tla-value.ts';

export interface TlcState {
  /** The action that led here, without the prefix that it has in a bounded model. */
  readonly action: string;
  readonly variables: ReadonlyMap<string, string>;
}

export interface TlcResult {
  /** The invariant or property that was violated, `deadlock`, or undefined. */
  readonly violated: string | undefined;
  /** TLC's own complaint: the model could not be evaluated. */
  readonly error: string | undefined;
  readonly distinct: number;
  readonly generated: number;
  readonly depth: number;
  /** All states were seen, or the walks that were asked for. */
  readonly complete: boolean;
  /** Times each action was taken, also to a state that was known. */
  readonly actions: ReadonlyMap<string, number>;
  /** Names that the model reported with `<<"reached", name>>`. */
  readonly reached: readonly string[];
  readonly trace: readonly TlcState[];
}

const MESSAGE = /@!@!@STARTMSG (\d+):(\d) @!@!@\n([\s\S]*?)\n?@!@!@ENDMSG \1 @!@!@/g;

/** `properties` are those of the model: TLC does not always name the one that failed. */
export function readTlcOutput(output: string, properties: readonly string[]): TlcResult {
  let violated: string | undefined;
  let distinct = 0;
  let generated = 0;
  let depth = 0;
  let complete = false;
  const errors: string[] = [];
  const actions = new Map<string, number>();
  const trace: TlcState[] = [];
  for (const [, code, severity, body = ''] of output.matchAll(MESSAGE)) {
    switch (Number(code)) {
      case 2107: // violated by an initial state
      case 2110:
        violated ??= /Invariant (\S+) is violated/.exec(body)?.[1] ?? body;
        break;
      case 2112: // an action property, or the step of a refined specification
      case 2116: // temporal properties
        violated ??= properties.length === 1 ? properties[0] : named(body, properties);
        break;
      case 2114:
        violated ??= 'deadlock';
        break;
      case 2193:
        complete = true;
        break;
      case 2194:
        depth = Number(/search is (\d+)/.exec(body)?.[1] ?? 0);
        break;
      case 2199:
        generated = whole(/([\d,]+) states generated/.exec(body)?.[1]);
        distinct = whole(/([\d,]+) distinct states found/.exec(body)?.[1]);
        break;
      case 2209: // random walks count no distinct states
        generated = Math.max(generated, whole(/([\d,]+) states generated/.exec(body)?.[1]));
        break;
      case 2217:
        trace.push(readState(body));
        break;
      case 2218:
        trace.push({ action: 'nothing, for ever', variables: new Map() });
        break;
      case 2122:
        trace.push({ action: `back to step ${/(\d+)/.exec(body)?.[1]}`, variables: new Map() });
        break;
      case 2772: {
        const found = /<(\w+) line.*>: (\d+):(\d+)/.exec(body);
        // What has no name was taken out.
        if (found !== null && found[1] !== 'Action') {
          const name = plain(found[1]!);
          actions.set(name, Math.max(actions.get(name) ?? 0, Number(found[3])));
        }
        break;
      }
      default:
        if (severity === '1' && Number(code) !== 2121) errors.push(body);
    }
  }
  // SANY's own words stand between the messages.
  const parsing = /\*\*\*\s*(?:Parse Error|Errors)[\s\S]*?(?=\n\n\n|Fatal errors)/.exec(
    output,
  )?.[0];
  if (parsing !== undefined) errors.push(parsing);
  const reached = [...output.matchAll(/<<"reached", "([^"]+)">>/g)].map((match) => match[1]!);
  return {
    violated,
    error: errors.length === 0 ? undefined : errors.join('\n'),
    distinct,
    generated,
    depth: depth || trace.length,
    complete,
    actions,
    reached: [...new Set(reached)].sort(),
    trace,
  };
}

/** How far TLC says it is. */
export interface TlcProgress {
  /** Distinct ones; of random walks all. */
  readonly states: string;
  /** Those whose successors are not known yet; random walks have none. */
  readonly left: string | undefined;
}

/** What TLC's own report of progress says, which comes once a minute; undefined if there is none in the text. */
export function readProgress(text: string): TlcProgress | undefined {
  const all = /([\d,]+) distinct states found.*? ([\d,]+) states left/.exec(text);
  if (all !== null) return { states: all[1]!, left: all[2] };
  const walked = /Progress: ([\d,]+) states/.exec(text);
  return walked === null ? undefined : { states: walked[1]!, left: undefined };
}

/** The violated behaviour, step by step: the action, then only what it changed. */
export function tellTrace(trace: readonly TlcState[]): string {
  const lines: string[] = [];
  let before = new Map<string, TlaValue>();
  trace.forEach(({ action, variables }, step) => {
    lines.push(`${String(step + 1).padStart(3)} ${action}`);
    const after = new Map([...variables].map(([name, text]) => [name, parseTla(text)]));
    for (const [name, value] of after) {
      const old = before.get(name);
      const changes = old === undefined ? [] : differences(name, old, value);
      for (const change of changes) lines.push(`      ${change}`);
    }
    if (step === 0) {
      for (const [name, value] of after) lines.push(`      ${name} = ${printTla(value)}`);
    }
    before = after;
  });
  return lines.join('\n');
}

function named(body: string, properties: readonly string[]): string {
  return properties.find((name) => body.includes(name)) ?? body;
}

function readState(body: string): TlcState {
  const [head = '', ...rest] = body.split('\n');
  const action = /<(\w+)/.exec(head)?.[1] ?? head;
  const variables = new Map<string, string>();
  for (const part of rest.join('\n').split(/^\/\\ /m)) {
    const at = part.indexOf(' = ');
    if (at > 0) variables.set(part.slice(0, at).trim(), part.slice(at + 3).trim());
  }
  return { action: action === 'Initial' ? 'Init' : plain(action), variables };
}

/** `MCAppendRecord` and `MCPersist_atOnce` bound `AppendRecord` and `Persist`; `AnyTimeout` is `Timeout` of any node. */
function plain(action: string): string {
  return action.replace(/^(MC|Any)/, '').replace(/_.*/, '');
}

/** The actions of a bounded module: those that its `MCNext` names. */
export function actionsOf(module: string): string[] {
  const next = /^MCNext ==\n((?: .*\n)+)/m.exec(module)?.[1] ?? '';
  return [...next.matchAll(/\\\/ (\w+)/g)].map((match) => plain(match[1]!));
}

function whole(text: string | undefined): number {
  return Number((text ?? '0').replaceAll(',', ''));
}

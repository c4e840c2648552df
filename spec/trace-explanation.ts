/**
 * Why a trace was refused: follows it once more to the event that no action explains, and there has TLC tell what the
 * acting node had, which conditions of the action hold, and what the action expects of all that the event says.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SPEC } from './jar.ts';
import type { Prepared, SpecName } from './trace-case.ts';
import type { Line, Sizes } from './trace-line.ts';
import { run, TraceFiles } from './trace-tlc.ts';

/** What an invariant says, or an action asks for, in the words of the specification. */
interface Condition {
  readonly line: number;
  readonly text: string;
  /** Says of the next state too, so that it cannot be looked at alone. */
  readonly isEffect: boolean;
}

/** The first event of `trace` that no action of `spec` explains, as lines to print. */
export async function explain(spec: SpecName, trace: Prepared, name: string): Promise<string> {
  const { sizes, lines } = trace;
  const followed = await run(`Trace${spec}`, fileOf(sizes, lines), {
    invariants: false,
    module: explanation(spec, undefined),
  });
  const at = Math.max(0, ...[...followed.matchAll(/<<"next", (\d+)>>/g)].map(([, n]) => Number(n)));
  const line = lines[at - 1];
  if (line === undefined) return `${name}: it was followed to its end\n`;
  const action = actionOf(spec, line);
  const told = await run(`Trace${spec}`, fileOf(sizes, lines.slice(0, at)), {
    invariants: false,
    header: { stop: at },
    module: explanation(spec, action),
  });
  return [
    `${name}${trace.placeOf(at)}: no action of ${spec} explains event ${at}`,
    `  ${JSON.stringify(line)}`,
    `  node ${line.n} before it`,
    ...stateTold(told),
    ...conditionsTold(spec, told, action),
    ...comparisonsTold(told),
  ].join('\n');
}

function fileOf(sizes: Sizes, lines: readonly Line[]): TraceFiles {
  const file = new TraceFiles();
  file.add({ sizes, lines });
  return file;
}

/** An action and its arguments, as the trace module calls it. */
interface Action {
  readonly name: string;
  readonly parameters: string;
  readonly call: string;
  readonly conditions: readonly Condition[];
  /** It receives a message that nobody sent, so that there is nothing to give it. */
  readonly isOfNoMessage: boolean;
}

/** A module that tells at each event where it is; or, of an action, at the event `Header.stop` what it asks for. */
function explanation(
  spec: SpecName,
  action: Action | undefined,
): { text: string; configuration: string } {
  const told = (action?.conditions ?? []).map((condition, i) => ({ ...condition, i }));
  const conditions = told.filter(({ isEffect }) => !isEffect);
  const parameters = action?.parameters ?? '';
  const step = `\\E line \\in {Line} : \\E n \\in {line.n} : ${
    spec === 'DistributedLog' ? '\\E s \\in {Segment(line.s[1], line.s[2])}' : '\\E s \\in {0}'
  } :`;
  const tells =
    action === undefined
      ? ['ExplainedNext == (trace = 0 \\/ PrintT(<<"next", next>>)) = TRUE /\\ TraceNext']
      : [
          ...conditions.map(({ i, text }) => `Condition${i}${parameters} ==\n${text}`),
          `Conditions${parameters} ==`,
          '  /\\ TRUE',
          ...conditions.map(
            ({ i }) =>
              `  /\\ PrintT(<<"condition", ${i}, Condition${i}${parameters}>>) /\\ Condition${i}${parameters}`,
          ),
          'ExplainedNext ==',
          '  IF trace = 0 \\/ next < Header.stop THEN TraceNext',
          `  ELSE (${step} PrintT(<<"state", StateOf(n, s)>>)${
            conditions.length === 0 ? '' : ` /\\ Conditions${action.call}`
          }) \\in BOOLEAN`,
          `       /\\ ${action.isOfNoMessage ? '' : 'TellsNext /\\ '}FALSE`,
        ];
  const module = [
    '---- MODULE Explanation ----',
    `EXTENDS Trace${spec}, TLC`,
    'TellIs(name, expected, actual) ==',
    '  IF trace > 0 /\\ next = Header.stop THEN PrintT(<<"is", name, expected, actual>>) ELSE expected = actual',
    'TellsNext == TraceStep /\\ trace\' = trace /\\ next\' = next + 1 /\\ PrintT(<<"taken">>)',
    ...tells,
    'ExplainedSpec == TraceInit /\\ [][ExplainedNext]_next',
    '====',
  ];
  const configuration = `SPECIFICATION ExplainedSpec\n${
    action === undefined ? '' : 'CONSTANT Is <- TellIs\n'
  }`;
  return { text: `${module.join('\n')}\n`, configuration };
}

/** How the trace module calls the action of this event, and what that action asks for. */
function actionOf(spec: SpecName, line: Line): Action {
  const event = String(line.e);
  const source = readFileSync(join(SPEC, `${spec}.tla`), 'utf8').split('\n');
  const tracing = readFileSync(join(SPEC, `Trace${spec}.tla`), 'utf8');
  const at = source.findIndex((text) => new RegExp(`^${event}(\\(.*\\))? ==`).test(text));
  const branch = tracing.slice(tracing.indexOf(`e = "${event}"`));
  const call = /^\((?:[^()]|\([^()]*\))*\)/.exec(
    branch.slice(branch.search(`${event}\\(`) + event.length),
  );
  const parameters = /\(.*\)/.exec(/^.*?==/.exec(source[at] ?? '')?.[0] ?? '');
  // What is chosen by the trace module cannot be named here.
  const isOfNoMessage = line.m === 0 && /Message|Received/.test(call?.[0] ?? '');
  const isNameable = call !== null && !isOfNoMessage && !/upTo|kept|whole|read\b/.test(call[0]);
  return {
    name: event,
    parameters: parameters?.[0] ?? '',
    call: call?.[0] ?? '',
    conditions: at < 0 || !isNameable ? [] : conditionsAt(source, at),
    isOfNoMessage,
  };
}

/** The conjuncts of the definition that begins at a line. */
function conditionsAt(source: readonly string[], at: number): Condition[] {
  const conditions: { line: number; text: string }[] = [];
  const [, rest = ''] = /==\s*(.*)$/.exec(source[at]!) ?? [];
  if (rest !== '') conditions.push({ line: at + 1, text: rest });
  for (let i = at + 1; i < source.length && /^\s+\S/.test(source[i]!); i++) {
    const text = source[i]!.replace(/\\\*.*$/, '');
    const begins = /^ {2}\/\\ (.*)$/.exec(text);
    if (begins !== null) conditions.push({ line: i + 1, text: `   ${begins[1]!}` });
    else if (conditions.length > 0) conditions.at(-1)!.text += `\n${text.replace(/^ {2}/, '')}`;
    else conditions.push({ line: i + 1, text });
  }
  return conditions.map((condition) => ({
    ...condition,
    isEffect:
      /'|UNCHANGED|\b(Puts|Proposes|Appends|Acks|Send|SendWhenDurable|Silent|StepDown|Propose|ForgetLeading)\b/.test(
        condition.text,
      ),
  }));
}

function values(output: string, kind: string): string[] {
  const pattern = new RegExp(`<<\\s*"${kind}",?\\s*([\\s\\S]*?)\\s*>>\\n(?=\\S)`, 'g');
  return [...output.matchAll(pattern)].map(([, value]) => value!.replace(/\s+/g, ' '));
}

/** The fields of the record, each on a line. */
function stateTold(output: string): string[] {
  const [state = '?'] = values(output, 'state');
  return fieldsOf(state).map(([name, value]) => `    ${name.padEnd(16)} ${value}`);
}

function fieldsOf(record: string): [string, string][] {
  const inside = record.replace(/^\[\s*|\s*\]$/g, '');
  return split(inside).map((field) => {
    const [name = '', ...value] = field.split(' |-> ');
    return [name.trim(), value.join(' |-> ').trim()];
  });
}

/** The elements of a tuple; anything else is its own. */
function partsOf(value: string): string[] {
  const [, inside] = /^<<(.*)>>$/.exec(value) ?? [];
  return inside === undefined ? [value] : split(inside).map((part) => part.trim());
}

/** Splits at the commas that are not inside of anything. */
function split(text: string): string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const [i, c] of [...text].entries()) {
    const pair = text.slice(i, i + 2);
    if ('[({'.includes(c) || pair === '<<') depth++;
    else if ('])}'.includes(c) || pair === '>>') depth--;
    if (c === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += c;
  }
  return parts;
}

function conditionsTold(spec: SpecName, output: string, action: Action): string[] {
  const holds = new Map(
    values(output, 'condition').map((value) => {
      const [, number, result] = /^(\d+), (\w+)$/.exec(value) ?? [];
      return [Number(number), result === 'TRUE'];
    }),
  );
  const shown = ({ line, text }: Condition): string =>
    `    ${spec}.tla:${line}  ${text.replace(/\s+/g, ' ').trim()}`;
  const failed = action.conditions.filter((_, i) => holds.get(i) === false);
  if (action.isOfNoMessage) return ['  its message was not sent before'];
  if (failed.length > 0)
    return [`  ${action.name} asks for what does not hold`, ...failed.map(shown)];
  if (output.includes('<<"taken">>')) {
    return [`  the conditions of ${action.name} hold; the event says something else than it does`];
  }
  const inside = action.conditions.filter(({ isEffect, text }) => isEffect && /\bIN\b/.test(text));
  return [
    `  ${action.name} cannot be taken${inside.length === 0 ? '' : ': a condition in here does not hold'}`,
    ...inside.map(shown),
  ];
}

function comparisonsTold(output: string): string[] {
  const rows = values(output, 'is').flatMap((value) => {
    const [name = '', expected = '', actual = ''] = split(value).map((part) => part.trim());
    const names = partsOf(name.replaceAll('"', ''));
    // Several variables are compared as one tuple.
    const [expectations, actuals] =
      names.length === 1 ? [[expected], [actual]] : [partsOf(expected), partsOf(actual)];
    return names.map((each, i) => [each, expectations[i] ?? '', actuals[i] ?? ''] as const);
  });
  if (rows.length === 0) return [];
  const head = ['variable', 'by the action', 'by the event'] as const;
  const widths = [0, 1, 2].map((i) =>
    Math.min(60, Math.max(...[head, ...rows].map((row) => row[i]!.length))),
  );
  return [head, ...rows].map((row, i) => {
    const mark = i > 0 && row[1] !== row[2] ? '*' : ' ';
    return `  ${mark} ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')}`;
  });
}

/**
 * Writes a page about each export out of its docstrings: `node dist/impl/package/api.js`, after `types.js`. With
 * `--check` it writes nothing and fails if a page is out of date. Either way it fails if something exported, or a
 * method of it, has no docstring. (Properties may: their names carry their units.)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { EXPORTS, type Export, ROOT } from './places.ts';

/** Of the model that api-extractor makes, what is used here. */
interface Item {
  readonly kind: string;
  readonly name?: string;
  /** The docstring as it stands in the source, marks of the comment included. */
  readonly docComment?: string;
  readonly excerptTokens?: readonly { readonly text: string }[];
  readonly members?: readonly Item[];
}

const MEMBERS_WITHOUT_DOCS = new Set([
  'Property',
  'PropertySignature',
  'IndexSignature',
  'Constructor',
]);

const isCheck = process.argv.includes('--check');
for (const each of EXPORTS) {
  const model = JSON.parse(
    readFileSync(join(ROOT, 'dist/api', `${each.name}.json`), 'utf8'),
  ) as Item;
  const items = model.members![0]!.members!;
  for (const path of undocumented(items)) complain(`${each.name}: ${path} has no docstring`);
  const page = pageOf(each, items);
  const file = join(ROOT, each.page);
  if (!isCheck) writeFileSync(file, page);
  else if (readFileSync(file, 'utf8') !== page) complain(`${each.page} is out of date: make api`);
}

function complain(line: string): void {
  console.error(line);
  process.exitCode = 1;
}

function undocumented(items: readonly Item[], above = ''): string[] {
  return items.flatMap(({ kind, name, docComment, members = [] }) => [
    ...(docComment || MEMBERS_WITHOUT_DOCS.has(kind) ? [] : [`${above}${name}`]),
    ...undocumented(members, `${above}${name}.`),
  ]);
}

function pageOf({ name, source }: Export, items: readonly Item[]): string {
  const specifier = name === 'walrus' ? 'walrus' : `walrus/${name}`;
  return [
    `# API of \`${specifier}\``,
    '',
    `Made of the docstrings by \`make api\`; do not edit. The source begins at \`${source}\`.`,
    '',
    ...[...items].sort((a, b) => rank(a) - rank(b)).flatMap(sectionOf),
  ].join('\n');
}

/** What does something comes before what only describes it. */
function rank({ kind }: Item): number {
  return ['Class', 'Function', 'Variable', 'Interface', 'TypeAlias'].indexOf(kind);
}

function sectionOf(item: Item): string[] {
  const { kind, name, members = [] } = item;
  const head = [`## \`${name}\``, '', ...paragraphOf(item)];
  if (kind === 'Class') {
    return [...head, ...members.flatMap((member) => [...codeOf(member), ...paragraphOf(member)])];
  }
  if (kind !== 'Interface') return [...head, ...codeOf(item)];
  const lines = members.flatMap((member) => [...commentOf(member), `  ${signatureOf(member)}`]);
  return [...head, '```ts', `${signatureOf(item)} {`, ...lines, '}', '```', ''];
}

function paragraphOf(item: Item): string[] {
  const text = proseOf(item);
  return text === '' ? [] : [text, ''];
}

/** A member's docstring in the code of its interface. */
function commentOf(item: Item): string[] {
  const text = proseOf(item);
  return text === '' ? [] : text.split('\n').map((line) => `  // ${line}`);
}

function codeOf(item: Item): string[] {
  return ['```ts', signatureOf(item), '```', ''];
}

function signatureOf({ excerptTokens = [] }: Item): string {
  const text = excerptTokens.map((token) => token.text).join('');
  return text.replace(/^export (declare )?/, '').trim();
}

function proseOf({ docComment = '' }: Item): string {
  return docComment
    .replace(/^\/\*\*|\*\/\s*$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();
}

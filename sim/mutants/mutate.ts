/**
 * Small bugs, made by rule: each mutant is a file with one guard, comparison, sum, step or message field changed. The
 * rules are those of mutation testing (DeMillo, Lipton, Sayward 1978), cut down to what goes wrong in a protocol.
 */
import { type ESTree, parseSync } from 'rolldown/utils';
import { assert } from '../../impl/core/assert.ts';

/** What is done to a file. `start` and `end` are offsets in UTF-16 units; what lies between becomes `replacement`. */
export interface Mutant {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly rule: Rule;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

export type Rule = 'guard negated' | 'guard dropped' | 'bound' | 'sum' | 'step left out' | 'field';

const BOUNDS: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
};
/** Fields of messages and commands that are numbers; one less is what a stale or hurried sender says. */
const NUMBERS =
  /^(term|epoch|index|from|count|end|start|round|base|firstIndex|.*(Index|Term|Epoch|Count|End|Offset|Round|Watermark))$/;
/** What these calls do is not the protocol's: they tell of it, or check it. */
const LEFT_ALONE = /^(assert|this\.trace\.|trace\.|this\.tracer\.|tracer\.|this\.log\.|notices?\.)/;

type Node = ESTree.Node;

/** The mutants of `source`, the text of `file`, in the order of their places. */
export function mutantsOf(file: string, source: string): Mutant[] {
  const { program, errors } = parseSync(file, source);
  assert(errors.length === 0, `${file} is TypeScript`);
  const mutants: Mutant[] = [];
  const textOf = ({ start, end }: Node): string => source.slice(start, end);
  const add = (rule: Rule, { start, end }: Node, replacement: string): void => {
    const line = source.slice(0, start).split('\n').length;
    mutants.push({ file, line, rule, start, end, replacement });
  };
  visit(program, (node) => {
    switch (node.type) {
      case 'ExpressionStatement':
        if (node.directive == null) add('step left out', node, ';');
        break;
      case 'IfStatement':
        add('guard negated', node.test, `!(${textOf(node.test)})`);
        if (node.alternate === null)
          add('guard dropped', node.test, `(${textOf(node.test)}) && false`);
        break;
      case 'ConditionalExpression':
        add('guard negated', node.test, `!(${textOf(node.test)})`);
        break;
      case 'LogicalExpression':
        if (node.operator !== '??') {
          add('guard dropped', node, textOf(node.left));
          add('guard dropped', node, textOf(node.right));
        }
        break;
      case 'BinaryExpression': {
        const { left, right, operator } = node;
        const other = BOUNDS[operator];
        if (other !== undefined) add('bound', node, `${textOf(left)} ${other} ${textOf(right)}`);
        const isOne = right.type === 'Literal' && right.value === 1;
        if (isOne && (operator === '+' || operator === '-')) add('sum', node, textOf(left));
        break;
      }
      case 'Property': {
        const { key, value, shorthand } = node;
        if (key.type !== 'Identifier' || !NUMBERS.test(key.name)) break;
        // In a pattern it is no value.
        if (value.type === 'AssignmentPattern' || value.type === 'ObjectPattern') break;
        add('field', node, `${key.name}: (${shorthand ? key.name : textOf(value)}) - 1`);
        break;
      }
      default:
    }
  });
  return mutants;

  /** Types, patterns and what is left alone are not gone into. */
  function visit(node: Node, see: (node: Node) => void): void {
    if (node.type.startsWith('TS') && !('expression' in node)) return;
    if (node.type === 'ObjectPattern' || node.type === 'ThrowStatement') return;
    if (node.type === 'ExpressionStatement' && LEFT_ALONE.test(textOf(node))) return;
    see(node);
    for (const child of Object.values(node)) {
      for (const each of Array.isArray(child) ? child : [child]) {
        if (each !== null && typeof each === 'object' && 'type' in each) visit(each as Node, see);
      }
    }
  }
}

/** The text of the mutant's file with its change. */
export function mutated(source: string, { start, end, replacement }: Mutant): string {
  return source.slice(0, start) + replacement + source.slice(end);
}

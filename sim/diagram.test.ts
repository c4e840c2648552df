import { describe, expect, it } from 'vitest';
import { Diagram } from './diagram.ts';
import { play, runOfSeed } from './seed.ts';

function drawn(seed: string, durationMs: number): string {
  const diagram = new Diagram();
  play(runOfSeed(seed, durationMs), (event) => diagram.event(event));
  return diagram.svg('a run', { property: 'AProp', message: 'AProp: a < b', atMs: 1e6 });
}

function numbers(svg: string, element: RegExp): number[][] {
  return [...svg.matchAll(element)].map((match) => match.slice(1).map(Number));
}

describe('a space-time diagram', () => {
  const svg = drawn('4711', 5000);

  it('lets each message go from one node to another, and never back in time', () => {
    const arrows = numbers(
      svg,
      /<line x1="(\d+)" y1="(\d+)" x2="(\d+)" y2="(\d+)"[^>]*marker-end/g,
    );
    expect(arrows.length).toBeGreaterThan(5);
    for (const [x1, y1, x2, y2] of arrows) {
      expect(x1).not.toBe(x2);
      expect(y1!).toBeLessThan(y2!);
    }
  });

  it('has its rows in the order of time, inside the picture', () => {
    const [[width, height]] = numbers(svg, /<svg [^>]*width="(\d+)" height="(\d+)"/g) as [number[]];
    const rows = numbers(svg, /<text x="8" y="(\d+)"[^>]*>([\d.]+) s</g);
    expect(rows.length).toBeGreaterThan(20);
    for (const [i, [y, atS]] of rows.entries()) {
      expect(y!).toBeLessThan(height!);
      if (i > 0) expect(y!).toBeGreaterThan(rows[i - 1]![0]!);
      if (i > 0) expect(atS!).toBeGreaterThanOrEqual(rows[i - 1]![1]!);
    }
    for (const [x] of numbers(svg, /<circle cx="(\d+)"/g)) expect(x!).toBeLessThan(width!);
  });

  it('says what failed, as text and not as markup', () => {
    expect(svg).toContain('AProp: a &lt; b');
  });
});

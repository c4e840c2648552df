/** The figures as a picture. Drawn by Vega-Lite, which lives in the package of the peers. */
import { pathToFileURL } from 'node:url';
import { peerModulePath } from './peer-packages.ts';
import { figuresOf, type Results } from './results.ts';

const SHOWN = ['none-1000', 'each-1000', 'each-100', 'each-1', 'none-batch-256', 'read-sequential'];

interface VegaLite {
  compile(specification: object, options: object): { spec: object };
}
interface Vega {
  readonly Error: number;
  logger(level: number): object;
  parse(specification: object): object;
  View: new (runtime: object, options: object) => { toSVG(): Promise<string> };
}

/** As SVG. Throws if the package is not installed. */
export async function draw(results: Results): Promise<string> {
  const vegaLite = (await import(pathToFileURL(peerModulePath('vega-lite')).href)) as VegaLite;
  const vega = (await import(pathToFileURL(peerModulePath('vega')).href)) as Vega;
  const { spec } = vegaLite.compile(specification(results), {
    logger: vega.logger(vega.Error),
  });
  return new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}

function specification({ workloads }: Results): object {
  const rows = SHOWN.flatMap((name) => workloads.filter((workload) => workload.name === name));
  const values = rows.flatMap(({ title, subjects }) =>
    subjects.flatMap((result) => {
      const figures = figuresOf(result);
      if (figures === undefined || /^(raw|store) /.test(result.subject)) return [];
      const kind = /^walrus (io_uring|pwrite|portable)$/.test(result.subject) ? 'this' : 'peer';
      return [{ title, subject: result.subject, kind, rate: Math.round(figures.entriesPerSecond) }];
    }),
  );
  const rates = values.map(({ rate }) => rate);
  // A logarithmic axis has no zero that a bar could begin at, so bars begin where the axis does: a power of ten below all.
  const least = 10 ** (Math.ceil(Math.log10(Math.min(...rates))) - 1);
  const most = 10 ** Math.ceil(Math.log10(Math.max(...rates)));
  const decades = Array.from({ length: Math.log10(most / least) + 1 }, (_, i) => least * 10 ** i);
  const y = { field: 'subject', type: 'nominal', sort: null, title: null };
  const x = {
    field: 'rate',
    type: 'quantitative',
    scale: { type: 'log', domain: [least, most] },
    axis: { format: 's', values: decades },
    title: 'entries per second (logarithmic)',
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    data: { values },
    facet: {
      field: 'title',
      type: 'nominal',
      sort: rows.map(({ title }) => title),
      title: null,
      header: { labelFontSize: 13, labelAnchor: 'start' },
    },
    columns: 2,
    // Of equal places, whatever the names take; the room between is for them.
    bounds: 'flush',
    spacing: { column: 150, row: 40 },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 320,
      layer: [
        {
          mark: { type: 'bar' },
          encoding: {
            y,
            x,
            x2: { datum: least },
            color: {
              field: 'kind',
              type: 'nominal',
              scale: { domain: ['this', 'peer'], range: ['#1b6ca8', '#b9c4cc'] },
              legend: null,
            },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4, fontSize: 10 },
          encoding: { y, x, text: { field: 'rate', type: 'quantitative', format: '.3s' } },
        },
      ],
    },
  };
}

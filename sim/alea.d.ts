/** One generator of seedrandom, without the others, of which one asks for Node's `crypto`. */
declare module 'seedrandom/lib/alea.js' {
  export default function alea(seed: string): () => number;
}
